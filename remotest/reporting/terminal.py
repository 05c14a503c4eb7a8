"""What a distributed run writes to the terminal, beside what pytest's own reporter writes."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from pytest_remotest import messages
from remotest.hosttext import HostText, one_line, printable
from remotest.reporting import junit, progress
from remotest.reporting.environmentnames import EnvironmentNames
from remotest.reporting.flushing import Flushing
from remotest.reporting.gaps import gap_lines
from remotest.reporting.lastfailed import LastFailed
from remotest.reporting.matrix import (
    Row,
    disagreement_lines,
    find_disagreements,
    harmless_line,
    matrix_lines,
)
from remotest.reporting.outputlines import OutputLines
from remotest.reporting.status import Stage, Stages, status_line
from remotest.reporting.synclines import progress_line, pushed_lines
from remotest.reporting.tally import Tally
from remotest.reporting.troubles import loss_lines, return_lines
from remotest.run import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from remotest.errors import HostError
    from remotest.places import Places
    from remotest.relay import Relay, Worker
    from remotest.run.commands import EndRun
    from remotest.run.result import EnvironmentResult, RunResult
    from remotest.sync.push import Progress, Pushed

MISSING_SHOWN = 20
"""Tests without an outcome that the summary names; the rest is counted."""

RUNNING_SHOWN = 20
"""Tests that are named after Ctrl-C: those that it has interrupted, one for each worker."""

OUTPUT_SHOWN_LINES = 30
"""Last lines of a dead worker's output that are shown at once: a faulthandler dump fits."""


