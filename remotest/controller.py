"""The pytest plugin of a distributed run: pytest's hooks <-> driver and run machine.

Everything here runs on the main thread. The driver's threads put events into its inbox. The
controller takes one event after the other, passes it to the machine, and applies the machine's
commands.
"""

from __future__ import annotations

import random
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_remotest import messages
from remotest import wirefaults
from remotest.compat.adapter import AdaptedScheduler
from remotest.compat.coverage import HostCoverage
from remotest.compat.dsession import DSession, Interrupted, SchedulerView
from remotest.compat.hooks import Nodes
from remotest.compat.reruns import HostReruns
from remotest.errors import UsageError
from remotest.interrupts import Interrupts
from remotest.lastwords import describe_end, describe_killed
from remotest.places import Places
from remotest.preparation import Preparation
from remotest.relay import InternalErrorOnWorkerError, Relay, Worker
from remotest.reporting.leftovers import LeftoversReport
from remotest.reporting.terminal import TerminalReport
from remotest.run import commands, events
from remotest.run.machine import RunMachine
from remotest.run.verdict import exit_code
from remotest.schedulers import name_scheduler, prepare_scheduler
from remotest.tidings import DriverEvent, GatewayClosed, MessagesCame
from remotest.workercommands import WorkerCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from remotest.run.commands import Command
    from remotest.run.events import Event
    from remotest.settings import Settings
    from remotest.start import Dialled

LOOK_S = 1.0
"""The longest single wait: a signal that arrives just before a wait does not end the wait."""

EXIT_GRACE_S = 1.0
"""For workers that ended in order to exit by themselves after Ctrl-C; short, as a user waits."""

NOT_TERMINATED = "Not properly terminated"
"""The reason for a worker that ended without a message: the same phrase as pytest-xdist's."""


