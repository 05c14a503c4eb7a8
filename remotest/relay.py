"""From what workers say to pytest's hooks here, and to events of the run machine.

All of it on the main thread, so plugins see what they would see in a run without workers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_remotest import messages, values
from pytest_remotest.brief import spell_out
from remotest import reports
from remotest.collected import Collections
from remotest.quota import Quota
from remotest.reportparts import share_parts
from remotest.run import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from remotest.compat.node import WorkerController
    from remotest.run.events import Event, Outcome

MOVED_PROPERTY: Final = "remotest_moved"
"""The user property of reports of a test that ran, or may have, on a host that was lost before."""

_OF_SESSIONS: Final = frozenset((messages.TestReport, messages.ItemPassed, messages.CollectReport))
"""Reports: plugins expect to know more of who they come from."""

VERSION_PARTS_SHOWN = 3
"""pytest writes the first three parts of a worker's ``version_info``."""


@dataclass
class Worker:
    """One worker of the run as the controller knows it."""

    name: str
    agent: str
    environment: str
    node: WorkerController
    ids: tuple[str, ...] = ()
    groups: dict[int, str] = field(default_factory=dict)
    has_collected: bool = False
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    report_counts: Counter[int] = field(default_factory=Counter)
    start: messages.LogStart | None = None
    """What it said when it began the test that runs."""
    location: reports.Location | None = None
    """That of this test, as pytest's hooks have it."""
    last_report: pytest.TestReport | None = None
    output: list[str] = field(default_factory=list)
    is_finished: bool = False
    has_exited: bool = False
    lost_with_host: bool = False
    quota: Quota = field(default_factory=Quota)
    killed: str = ""
    """Why and how its agent has ended it, in words that follow its name."""

    @property
    def running(self) -> str | None:
        """The node id of the test that has begun and neither ended nor been lost, or None."""
        return None if self.lost_with_host else self._begun

    @property
    def _begun(self) -> str | None:
        if self.start is None or not 0 <= self.start.position < len(self.ids):
            return None
        return self.ids[self.start.position]

    def has_begun(self, node_id: str) -> bool:
        """Return whether it said that it had begun a test, and not that this has ended."""
        return node_id == self._begun


class InternalErrorOnWorkerError(Exception):
    """pytest or a plugin broke on a worker; the text is the worker's own."""


