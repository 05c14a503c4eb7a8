"""The workers of a run: starts them, tracks their phases, replaces them when they are lost.

Part of the run machine and as pure: it is given events and the time, and records commands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remotest.run.commands import (
    Command,
    FinishWorker,
    InterruptWorker,
    KillWorker,
    ReportEnvironmentFailed,
    ReportNote,
    StartWorker,
    StopWorker,
)
from remotest.run.deadlines import (
    COLLECT_TIMEOUT_S,
    FINISH_TIMEOUT_S,
    ORDER_TIMEOUT_S,
    WORKER_START_TIMEOUT_S,
    Deadlines,
)
from remotest.run.events import (
    ItemFinished,
    ItemsAwaited,
    ItemsReturned,
    ItemStarted,
    Outcome,
    StopRequested,
    WorkerCollected,
    WorkerEnding,
    WorkerFinished,
    WorkerLost,
    WorkerReady,
)
from remotest.run.fleet import EnvironmentState, Fleet, Phase, WorkerState
from remotest.run.losses import Losses
from remotest.run.restarts import Restarts
from remotest.scheduling.catalogue import Catalogue
from remotest.scheduling.holding import LOOK_AHEAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from remotest.run.events import WorkerEvent
    from remotest.run.plan import RunPlan
    from remotest.run.result import EnvironmentEnd
    from remotest.scheduling.base import Scheduler, SchedulingCommand


class Crew:
    """The workers of a run. Only the run machine calls it, and sets ``now`` before each step.

    Attributes:
        now: the time of this step.
        commands: the commands that result from this step, in order.
        stopped_reason: why no further item is begun, or None.
        summary: one line for the end of the report, or empty.
    """

    def __init__(
        self,
        plan: RunPlan,
        *,
        scheduler: Scheduler,
        runs_again: Callable[[str, str, str], bool] | None,
    ) -> None:
        """See ``RunMachine``."""
        self.now = 0.0
        self.commands: list[Command] = []
        self.stopped_reason: str | None = None
        self.summary = ""
        self.fleet = Fleet(plan)
        self.catalogue = Catalogue()
        self.scheduler = scheduler
        self.losses = Losses(runs_again, requeue=plan.requeue)
        self._deadlines = Deadlines()
        self._orders = Deadlines()  # Of those that await what they were already told.
        self._restarts = Restarts(plan.max_worker_restart)
        self._is_closed = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is given out any more."""
        return self._is_closed or self.stopped_reason is not None

    def take_commands(self) -> list[Command]:
        """Return and forget what is to be done."""
        commands, self.commands = self.commands, []
        return commands

    def next_deadline(self) -> float | None:
        """Return when ``expire`` is due if nothing else happens, or None."""
        deadlines = (self._deadlines.next(), self._orders.next())
        return min((when for when in deadlines if when is not None), default=None)

    # -- starting, running, finishing ----------------------------------------------------------

    def start_worker(
        self, environment: EnvironmentState, name: str, *, replaces: str | None = None
    ) -> None:
        """Start a worker of an environment whose agent is ready."""
        self.fleet.add_worker(environment, name, replaces)
        self._deadlines.set(name, self.now + WORKER_START_TIMEOUT_S)
        self.commands.append(
            StartWorker(
                worker=name,
                agent=environment.declared.agent,
                environment=environment.name,
                replaces=replaces,
            )
        )

    def handle(self, event: WorkerEvent) -> None:
        """Take in what a worker has done, or says that it has."""
        worker = self.fleet.workers.get(event.worker)
        if worker is None:  # It was given up before.
            return
        if isinstance(event, ItemsAwaited):
            self._awaited(worker)
            return
        if worker.awaits:
            worker.awaits = False
            self._orders.drop(worker.name)
        if isinstance(event, WorkerEnding):
            self._deadlines.shorten(worker.name, self.now + FINISH_TIMEOUT_S)
        else:
            self._handle(worker, event)

    def _handle(self, worker: WorkerState, event: WorkerEvent) -> None:
        match event:
            case ItemStarted():
                if self._has_item(worker, event.position):
                    worker.running.add(event.position)
            case ItemFinished():
                if self._has_item(worker, event.position):
                    self._item_finished(worker, event)
            case WorkerReady():
                self._ready(worker)
            case WorkerCollected():
                self._collected(worker, event)
            case ItemsReturned():
                self._returned(worker, event.positions)
            case WorkerFinished():
                self._finished(worker)
            case WorkerLost():
                self._lose(worker, event.reason)

    def _has_item(self, worker: WorkerState, position: int) -> bool:
        """Return whether a worker may speak of a position; give the worker up if it may not."""
        if worker.has_collected and self.scheduler.holds(worker.name, position):
            return True
        self._refuse(worker, f"it spoke of item {position}, which it does not hold")
        return False

    def _ready(self, worker: WorkerState) -> None:
        if worker.phase is not Phase.STARTING:
            self._refuse(worker, "it announced its start twice")
            return
        worker.phase = Phase.COLLECTING
        self._deadlines.set(worker.name, self.now + COLLECT_TIMEOUT_S)

    def _collected(self, worker: WorkerState, event: WorkerCollected) -> None:
        if worker.phase is not Phase.COLLECTING:
            self._refuse(worker, "it announced a collection at the wrong time")
            return
        environment = worker.environment
        worker.collection = collection = self.catalogue.enter(event.ids, event.groups)
        worker.phase = Phase.RUNNING
        del self.fleet.coming[worker.name]
        self._deadlines.drop(worker.name)
        environment.collections.setdefault(collection, []).append(worker.name)
        environment.ledger.announce(collection)
        self.scheduler.set_round_trip(worker.name, event.round_trip_s)
        self.apply(self.scheduler.add_worker(worker.name, collection, replaces=worker.replaces))

    def _item_finished(self, worker: WorkerState, event: ItemFinished) -> None:
        worker.running.discard(event.position)
        self._settle(worker, event.position, event.outcome)
        self.apply(
            self.scheduler.finish_item(worker.name, event.position, duration_s=event.duration_s)
        )
        if worker.phase is not Phase.RUNNING:
            self._await_end(worker)

    def _returned(self, worker: WorkerState, positions: tuple[int, ...]) -> None:
        is_owed = worker.has_collected and self.scheduler.has_asked(worker.name, positions)
        if is_owed and worker.running.isdisjoint(positions):
            self.apply(self.scheduler.return_items(worker.name, positions))
        else:
            self._refuse(worker, "it returned items that it was not asked for")

    def _awaited(self, worker: WorkerState) -> None:
        """Take in that a worker waits; maybe what it was told is still on its way, or was lost.

        It can be noticed only now: how long a worker takes for a test is nobody's business, and
        it may not even be able to answer meanwhile.
        """
        if not worker.has_collected:
            self._refuse(worker, "it waits for items and has not collected")
        elif not worker.running and worker.phase is not Phase.STOPPING:  # That has a deadline.
            worker.awaits = True
            if (
                worker.phase is Phase.FINISHING
                or self.scheduler.held_count(worker.name) >= LOOK_AHEAD
                or self.scheduler.has_asked(worker.name, ())
            ):
                self._orders.shorten(worker.name, self.now + ORDER_TIMEOUT_S)

    def _settle(self, worker: WorkerState, position: int, outcome: Outcome | None) -> None:
        environment = worker.environment
        environment.ledger.settle(worker.item(position), has_outcome=outcome is not None)
        if outcome is not None:
            environment.outcomes[outcome] += 1

    def _await_end(self, worker: WorkerState) -> None:
        """Set a worker a deadline if all it has to do is to end its session."""
        if worker.phase is Phase.STOPPING:
            is_through = not worker.running
        else:
            is_through = self.scheduler.held_count(worker.name) == 0
        if is_through:
            self._deadlines.shorten(worker.name, self.now + FINISH_TIMEOUT_S)

    def _finished(self, worker: WorkerState) -> None:
        if not worker.has_collected:
            self._lose(worker, "its session ended before it had collected")
            return
        held_count = self.scheduler.held_count(worker.name)
        if worker.phase is Phase.RUNNING or (worker.phase is Phase.FINISHING and held_count):
            self._lose(worker, f"it ended its session with {held_count} items still to run")
            return
        self._retire(worker)
        self.apply(self.scheduler.remove_worker(worker.name, begun=frozenset()))

    # -- losses --------------------------------------------------------------------------------

    def _refuse(self, worker: WorkerState, what: str) -> None:
        """Give up a worker that said what it must not say; none of it has been taken in."""
        self._give_up(worker, f"broken protocol: {what}")

    def _give_up(self, worker: WorkerState, what: str) -> None:
        """Kill a worker and go on as if it had died."""
        self.commands.append(KillWorker(worker=worker.name, reason=what))
        self._lose(worker, what)

    def lose_with_host(self, worker: WorkerState, reason: str, *, has_others: bool) -> None:
        """Go on without a worker whose host was lost; it is not replaced.

        ``has_others``: other workers are there, or may come, to run what it was given.
        """
        self._retire(worker)
        if worker.has_collected:
            held = self.scheduler.held(worker.name)
            blamed = self.losses.blame_host(worker, reason, held=held, has_others=has_others)
            self._leave(worker, *blamed)

    def _lose(self, worker: WorkerState, reason: str) -> None:
        """Go on without a worker: blame what it was running, give the rest to others."""
        environment = worker.environment
        self._retire(worker)
        if not worker.has_collected:
            if self.stopped_reason is None:
                what = f"worker {worker.name} was lost before it had collected: {reason}"
                self.fail(environment, "failed", what)
            return
        reports, failed = self.losses.blame(worker, reason)
        is_needed = self._leave(worker, reports, failed)
        if self.stopped_reason is not None:
            return
        if is_needed or failed:
            self._count_crash(worker, is_needed=is_needed)
        else:
            what = f"worker {worker.name} was lost at the end of its session: {reason}"
            self.fail(environment, "failed", what)

    def _leave(
        self, worker: WorkerState, reports: Iterable[Command], failed: frozenset[int]
    ) -> bool:
        """Let some of what a lost worker held have failed, and give the rest to others.

        Returns:
            whether another in its place would have something to run.
        """
        self.commands += reports
        for position in sorted(failed):
            self._settle(worker, position, "failed")
        is_needed = self.scheduler.wants_replacement(worker.name, begun=failed)
        self.apply(self.scheduler.remove_worker(worker.name, begun=failed))
        return is_needed

    def _count_crash(self, worker: WorkerState, *, is_needed: bool) -> None:
        """Start another worker in the place of a lost one, if it is needed, within the limit."""
        environment = worker.environment
        is_within_limit, text = self._restarts.crash(
            worker.name, declared_count=self.fleet.declared_worker_count
        )
        if is_within_limit and not is_needed:
            return
        self.commands.append(ReportNote(text=text))
        if is_within_limit:
            environment.restarts += 1
            self.start_worker(environment, self.fleet.new_name(), replaces=worker.name)
        else:
            self.summary = text
            self._is_closed = True
            self.apply(self.scheduler.close())

    def _retire(self, worker: WorkerState) -> None:
        self.fleet.remove_worker(worker)
        self._deadlines.drop(worker.name)
        self._orders.drop(worker.name)

    def fail(self, environment: EnvironmentState, end: EnvironmentEnd, reason: str) -> None:
        """Note once why an environment cannot finish."""
        if environment.end is None:
            environment.end, environment.reason = end, reason
            self.commands.append(
                ReportEnvironmentFailed(environment=environment.name, reason=reason)
            )

    # -- time and stopping ---------------------------------------------------------------------

    def expire(self) -> None:
        """Give up the workers whose deadline has come."""
        for name in self._orders.pop_due(self.now):
            what = f"told {ORDER_TIMEOUT_S:g} s ago what to do, it still waits for that"
            self._give_up(self.fleet.workers[name], what)
        for name in self._deadlines.pop_due(self.now):
            worker = self.fleet.workers[name]
            if self.stopped_reason is not None:
                self._drop(worker, self.stopped_reason)
            else:
                self._give_up(worker, worker.overdue)

    def stop(self, event: StopRequested) -> None:
        """Let nothing more be begun; see ``StopRequested``."""
        if self.stopped_reason is None:
            self.stopped_reason = event.reason
            self.scheduler.close()  # What it would tell the workers is less than StopWorker.
            for worker in list(self.fleet.workers.values()):
                if not worker.has_collected:
                    self._drop(worker, event.reason)
                    continue
                worker.phase = Phase.STOPPING
                self._orders.drop(worker.name)
                self.commands.append(StopWorker(worker=worker.name, reason=event.reason))
                self._await_end(worker)
        if event.grace_s is not None:
            for name in self.fleet.workers:
                if event.grace_s > 0:
                    self.commands.append(InterruptWorker(worker=name))
                self._deadlines.shorten(name, self.now + event.grace_s)
            self.expire()

    def _drop(self, worker: WorkerState, reason: str) -> None:
        """Kill a worker that nobody needs any more. What it ran counts as not run."""
        self.commands.append(KillWorker(worker=worker.name, reason=reason))
        self._retire(worker)
        if worker.has_collected:
            self.apply(self.scheduler.remove_worker(worker.name, begun=frozenset()))

    def apply(self, commands: Iterable[SchedulingCommand]) -> None:
        """Note what the scheduler commands, and wait for what workers are to do at once."""
        for command in commands:
            self.commands.append(command)
            worker = self.fleet.workers[command.worker]
            if worker.awaits:
                self._orders.shorten(worker.name, self.now + ORDER_TIMEOUT_S)
            if isinstance(command, FinishWorker):
                worker.phase = Phase.FINISHING
                self._await_end(worker)