class Controller:
    """One distributed run, as a pytest plugin. Other plugins see it as ``dsession``."""

    _machine: RunMachine
    """Created when the run begins, because a plugin may provide the scheduler."""

    def __init__(self, config: pytest.Config, settings: Settings, dialled: Dialled) -> None:
        self.config = config
        self._settings = settings
        self._places = Places(settings)
        self._dialled = dialled
        self._opener = dialled.opener
        self._driver = dialled.driver
        self._interrupts = Interrupts(self._driver.wake)
        self._relay = Relay(config, settings.run_uid)
        self._nodes = Nodes(config, settings)
        self._report = TerminalReport(config, self._places, dialled.host_text)
        self._leftovers = LeftoversReport(
            are_kept=settings.keep_orphans, label=self._places.agent_label
        )
        self._preparation = Preparation(
            places=self._places,
            driver=self._driver,
            nodes=self._nodes,
            report=self._report,
            tell=self._tell,
        )
        self.dsession = DSession(config, self._nodes.manager, self._driver.inbox, self._driver.wake)
        config.pluginmanager.register(HostCoverage(config, self._places.paths))
        config.pluginmanager.register(HostReruns(config, self._places.is_local))
        self._scheduler_name = ""
        self._crash_reports: dict[tuple[str, str], pytest.TestReport] = {}
        self._workers: dict[str, Worker] = {}
        self._ended = False
        self._stop_reason: str | None = None
        self._saw_usage_error = False
        self._session: pytest.Session | None = None
        self._handlers: dict[type, Callable[[Any], None]] = {
            **self._preparation.handlers,
            GatewayClosed: self._gateway_closed,
            MessagesCame: self._messages_came,
            commands.SplitEnvironment: self._split_environment,
            commands.ReportLostItem: self._report_lost_item,
            commands.ReportItemMoved: self._report_item_moved,
            commands.ReportItemsInDoubt: self._report_items_in_doubt,
            **self._report.handlers,
            **WorkerCommands(
                self._workers,
                places=self._places,
                driver=self._driver,
                nodes=self._nodes,
                report=self._report,
                keep_orphans=settings.keep_orphans,
            ).handlers,
            commands.ConnectAgent: self._connect_agent,
            commands.ReportSchedulingStarted: self._report_scheduling_started,
            commands.ReportCollectionsDiffer: self._report_collections_differ,
            commands.EndRun: self._end_run,
        }

    # -- pytest's hooks --------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Announce the environments that are being opened."""
        self._session = session
        self._report.install()
        self.config.pluginmanager.register(self._leftovers)
        self._nodes.announce(self._places.environments)
        self._report.workers_created(self._places.declared_worker_count)
        if self._settings.faults:
            self._report.note(f"{wirefaults.VARIABLE} is set: things will go wrong")

    @pytest.hookimpl
    def pytest_collection(self) -> bool:
        """Collect nothing on the controller: the workers collect."""
        return True

    @pytest.hookimpl
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the suite on the workers.

        Raises:
            Interrupted: the run was stopped before its end.
            KeyboardInterrupt: it was stopped by Ctrl-C.
        """
        self._preparation.read_tree()
        self._make_machine()
        self._interrupts.install()
        self._apply(self._machine.start(self._now()))
        try:
            while not self._ended:
                self._handle_events(session)
        except UsageError as error:  # What shows only when an interpreter is known.
            raise pytest.UsageError(str(error)) from None
        self.dsession.shuttingdown = True
        result = self._machine.result()
        self._report.finished(result, self._relay)
        if self._interrupts.count:
            self._report.interrupted(self._workers.values())
            raise KeyboardInterrupt(*filter(None, [self._interrupts.words]))
        # A stop that was requested with the last report comes after the machine has ended.
        reason = result.stopped_reason or self._stop_reason
        if reason is not None:
            raise Interrupted(reason)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Begin to end every process of the run on every host; choose the exit code."""
        self._interrupts.close()
        self._await_worker_exits()
        self._dialled.part(self._interrupts.end_within_s())
        for agent, message in self._driver.processes_left():
            self._leftovers.take(agent, message)
        if self._ended and session.exitstatus in (0, 1, 5):
            result = self._machine.result()
            failed = session.testsfailed > 0 or session.exitstatus == 1
            session.exitstatus = exit_code(result, tests_failed=failed)
            if self._saw_usage_error and not any(e.collected for e in result.environments):
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
        elif self._ended and self._relay.interrupt_status is not None:
            session.exitstatus = self._relay.interrupt_status
        if self._interrupts.status is not None:
            session.exitstatus = self._interrupts.status

    @pytest.hookimpl(tryfirst=True, hookwrapper=True)
    def pytest_unconfigure(self) -> Generator[None, None, None]:
        """Close the hosts, which have had time to end, and give Ctrl-C back to Python.

        Around all others, so that it happens last, and also where another plugin fails.
        """
        yield
        self._dialled.leave()
        self._interrupts.restore()

    # -- the loop --------------------------------------------------------------------------

    @staticmethod
    def _now() -> float:
        return time.monotonic()

    def _handle_events(self, session: pytest.Session) -> None:
        """Handle the next event; if a deadline is due, all earlier events first, then the deadline.

        Events may come without an end: no deadline waits for a moment in which there is none.
        """
        deadline = self._machine.next_deadline()
        left_s = LOOK_S if deadline is None else max(0.0, deadline - self._now())
        is_due = left_s == 0.0
        for _ in range(max(1, self._driver.inbox.qsize()) if is_due else 1):
            event = self._driver.receive(min(left_s, LOOK_S))
            if event is not None:
                self._handle(event)
            self._tell_stop(session)
            if event is None or self._ended:
                break
        if is_due:
            self._tell(events.DeadlineReached())

    def _handle(self, event: DriverEvent) -> None:
        for note in self._opener.take_notes():
            self._report.note(note)
        self._handlers[type(event)](event)

    def _tell(self, event: Event) -> None:
        self._apply(self._machine.handle(event, self._now()))

    def _apply(self, batch: Iterable[Command]) -> None:
        for command in batch:
            self._handlers[type(command)](command)

    def _tell_stop(self, session: pytest.Session) -> None:
        """Tell the machine, once, that pytest, a plugin or Ctrl-C wants the run to stop."""
        reason = session.shouldfail or session.shouldstop or self.dsession.shouldstop
        if reason and self._stop_reason is None:
            self._stop_reason = str(reason)
            self.dsession.shuttingdown = True
            self._tell(events.StopRequested(reason=self._stop_reason))
        grace_s = self._interrupts.take()
        if grace_s is not None:
            self.dsession.shuttingdown = True
            self._tell(events.StopRequested(reason="Ctrl-C", grace_s=grace_s))

    def _make_machine(self) -> None:
        plan = self._places.run_plan()
        theirs = self._nodes.make_scheduler()
        adapted = theirs and AdaptedScheduler(
            theirs, node_of=lambda name: self._workers[name].node, is_each=plan.dist == "each"
        )
        ours = prepare_scheduler(
            self.config,
            plan,
            longest_first=self._settings.longest_first,
            kind_of=self._kind_of,
        )
        self._scheduler_name = type(theirs).__name__ if theirs else name_scheduler(ours, plan.dist)
        self._machine = RunMachine(
            plan,
            scheduler=adapted or ours,
            runs_again=self._runs_again,
            chance=random.random,
        )
        self.dsession.sched = theirs or SchedulerView(
            self.config, self._places.declared_worker_count, self._workers
        )

    def _kind_of(self, name: str) -> str:
        """Return the kind of a worker: tests take about the same time on all workers of a kind."""
        worker = self._workers[name]
        host = self._places.environment(worker.environment).spec.host_label
        return f"{host} {self._places.interpreter(worker.agent).tag}"

    def _await_worker_exits(self) -> None:
        """Give workers that ended in order some time to exit by themselves.

        As long as plugins of pytest-xdist know it: what atexit handlers may take.
        """
        is_urgent = self._interrupts.count > 0
        limit_s = EXIT_GRACE_S if is_urgent else self._nodes.manager.EXIT_TIMEOUT
        deadline = self._now() + limit_s
        for awaited in self._workers.values():  # Once: who has exited stays away.
            while awaited.is_finished and not awaited.has_exited:
                left_s = deadline - self._now()
                event = self._driver.receive(left_s) if left_s > 0 else None
                if event is None:
                    return
                if isinstance(event, GatewayClosed):
                    for worker in self._workers.values():
                        worker.has_exited |= worker.agent == event.agent
                elif isinstance(event, MessagesCame) and event.worker is None:
                    for message in event.messages:
                        self._handle_agent_message(event.agent, message)

    # -- events from the driver ------------------------------------------------------------

    def _gateway_closed(self, event: GatewayClosed) -> None:
        for worker in self._workers.values():
            if worker.agent == event.agent and not (worker.is_finished or worker.has_exited):
                worker.has_exited = worker.lost_with_host = True
                self._nodes.down(worker.node, event.reason)
        self._preparation.lose(event.agent, event.reason, may_return=event.may_return)

    def _messages_came(self, event: MessagesCame) -> None:
        worker = self._workers.get(event.worker or "")
        if worker is not None and worker.agent == event.agent:
            worker.quota.said_bytes += event.size_bytes
        with self._report.once():
            for message in event.messages:
                if event.worker is None:
                    self._handle_agent_message(event.agent, message)
                else:
                    self._handle_worker_message(event.agent, event.worker, message)

    def _living_worker(self, agent: str, name: str) -> Worker | None:
        """Return a worker of an agent; None if it was given up or belongs to another agent."""
        worker = self._workers.get(name)
        if worker is None or worker.has_exited or worker.agent != agent:
            return None
        return worker

    def _handle_agent_message(self, agent: str, message: Any) -> None:
        if isinstance(message, messages.WorkerOutput | messages.WorkerExited):
            worker = self._workers.get(message.worker)
            if worker is None or worker.agent != agent:  # No worker that it was asked for.
                return
        if isinstance(message, messages.WorkerOutput):
            self._report.worker_output(message.worker, message.text)
        elif isinstance(message, messages.WorkerExited):
            self._report.worker_output_ended(message.worker)
            self._worker_exited(agent, message)

    def _worker_exited(self, agent: str, message: messages.WorkerExited) -> None:
        worker = self._living_worker(agent, message.worker)
        if worker is None:
            return
        worker.has_exited = True
        if worker.is_finished:
            return
        worker.killed = message.killed
        error = message.killed or NOT_TERMINATED
        if worker.has_collected:
            self._report.worker_died(worker.name, error)
        else:
            self._report.worker_failed_to_start(worker.name, message.output)
            self._saw_usage_error |= message.status == pytest.ExitCode.USAGE_ERROR
        if message.killed:
            reason = describe_killed(message.killed, message.output)
        else:
            reason = describe_end(message.status, message.output)
        for event in self._relay.lost(worker, error, reason):
            self._tell(event)

    def _handle_worker_message(self, agent: str, name: str, message: Any) -> None:
        worker = self._living_worker(agent, name)
        if worker is None:
            return
        try:
            happened = self._relay.handle(worker, message)
        except messages.ProtocolError as error:
            self._driver.send(worker.agent, [messages.StopWorker(name, signal.SIGKILL)])
            worker.has_exited = True
            reason = f"it broke the protocol: {error}"
            self._report.worker_died(name, reason)
            happened = self._relay.lost(worker, reason, reason)
        except InternalErrorOnWorkerError:
            excinfo: pytest.ExceptionInfo[BaseException] = pytest.ExceptionInfo.from_current()
            self.config.notify_exception(excinfo)
            raise
        self._report.progress(worker, message, self._session)
        for event in happened:
            if isinstance(event, events.WorkerCollected):
                event = replace(event, round_trip_s=self._driver.round_trip_s(agent))  # noqa: PLW2901
            self._tell(event)

    # -- commands of the machine -----------------------------------------------------------

    def _split_environment(self, command: commands.SplitEnvironment) -> None:
        self._places.split(command.environment, command.into)

    def _connect_agent(self, command: commands.ConnectAgent) -> None:
        self._preparation.connect_again(command.agent)

    def _report_lost_item(self, command: commands.ReportLostItem) -> None:
        worker = self._workers[command.worker]
        report = self._crash_reports.pop((command.worker, command.node_id))
        self._relay.log_lost_item(worker, report, runs_again=command.runs_again)

    def _report_item_moved(self, command: commands.ReportItemMoved) -> None:
        worker = self._workers[command.worker]
        self._relay.item_moved(worker, command.node_id, command.reason)
        self._report.item_moved(command.worker, command.node_id)

    def _report_items_in_doubt(self, command: commands.ReportItemsInDoubt) -> None:
        worker = self._workers[command.worker]
        self._relay.items_in_doubt(worker, command.node_ids, command.reason)
        self._report.items_in_doubt(command.worker, command.node_ids)

    def _runs_again(self, name: str, node_id: str, reason: str) -> bool:
        """Ask plugins whether an item whose worker died runs again. Called by the machine."""
        report = self._relay.lost_item_report(self._workers[name], node_id, reason)
        self._crash_reports[name, node_id] = report
        return self._nodes.handle_crash(node_id, report, self.dsession.sched)

    def _report_scheduling_started(self, command: commands.ReportSchedulingStarted) -> None:
        self._report.scheduling_started(self._scheduler_name, command.coming_count, self._session)

    def _report_collections_differ(self, command: commands.ReportCollectionsDiffer) -> None:
        self._relay.report_collections_differ(command.worker, command.text)

    def _end_run(self, command: commands.EndRun) -> None:
        self._ended = True
        self._report.ended(command)