class Relay:
    """Turns messages of workers into hook calls and machine events."""

    def __init__(self, config: pytest.Config, run_uid: str) -> None:
        self._config = config
        self._run_uid = run_uid
        self._moved: dict[str, str] = {}
        """What is known of a test's former life, by its node id."""
        self._seen_collection_errors: set[tuple[str, str]] = set()
        self._collections = Collections()
        self.interrupt_status: int | None = None
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        self.durations_s: dict[str, float] = {}
        self.collection_errors: Counter[str] = Counter()
        self._handlers: dict[type, Callable[[Worker, Any], Sequence[Event]]] = {
            messages.SessionStarted: self._session_started,
            messages.ItemGroups: self._item_groups,
            messages.Collected: self._collected,
            messages.LogStart: self._log_start,
            messages.LogFinish: self._log_finish,
            messages.TestReport: self._test_report,
            messages.CollectReport: self._collect_report,
            messages.WarningRecorded: self._warning_recorded,
            messages.ItemFinished: self._item_finished,
            messages.ItemPassed: self._item_passed,
            messages.ItemsReturned: self._items_returned,
            messages.Idle: self._idle,
            messages.Busy: lambda worker, _: [events.ItemsTaken(worker=worker.name)],
            messages.InternalError: self._internal_error,
            messages.SessionOutput: self._session_output,
            messages.SessionFinished: self._session_finished,
        }

    def handle(self, worker: Worker, message: Any) -> Sequence[Event]:
        """Call the hooks that a message stands for; return what the machine must know.

        Raises:
            pytest_remotest.messages.ProtocolError: no worker says such a thing.
        """
        handler = self._handlers.get(type(message))
        if handler is None:
            raise messages.ProtocolError(f"a worker sent {type(message).__name__}")
        if type(message) in _OF_SESSIONS and not hasattr(worker.node, "workerinfo"):
            raise messages.ProtocolError("a report of a session that has not begun")
        admitted = worker.quota.admit(message)
        return [] if admitted is None else handler(worker, admitted)

    def lost(self, worker: Worker, error: str, reason: str) -> Sequence[Event]:
        """Note that a worker's process ended without an end of its session.

        ``error`` is what plugins are told, ``reason`` the whole story.
        """
        worker.node.is_down = True
        worker.start = None
        self._config.hook.pytest_testnodedown(node=worker.node, error=error)
        return [events.WorkerLost(worker=worker.name, reason=reason)]

    def lost_item_report(self, worker: Worker, node_id: str, reason: str) -> pytest.TestReport:
        """Return the report of an item as failed whose worker died while it ran."""
        end = "was lost with its host" if worker.lost_with_host else worker.killed or "crashed"
        was_running = not worker.lost_with_host or worker.has_begun(node_id)
        when = "while running" if was_running else "when it was about to run, or had begun,"
        text = f"worker {worker.name!r} {end} {when} {node_id!r}"
        if words := reason.removeprefix(worker.killed).lstrip("\n"):
            text += f"\n{words}"
        if note := self._moved.get(node_id):  # JUnit has no properties of what was lost.
            text += f"\nbefore that, {note}"
        report = reports.lost_item_report(node_id, text)
        self._mark(worker, report)
        return report

    def log_lost_item(self, worker: Worker, report: pytest.TestReport, *, runs_again: bool) -> None:
        """Log such a report; ``runs_again`` says that it is not the item's last."""
        if not runs_again:
            self.outcomes[worker.environment, report.nodeid] = "failed"
        self._config.hook.pytest_runtest_logreport(report=report)

    def item_moved(self, worker: Worker, node_id: str, reason: str) -> None:
        """Note that an item runs once more because the host of its worker was lost."""
        note = f"{worker.name} was lost with its host while running this: {reason}"
        self._note_former_life(node_id, note)

    def items_in_doubt(self, worker: Worker, node_ids: Iterable[str], reason: str) -> None:
        """Note that items run which may have begun on the lost host of a worker."""
        note = f"this may have begun on {worker.name}, which was lost with its host: {reason}"
        for node_id in node_ids:
            self._note_former_life(node_id, note)

    def _note_former_life(self, node_id: str, note: str) -> None:
        before = self._moved.get(node_id)
        self._moved[node_id] = f"{before}; {note}" if before else note

    def report_collections_differ(self, worker: str, text: str) -> None:
        """Report, as an error of collecting, that a worker collected other tests than another."""
        report = pytest.CollectReport(nodeid=worker, outcome="failed", longrepr=text, result=[])
        self._config.hook.pytest_collectreport(report=report)

    # -- the session -----------------------------------------------------------------------

    def _session_started(self, worker: Worker, message: messages.SessionStarted) -> list[Event]:
        info = values.unpack(message.info)
        if not is_worker_info(info):
            raise messages.ProtocolError("a worker does not describe itself")
        info.update(id=worker.name, spec=worker.node.gateway.spec)
        worker.node.workerinfo = info
        self._config.hook.pytest_testnodeready(node=worker.node)
        return [events.WorkerReady(worker=worker.name)]

    def _item_groups(self, worker: Worker, message: messages.ItemGroups) -> list[Event]:
        for row in message.rows:
            match row:
                case [int(position), str(group)]:
                    worker.groups[position] = group
                case _:
                    raise messages.ProtocolError("a group that is no position and name")
        return []

    def _collected(self, worker: Worker, message: messages.Collected) -> list[Event]:
        ids = self._collections.take(worker.agent, worker.name, message)
        if ids is None:
            return []
        worker.quota.take_items(len(ids))
        if not message.last:
            return []
        worker.ids = self._collections.whole(worker.agent, worker.name)
        worker.has_collected = True
        self._config.hook.pytest_xdist_node_collection_finished(
            node=worker.node, ids=list(worker.ids)
        )
        return [
            events.WorkerCollected(
                worker=worker.name, ids=worker.ids, groups=tuple(worker.groups.items())
            )
        ]

    def _session_output(self, worker: Worker, message: messages.SessionOutput) -> list[Event]:
        worker.output.append(message.text)
        return []

    def _session_finished(self, worker: Worker, message: messages.SessionFinished) -> list[Event]:
        output = values.unpack_text("".join(worker.output))
        if not isinstance(output, dict):
            raise messages.ProtocolError("a worker's output is no dict")
        worker.node.workeroutput = output
        if not worker.has_collected and not message.interrupted:
            # It could not begin, and what it printed last says why: its exit brings that.
            return []
        worker.node.is_down = True
        worker.is_finished = True
        self._config.hook.pytest_testnodedown(node=worker.node, error=None)
        finished: list[Event] = []
        stop = message.interrupted or output.get("shouldfail") or output.get("shouldstop")
        if stop:
            finished.append(events.StopRequested(reason=str(stop)))
        if message.interrupted and self.interrupt_status is None:
            status = output.get("exitstatus")  # That of `pytest.exit`, where it names one.
            self.interrupt_status = status if type(status) is int else pytest.ExitCode.INTERRUPTED
        return [*finished, events.WorkerFinished(worker=worker.name)]

    def _internal_error(self, worker: Worker, message: messages.InternalError) -> list[Event]:
        raise InternalErrorOnWorkerError(f"on worker {worker.name}:\n{message.text}")

    # -- items -----------------------------------------------------------------------------

    def _idle(self, worker: Worker, message: messages.Idle) -> list[Event]:
        """Miss what must have come before: nobody else would, as nothing comes from it now."""
        if not worker.has_collected:
            raise messages.ProtocolError("what it has collected is missing")
        if worker.start is not None:
            raise messages.ProtocolError("the end of a test is missing")
        match message.state:
            case "paused":
                return []
            case "awaiting":
                return [events.ItemsAwaited(worker=worker.name)]
            case "ending":
                return [events.WorkerEnding(worker=worker.name)]
        raise messages.ProtocolError("a worker is idle for no known reason")

    def _log_start(self, worker: Worker, message: messages.LogStart) -> list[Event]:
        if worker.start is not None and worker.start.position != message.position:
            raise messages.ProtocolError("the end of a test is missing")
        worker.start = message
        worker.location = reports.as_location(message.location)
        self._config.hook.pytest_runtest_logstart(nodeid=message.node_id, location=worker.location)
        return [events.ItemStarted(worker=worker.name, position=message.position)]

    def _log_finish(self, _: Worker, message: messages.LogFinish) -> list[Event]:
        self._config.hook.pytest_runtest_logfinish(
            nodeid=message.node_id, location=reports.as_location(message.location)
        )
        return []

    def _test_report(self, worker: Worker, message: messages.TestReport) -> list[Event]:
        come_count = worker.report_counts[message.position]
        if message.number < come_count:  # It has come twice.
            return []
        if message.number > come_count:
            raise messages.ProtocolError("a report of a test is missing")
        worker.report_counts[message.position] += 1
        report = reports.rebuild_report(self._config, message.data, pytest.TestReport)
        share_parts(report, worker.last_report)
        worker.last_report = report
        before = worker.outcomes.get(message.position)
        outcome = reports.combine_outcomes(before, report)
        if outcome is not None:
            worker.outcomes[message.position] = outcome
        self._log_report(worker, message.position, report)
        return []

    def _log_report(self, worker: Worker, position: int, report: pytest.TestReport) -> None:
        self._mark(worker, report)
        report.item_index = position  # type: ignore[attr-defined]  # xdist's frozen name
        self._config.hook.pytest_runtest_logreport(report=report)

    def _item_finished(self, worker: Worker, message: messages.ItemFinished) -> list[Event]:
        if worker.report_counts.pop(message.position, 0) != message.report_count:
            raise messages.ProtocolError("a report of a test is missing")
        outcome = worker.outcomes.pop(message.position, None)
        return self._end_item(worker, message.position, outcome, message.duration_s)

    def _item_passed(self, worker: Worker, message: messages.ItemPassed) -> list[Event]:
        start, location = worker.start, worker.location
        if start is None or location is None or start.position != message.position:
            raise messages.ProtocolError("the start of a test is missing")
        if message.position in worker.report_counts:
            raise messages.ProtocolError("a test tells all its reports, and has told some")
        if not reports.are_rebuilt_by_pytest(self._config):
            spelled_out = spell_out(start, message)
            return [event for part in spelled_out for event in self.handle(worker, part)]
        for report in reports.rebuild_passed(start.node_id, location, message):
            self._log_report(worker, message.position, report)
        self._config.hook.pytest_runtest_logfinish(nodeid=start.node_id, location=location)
        return self._end_item(worker, message.position, "passed", message.duration_s)

    def _end_item(
        self, worker: Worker, position: int, outcome: Outcome | None, duration_s: float
    ) -> list[Event]:
        worker.start = None
        environment = worker.environment
        if outcome is not None and 0 <= position < len(worker.ids):
            self.outcomes[environment, worker.ids[position]] = outcome
        total_s = self.durations_s.get(environment, 0.0) + duration_s
        self.durations_s[environment] = total_s
        return [
            events.ItemFinished(
                worker=worker.name, position=position, outcome=outcome, duration_s=duration_s
            )
        ]

    def _items_returned(self, worker: Worker, message: messages.ItemsReturned) -> list[Event]:
        positions = tuple(message.positions)
        return [events.ItemsReturned(worker=worker.name, positions=positions)]

    def _mark(self, worker: Worker, report: pytest.TestReport) -> None:
        """Put on a report what pytest and plugins look for on those of workers."""
        report.node = worker.node  # type: ignore[attr-defined]  # xdist's frozen names
        report.worker_id = worker.name  # type: ignore[attr-defined]  # as above
        report.testrun_uid = self._run_uid  # type: ignore[attr-defined]  # as above
        if note := self._moved.get(report.nodeid):
            report.user_properties.append((MOVED_PROPERTY, note))

    # -- beside items ----------------------------------------------------------------------

    def _collect_report(self, worker: Worker, message: messages.CollectReport) -> list[Event]:
        report = reports.rebuild_report(self._config, message.data, pytest.CollectReport)
        key = (worker.environment, str(report.longrepr))
        if key in self._seen_collection_errors:
            return []
        self._seen_collection_errors.add(key)
        self.collection_errors[worker.environment] += report.failed
        report.node = worker.node  # type: ignore[attr-defined]  # xdist's frozen name
        self._config.hook.pytest_collectreport(report=report)
        return []

    def _warning_recorded(self, _: Worker, message: messages.WarningRecorded) -> list[Event]:
        self._config.hook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": reports.rebuild_warning(message),
                "when": message.when,
                "nodeid": message.node_id,
                "location": None
                if message.location is None
                else reports.as_location(message.location),
            }
        )
        return []


def is_worker_info(info: Any) -> bool:
    """Return whether a worker's description has all that pytest and plugins show of it."""
    if not isinstance(info, dict):
        return False
    version = info.get("version_info")
    return (
        isinstance(version, tuple)
        and len(version) >= VERSION_PARTS_SHOWN
        and all(
            isinstance(info.get(name), str)
            for name in (
                "version",
                "sysplatform",
                "platform",
                "executable",
                "cwd",
                "pytest_version",
            )
        )
    )