class TerminalReport:
    """Writes through pytest's terminal reporter; silent where there is none or under ``-q``.

    Lines that workers print are cleaned by ``host_text``.
    """

    def __init__(self, config: pytest.Config, places: Places, host_text: HostText) -> None:
        self._config = config
        self._places = places
        self._host_text = host_text
        self._terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
        self._is_quiet = self._verbosity < 0
        self._shows_output = config.option.capture == "no"
        self._output = OutputLines()
        self._stages = Stages()
        self._has_begun_early = False
        self._item_count = 0
        self._collected: defaultdict[str, Tally] = defaultdict(Tally)
        self._collected_count = 0
        self._coming_count = 0
        self._flushing = self._terminal and Flushing(self._terminal._tw)  # noqa: SLF001  no other way
        self._result: RunResult | None = None
        self._relay: Relay | None = None
        self._summary = ""
        self._last_words_shown: set[tuple[str, ...]] = set()
        self._last_width = 0
        self._travelling: dict[str, Progress] = {}
        self._told_causes: set[str] = set()
        self.handlers: dict[type, Callable[[Any], None]] = {
            commands.ReportEnvironmentFailed: self._environment_failed,
            commands.ReportAgentGivenUp: self._agent_given_up,
            commands.ReportTooFewHosts: self._too_few_hosts,
            commands.ReportNote: lambda command: self.note(command.text),
        }

    @property
    def _verbosity(self) -> int:
        # Asked anew: --log-cli-level raises it as the run begins. It is the terminal reporter's
        # own option: "-p no:terminal" takes both away.
        verbosity: int = self._config.getoption("verbose", 0)
        return verbosity

    def install(self) -> None:
        """Register what needs pytest's hooks."""
        self._config.pluginmanager.register(self, "terminaldistreporter")
        junit.install(
            self._config,
            environments=lambda: [plan.name for plan in self._places.environments],
            is_single=len(self._places.environments) == 1 and self._places.mode != "each",
            describe=self._places.facts,
            failures=self._faults,
        )
        if self._places.mode == "each":
            self._config.pluginmanager.register(LastFailed(self._config))
        if self._terminal is not None:
            self._terminal.showfspath = False
            if self._places.mode == "each":
                progress.install(self._config, self._terminal)

    def once(self) -> contextlib.AbstractContextManager[None]:
        """Show at the end of a ``with`` block what pytest's reporter shows in it."""
        return self._flushing.once() if self._flushing else contextlib.nullcontext()

    # -- lines while the run goes on -------------------------------------------------------

    def _line(self, text: str, **markup: bool) -> None:
        if self._terminal is not None and not self._is_quiet:
            self._write_line(text, **markup)

    def _write_line(self, text: str, **markup: bool) -> None:
        """Write a line below the dots that pytest is writing; who reads from a pipe has it now."""
        self._terminal.ensure_newline()
        if self._terminal._tw.width_of_current_line:  # noqa: SLF001  the only way to ask
            self._terminal.line("")
        self._terminal.write_line(text, **markup)
        self._terminal.flush()

    def _important(self, text: str) -> None:
        """Write what must be seen, also under ``-q`` and without a terminal reporter."""
        if self._terminal is not None:
            self._write_line(text, red=True)
        else:
            sys.stderr.write(text + "\n")

    def note(self, text: str) -> None:
        """Write one line about the run."""
        self._line(text)

    def tree_travels(self, agent: str, progress: Progress) -> None:
        """Show on a terminal how far the tree is on its way to a host."""
        self._travelling[agent] = progress
        if self._terminal is not None and self._terminal.isatty:
            self._show_status()

    def tree_pushed(self, agent: str, pushed: Pushed) -> None:
        """Write what happened while a tree was brought to a host; ``-v`` tells what was sent."""
        self._travelling.pop(agent, None)
        lines = [*pushed_lines(agent, pushed, is_verbose=self._verbosity > 1)]
        for line in lines[0 if self._verbosity > 0 else 1 :]:
            self._line(line)

    def notes(self, agent: str, texts: Iterable[str]) -> None:
        """Write what happened while a tree was brought to a host."""
        for text in texts:
            self._line(f"{agent}: {one_line(text)}")

    def environment_ready(self, agent: str, text: str) -> None:
        """Write what the environment of an agent is made from."""
        self._line(f"{self._places.agent_label(agent)}: {text}")

    def host_failed(self, error: HostError) -> None:
        """Write the paragraph of a host that cannot be used."""
        self._told_causes.add(error.cause)
        self._important(printable(error.paragraph()))

    def host_lost(self, agent: str, reason: str) -> None:
        """Write that a host is gone."""
        self._told_causes.add(reason)
        self._important(f"{agent}: lost: {printable(reason)}")

    def item_moved(self, worker: str, node_id: str) -> None:
        """Write that a test runs once more because its host was lost."""
        self._important(f"{worker} was lost while running {node_id}: it runs again elsewhere")

    def items_in_doubt(self, worker: str, node_ids: Sequence[str]) -> None:
        """Write that tests run elsewhere which may have begun on a host that was lost."""
        more = f" and {len(node_ids) - 1} more" if len(node_ids) > 1 else ""
        self._line(
            f"{worker} was lost and may have begun {one_line(node_ids[0])}{more}: "
            "run elsewhere, and marked"
        )

    def interrupted(self, workers: Iterable[Worker]) -> None:
        """Write what ran when the user stopped the run: it may be why."""
        running = [(worker.name, worker.running) for worker in workers if worker.running]
        for name, node_id in running[:RUNNING_SHOWN]:
            self._line(f"[{name}] was running {one_line(node_id)}")
        if len(running) > RUNNING_SHOWN:
            self._line(f"... and {len(running) - RUNNING_SHOWN} more")

    def _agent_given_up(self, command: commands.ReportAgentGivenUp) -> None:
        self._told_causes.add(command.reason)
        self._important(f"{command.agent}: given up: {printable(command.reason)}")

    def _too_few_hosts(self, command: commands.ReportTooFewHosts) -> None:
        self._important(printable(command.text))

    def _environment_failed(self, command: commands.ReportEnvironmentFailed) -> None:
        """Write that an environment did not run, or not to its end, if that is news."""
        if command.reason in self._told_causes:
            return
        label = self._places.label(command.environment)
        reason = printable(command.reason.partition("\n")[0])
        self._line(f"environment {label} failed: {reason}", red=True)

    def worker_died(self, worker: str, error: str) -> None:
        """Write that a worker did not end in order."""
        self._line(f"[{worker}] node down: {one_line(error)}")

    def worker_failed_to_start(self, worker: str, output: str) -> None:
        """Write the last words of a worker that had not come to run anything."""
        lines = printable(output).strip().splitlines()[-OUTPUT_SHOWN_LINES:]
        # Workers that fail alike are shown once.
        if lines and tuple(lines) not in self._last_words_shown:
            self._last_words_shown.add(tuple(lines))
            self._important(f"[{worker}] last words:")
            for line in lines:
                self._important(f"    {line}")

    def worker_output(self, worker: str, text: str) -> None:
        """Write what a worker printed, where the user asked to see prints (``-s``)."""
        self._write_output(worker, self._output.add(worker, text))

    def worker_output_ended(self, worker: str) -> None:
        """Write what a worker has printed last, if that is no whole line."""
        self._write_output(worker, self._output.end(worker))

    def _write_output(self, worker: str, lines: Iterable[str]) -> None:
        if self._shows_output and self._terminal is not None:
            for line in lines:
                self._write_line(f"[{worker}] {self._host_text.line(line)}")

    # -- the start of workers --------------------------------------------------------------

    def workers_created(self, count: int) -> None:
        """Write how many workers there will be."""
        self._stages.expect(count)
        self._show_status(to_log=True)

    def worker_started(self, worker: str, replaces: str | None) -> None:
        """Note that a worker is being started."""
        self._stages.start(worker, replaces)
        self._show_status()

    def progress(self, worker: Worker, message: Any, session: pytest.Session | None) -> None:
        """Follow a worker's start; tell pytest's session how much was collected."""
        if isinstance(message, messages.SessionStarted):
            self._stages.move(worker.name, Stage.READY)
            self._interpreter_line(worker)
            self._show_status()
        elif isinstance(message, messages.Collected) and message.last:
            self._stages.move(worker.name, Stage.COLLECTED)
            self._coming_count = max(0, self._coming_count - 1)
            self._count_items(worker)
            self._tell_total(session)
            self._show_status()

    def _count_items(self, worker: Worker) -> None:
        """Add to what is to run those items of a worker that others before it lack."""
        tally = self._collected[worker.environment if self._places.mode == "each" else ""]
        self._collected_count += tally.add(worker.ids)
        self._item_count = max(self._item_count, tally.count)

    def _tell_total(self, session: pytest.Session | None) -> None:
        """Let pytest show how much of all that is to run has run."""
        if session is not None:
            # Who is still to come under each will most likely have as many as the others.
            coming = self._coming_count if self._places.mode == "each" else 0
            session.testscollected = self._collected_count + coming * self._item_count

    def _interpreter_line(self, worker: Worker) -> None:
        info = worker.node.workerinfo
        if self._verbosity > 0 and info.get("executable") != sys.executable:
            version = printable(str(info.get("version")).replace("\n", " -- "))
            self._line(f"[{worker.name}] Python {version}")

    def _show_status(self, *, to_log: bool = False) -> None:
        if self._terminal is None or self._is_quiet or self._has_begun_early:
            return
        line = status_line(self._stages.counts, self._item_count)
        if self._travelling:
            line += f", sync: {progress_line(self._travelling.values())}"
        if self._terminal.isatty:
            padding = " " * max(0, self._last_width - len(line))
            self._terminal.rewrite(line + padding, bold=True)
            self._last_width = len(line)
        elif to_log:
            self._terminal.write_line(line)
            self._terminal.flush()

    def scheduling_started(
        self, scheduler: str, coming_count: int, session: pytest.Session | None
    ) -> None:
        """Write that tests are given out now, and by which scheduler.

        ``coming_count`` workers are still to collect, which nobody hears of between the results. A
        further one that has not collected by now never will.
        """
        self._stages.settle(coming_count)
        self._show_status(to_log=True)
        self._has_begun_early = coming_count > 0
        self._coming_count = coming_count
        self._tell_total(session)
        self._line("")
        if self._verbosity > 0:
            self._line(f"scheduling tests via {scheduler}")

    # -- the end ---------------------------------------------------------------------------

    def ended(self, command: EndRun) -> None:
        """Note the line that the machine has for the end."""
        self._summary = command.summary

    def finished(self, result: RunResult, relay: Relay) -> None:
        """Take the result that the summary shows."""
        self._result = result
        self._relay = relay

    @pytest.hookimpl(tryfirst=True, hookwrapper=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, None, None]:
        """Write the matrix and what is wrong with the run below pytest's own summary."""
        with self._naming_environments():
            yield
        if self._summary:
            terminalreporter.write_sep("=", f"xdist: {self._summary}")
        if self._result is not None and self._relay is not None:
            self._write_matrix(terminalreporter, self._result, self._relay)
            self._write_troubles(terminalreporter, self._result)
            self._write_missing(terminalreporter, self._result)
            self._write_gaps(terminalreporter, self._result)

    @contextlib.contextmanager
    def _naming_environments(self) -> Iterator[None]:
        """Name the environment in lines about a test, for the time of the summary."""
        if not self._places.names_environments:
            yield
            return
        names = EnvironmentNames(
            self._places.label, are_skips_folded=getattr(self._config.option, "fold_skipped", True)
        )
        self._config.pluginmanager.register(names)
        yield
        self._config.pluginmanager.unregister(names)

    def _failures(self) -> dict[str, str]:
        """Return environment -> why it did not run to its end."""
        result = self._result
        unwell = [] if result is None else [e for e in result.environments if not is_well(e)]
        return {environment.name: printable(environment.reason) for environment in unwell}

    def _faults(self) -> dict[str, str]:
        """Return those of them that are a fault of the run."""
        result = self._result
        missed = set() if result is None else {e.name for e in result.environments if e.is_missed}
        return {name: why for name, why in self._failures().items() if name in missed}

    def _write_matrix(self, terminal: Any, result: RunResult, relay: Relay) -> None:
        failures = self._failures()
        if not (self._places.names_environments or failures):
            return
        rows = []
        for environment in result.environments:
            facts = self._places.facts(environment.name)
            counts = Counter(environment.outcomes)
            if errors := relay.collection_errors[environment.name]:
                counts["error"] += errors
            rows.append(
                Row(
                    label=facts["name"],
                    interpreter=facts.get("interpreter", "-"),
                    pytest_version=facts.get("pytest", "-"),
                    has_run=environment.collected > 0 or counts["error"] > 0,
                    counts=counts,
                    duration_s=relay.durations_s.get(environment.name, 0.0),
                )
            )
        terminal.write_sep("=", "environments")
        for line in matrix_lines(rows, terminal._tw.fullwidth):  # noqa: SLF001  the only way to ask
            terminal.write_line(line)
        for name, reason in failures.items():
            label = self._places.label(name)
            first_line = reason.partition("\n")[0]
            colour = {"red": True} if name in self._faults() else {"yellow": True}
            terminal.write_line(f"{label} did not run to its end: {first_line}", **colour)
        self._write_disagreements(terminal, relay)

    def _write_disagreements(self, terminal: Any, relay: Relay) -> None:
        if self._places.mode != "each":
            return
        ran = {environment for environment, _ in relay.outcomes}
        labels: Mapping[str, str] = {
            environment.name: self._places.label(environment.name)
            for environment in self._places.environments
            if environment.name in ran
        }
        found = find_disagreements(relay.outcomes, labels)
        shows_all = self._verbosity > 0
        lines, left_out = disagreement_lines(found, shows_all=shows_all)
        if lines:
            terminal.write_sep("-", "tests that do not agree between environments")
            for line in lines:
                terminal.write_line(line)
        if left_out:
            terminal.write_line(f"... and {left_out} more")
        quiet_count = sum(1 for item in found if not item.fails_somewhere)
        if quiet_count and not shows_all:
            terminal.write_line(harmless_line(quiet_count))

    def _write_troubles(self, terminal: Any, result: RunResult) -> None:
        """List hosts and workers that were lost; say why a run was given up for want of hosts."""
        if lines := return_lines(result.troubles):
            terminal.write_sep("=", "hosts that were lost and came back")
        for line in lines:
            terminal.write_line(self._host_text.line(line))
        if lines := loss_lines(result):
            terminal.write_sep("=", "workers that were lost between tests", red=True)
        for line in lines:
            terminal.write_line(self._host_text.line(line))
        if result.too_few_hosts:
            terminal.write_sep("=", "too few hosts", red=True)
            terminal.write_line(printable(result.too_few_hosts))

    def _write_missing(self, terminal: Any, result: RunResult) -> None:
        if not result.missing or result.stopped_reason is not None:
            return
        terminal.write_sep("=", "tests without an outcome", red=True)
        for environment, node_id in result.missing[:MISSING_SHOWN]:
            terminal.write_line(f"[{self._places.label(environment)}] {node_id}")
        if len(result.missing) > MISSING_SHOWN:
            terminal.write_line(f"... and {len(result.missing) - MISSING_SHOWN} more")

    def _write_gaps(self, terminal: Any, result: RunResult) -> None:
        """List which workers lack which tests, unless the run was refused for that."""
        if not result.gaps or result.are_gaps_refused:
            return
        terminal.write_sep("=", "tests that not every worker collected")
        for line in gap_lines(result.gaps, self._places.label):
            terminal.write_line(line)


def is_well(environment: EnvironmentResult) -> bool:
    """Return whether nothing is wrong with an environment; that a run was stopped is not."""
    return environment.end in ("finished", "stopped")
