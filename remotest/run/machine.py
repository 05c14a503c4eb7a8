"""The run as a pure state machine: events and the time in, commands out.

No clock, no threads, no pytest: the driver hands in what happened and when, applies what comes
back, and calls again at ``next_deadline``. What a host says can never make the machine fail: what
the protocol does not allow costs the worker that said it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remotest.run.audit import make_result
from remotest.run.commands import (
    Command,
    EndRun,
    FinishWorker,
    InterruptWorker,
    KillWorker,
    ReportEnvironmentFailed,
    ReportNote,
    ReportSchedulingStarted,
    SplitEnvironment,
    StartWorker,
    StopWorker,
)
from remotest.run.deadlines import (
    COLLECT_TIMEOUT_S,
    FINISH_TIMEOUT_S,
    WORKER_START_TIMEOUT_S,
    Deadlines,
)
from remotest.run.events import (
    AgentFailed,
    AgentLost,
    AgentReady,
    DeadlineReached,
    Event,
    ItemFinished,
    ItemsReturned,
    ItemStarted,
    Outcome,
    StopRequested,
    WorkerCollected,
    WorkerFinished,
    WorkerLost,
    WorkerReady,
)
from remotest.run.fleet import MAX_AUTO_WORKERS, EnvironmentState, Fleet, Phase, WorkerState
from remotest.run.gaps import tell_gaps
from remotest.run.losses import Losses
from remotest.run.restarts import Restarts
from remotest.scheduling.catalogue import Catalogue
from remotest.scheduling.modes import make_scheduler
from remotest.spec import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from remotest.run.events import WorkerEvent
    from remotest.run.plan import RunPlan
    from remotest.run.result import EnvironmentEnd, RunResult
    from remotest.scheduling.base import Scheduler, SchedulingCommand


class RunMachine:
    """One run. The driver calls it from one thread, first ``start``, and last ``result``.

    Items are given out by ``scheduler``, where one is given, instead of the one that the plan's
    ``dist`` names. ``runs_again`` is asked before a lost item is reported (worker, node id,
    reason): True lets it run once more.
    """

    def __init__(
        self,
        plan: RunPlan,
        *,
        scheduler: Scheduler | None = None,
        runs_again: Callable[[str, str, str], bool] | None = None,
    ) -> None:
        self._plan = plan
        self._fleet = Fleet(plan)
        self._catalogue = Catalogue()
        self._scheduler = scheduler or make_scheduler(
            plan.dist, max_chunk=plan.max_chunk, reorder_scopes=plan.reorder_scopes
        )
        self._deadlines = Deadlines()
        self._restarts = Restarts(plan.max_worker_restart)
        self._awaited_agents = {environment.agent for environment in plan.environments}
        self._ready_agents: set[str] = set()
        self._losses = Losses(runs_again)
        self._is_scheduling = False
        self._is_ended = False
        self._stopped_reason: str | None = None
        self._are_gaps_refused = False
        self._summary = ""
        self._now = 0.0
        self._commands: list[Command] = []

    # -- what the driver calls -----------------------------------------------------------------

    def start(self, now: float) -> list[Command]:
        """Begin to wait for agents. Called once, before any event."""
        self._now = now
        self._fleet.name_known_workers()
        return self._advance()

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in one event at a time that never goes back. Never raises for what a host says.

        After ``EndRun`` nothing happens any more.
        """
        if self._is_ended:
            return []
        self._now = now
        match event:
            case AgentReady():
                self._agent_ready(event)
            case AgentFailed():
                self._agent_failed(event.agent, event.reason)
            case AgentLost():
                self._agent_lost(event)
            case StopRequested():
                self._stop(event)
            case DeadlineReached():
                self._expire()
            case _:
                worker = self._fleet.workers.get(event.worker)
                if worker is not None:  # Else it was given up before, and is ignored.
                    self._handle_worker(worker, event)
        return self._advance()

    def next_deadline(self) -> float | None:
        """Return when ``DeadlineReached`` is due if nothing else happens, or None."""
        return self._deadlines.next()

    def result(self) -> RunResult:
        """Return how the run ended. Called after ``EndRun``."""
        return make_result(
            self._fleet.environments,
            self._catalogue,
            losses=self._losses.all,
            shares_items=self._plan.dist != "each",
            stopped_reason=self._stopped_reason,
            are_gaps_refused=self._are_gaps_refused,
            summary=self._summary,
        )

    # -- agents --------------------------------------------------------------------------------

    def _agent_ready(self, event: AgentReady) -> None:
        if event.agent not in self._awaited_agents or self._stopped_reason is not None:
            return
        self._awaited_agents.remove(event.agent)
        self._ready_agents.add(event.agent)
        for environment in self._fleet.of_agent(event.agent):
            if environment.declared.count == AUTO:
                self._expand(environment, event.cpu_count)
        for environment in self._fleet.of_agent(event.agent):
            for name in environment.first_names:
                self._start_worker(environment, name)

    def _expand(self, environment: EnvironmentState, cpu_count: int) -> None:
        """Give an ``auto`` environment its workers; under each, make it one for each of them."""
        if not 1 <= cpu_count <= MAX_AUTO_WORKERS:
            self._fail(environment, "failed", f"its host claims to have {cpu_count} CPUs")
        elif self._plan.dist == "each" and cpu_count > 1:
            parts = self._fleet.split(environment, cpu_count)
            self._commands.append(SplitEnvironment(environment=environment.name, into=parts))
        else:
            self._fleet.name_workers(environment, cpu_count)

    def _agent_failed(self, agent: str, reason: str) -> None:
        if agent in self._awaited_agents:
            self._awaited_agents.remove(agent)
            for environment in self._fleet.of_agent(agent):
                self._fail(environment, "failed", reason)

    def _agent_lost(self, event: AgentLost) -> None:
        self._agent_failed(event.agent, event.reason)
        if event.agent not in self._ready_agents:
            return
        self._ready_agents.remove(event.agent)
        can_move = self._plan.moves_items and bool(self._ready_agents)
        for environment in self._fleet.of_agent(event.agent):
            if environment.workers:
                self._fail(environment, "lost", event.reason)
            for worker in list(environment.workers.values()):
                self._lose(worker, event.reason, can_move=can_move)
        self._start_substitutes()

    def _start_substitutes(self) -> None:
        """Start workers elsewhere for what a lost host left when all others were finishing."""
        stranded_count = self._scheduler.stranded_count()
        if not stranded_count or self._fleet.coming or self._stopped_reason is not None:
            return
        environment = self._fleet.proven_environment(self._ready_agents)
        if environment is not None:
            needed = min(environment.worker_count, (stranded_count + 1) // 2)
            text = f"starting {needed} more on {environment.name} for items of a lost host"
            self._commands.append(ReportNote(text=text))
            for _ in range(needed):
                self._start_worker(environment, self._fleet.new_name())

    # -- workers -------------------------------------------------------------------------------

    def _start_worker(
        self, environment: EnvironmentState, name: str, *, replaces: str | None = None
    ) -> None:
        self._fleet.add_worker(environment, name, replaces)
        self._deadlines.set(name, self._now + WORKER_START_TIMEOUT_S)
        self._commands.append(
            StartWorker(
                worker=name,
                agent=environment.declared.agent,
                environment=environment.name,
                replaces=replaces,
            )
        )

    def _handle_worker(self, worker: WorkerState, event: WorkerEvent) -> None:
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
        if worker.has_collected and self._scheduler.holds(worker.name, position):
            return True
        self._refuse(worker, f"it spoke of item {position}, which it does not hold")
        return False

    def _ready(self, worker: WorkerState) -> None:
        if worker.phase is not Phase.STARTING:
            self._refuse(worker, "it announced its start twice")
            return
        worker.phase = Phase.COLLECTING
        self._deadlines.set(worker.name, self._now + COLLECT_TIMEOUT_S)

    def _collected(self, worker: WorkerState, event: WorkerCollected) -> None:
        if worker.phase is not Phase.COLLECTING:
            self._refuse(worker, "it announced a collection at the wrong time")
            return
        environment = worker.environment
        worker.collection = collection = self._catalogue.enter(event.ids, event.groups)
        worker.phase = Phase.RUNNING
        del self._fleet.coming[worker.name]
        self._deadlines.drop(worker.name)
        environment.collections.setdefault(collection, []).append(worker.name)
        environment.ledger.announce(collection)
        self._apply(self._scheduler.add_worker(worker.name, collection, replaces=worker.replaces))

    def _item_finished(self, worker: WorkerState, event: ItemFinished) -> None:
        worker.running.discard(event.position)
        self._settle(worker, event.position, event.outcome)
        self._apply(
            self._scheduler.finish_item(worker.name, event.position, duration_s=event.duration_s)
        )
        if worker.phase is not Phase.RUNNING:
            self._await_end(worker)

    def _returned(self, worker: WorkerState, positions: tuple[int, ...]) -> None:
        is_owed = worker.has_collected and self._scheduler.has_asked(worker.name, positions)
        if is_owed and worker.running.isdisjoint(positions):
            self._apply(self._scheduler.return_items(worker.name, positions))
        else:
            self._refuse(worker, "it returned items that it was not asked for")

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
            is_through = self._scheduler.held_count(worker.name) == 0
        if is_through:
            self._deadlines.shorten(worker.name, self._now + FINISH_TIMEOUT_S)

    def _finished(self, worker: WorkerState) -> None:
        if not worker.has_collected:
            self._lose(worker, "its session ended before it had collected")
            return
        held_count = self._scheduler.held_count(worker.name)
        if worker.phase is Phase.RUNNING or (worker.phase is Phase.FINISHING and held_count):
            self._lose(worker, f"it ended its session with {held_count} items still to run")
            return
        self._retire(worker)
        self._apply(self._scheduler.remove_worker(worker.name, begun=frozenset()))

    # -- losses --------------------------------------------------------------------------------

    def _refuse(self, worker: WorkerState, what: str) -> None:
        """Give up a worker that said what it must not say; none of it has been taken in."""
        self._give_up(worker, f"broken protocol: {what}")

    def _give_up(self, worker: WorkerState, what: str) -> None:
        """Kill a worker and go on as if it had died."""
        self._commands.append(KillWorker(worker=worker.name, reason=what))
        self._lose(worker, what)

    def _lose(self, worker: WorkerState, reason: str, *, can_move: bool = False) -> None:
        """Go on without a worker: blame what it was running, give the rest to others.

        With ``can_move`` others get what it was running as well: its host was lost, not it.
        """
        environment = worker.environment
        self._retire(worker)
        if not worker.has_collected:
            if self._stopped_reason is None:
                what = f"worker {worker.name} was lost before it had collected: {reason}"
                self._fail(environment, "failed", what)
            return
        reports, begun = self._losses.blame(worker, reason, can_move=can_move)
        self._commands += reports
        for position in sorted(begun):
            self._settle(worker, position, "failed")
        is_needed = self._scheduler.wants_replacement(worker.name, begun=begun)
        self._apply(self._scheduler.remove_worker(worker.name, begun=begun))
        if self._stopped_reason is not None or environment.declared.agent not in self._ready_agents:
            return
        if is_needed or begun:
            self._count_crash(worker, is_needed=is_needed)
        else:
            what = f"worker {worker.name} was lost at the end of its session: {reason}"
            self._fail(environment, "failed", what)

    def _count_crash(self, worker: WorkerState, *, is_needed: bool) -> None:
        """Start another worker in the place of a lost one, if it is needed, within the limit."""
        environment = worker.environment
        declared_count = sum(e.worker_count for e in self._fleet.environments)
        is_within_limit, text = self._restarts.crash(worker.name, declared_count=declared_count)
        if is_within_limit and not is_needed:
            return
        self._commands.append(ReportNote(text=text))
        if is_within_limit:
            environment.restarts += 1
            self._start_worker(environment, self._fleet.new_name(), replaces=worker.name)
        else:
            self._summary = text
            self._apply(self._scheduler.close())

    def _retire(self, worker: WorkerState) -> None:
        self._fleet.remove_worker(worker)
        self._deadlines.drop(worker.name)

    def _fail(self, environment: EnvironmentState, end: EnvironmentEnd, reason: str) -> None:
        """Note once why an environment cannot finish."""
        if environment.end is None:
            environment.end, environment.reason = end, reason
            self._commands.append(
                ReportEnvironmentFailed(environment=environment.name, reason=reason)
            )

    # -- time and stopping ---------------------------------------------------------------------

    def _expire(self) -> None:
        for name in self._deadlines.pop_due(self._now):
            worker = self._fleet.workers[name]
            if self._stopped_reason is not None:
                self._drop(worker, self._stopped_reason)
            else:
                self._give_up(worker, worker.overdue)

    def _stop(self, event: StopRequested) -> None:
        if self._stopped_reason is None:
            self._stopped_reason = event.reason
            self._scheduler.close()  # What it would tell the workers is less than StopWorker.
            for worker in list(self._fleet.workers.values()):
                if not worker.has_collected:
                    self._drop(worker, event.reason)
                    continue
                worker.phase = Phase.STOPPING
                self._commands.append(StopWorker(worker=worker.name, reason=event.reason))
                self._await_end(worker)
        if event.grace_s is not None:
            for name in self._fleet.workers:
                if event.grace_s > 0:
                    self._commands.append(InterruptWorker(worker=name))
                self._deadlines.shorten(name, self._now + event.grace_s)
            self._expire()

    def _drop(self, worker: WorkerState, reason: str) -> None:
        """Kill a worker that nobody needs any more. What it ran counts as not run."""
        self._commands.append(KillWorker(worker=worker.name, reason=reason))
        self._retire(worker)
        if worker.has_collected:
            self._apply(self._scheduler.remove_worker(worker.name, begun=frozenset()))

    # -- the whole -----------------------------------------------------------------------------

    def _apply(self, commands: Iterable[SchedulingCommand]) -> None:
        for command in commands:
            self._commands.append(command)
            if isinstance(command, FinishWorker):
                worker = self._fleet.workers[command.worker]
                worker.phase = Phase.FINISHING
                self._await_end(worker)

    def _advance(self) -> list[Command]:
        """Begin scheduling, or end, if it is time; return and forget the commands so far."""
        self._apply(self._scheduler.redistribute())
        is_stopped = self._stopped_reason is not None
        if not self._is_scheduling and not self._fleet.coming and not self._awaited_agents:
            self._is_scheduling = True
            if self._fleet.workers and not is_stopped:
                self._begin()
        if not self._fleet.workers and (is_stopped or not self._awaited_agents):
            self._end()
        commands, self._commands = self._commands, []
        return commands

    def _begin(self) -> None:
        """Give out items, unless the user wants nothing run where workers differ."""
        told = tell_gaps(self._plan, self._fleet.environments, self._catalogue)
        self._commands += told
        if told and self._plan.strict_collection:
            self._are_gaps_refused = True
            self._stop(StopRequested(reason="workers collected different tests"))
        else:
            self._commands.append(ReportSchedulingStarted())
            self._apply(self._scheduler.start())

    def _end(self) -> None:
        self._is_ended = True
        result = self.result()
        for environment, ended in zip(self._fleet.environments, result.environments, strict=True):
            if ended.end == "failed":
                self._fail(environment, "failed", ended.reason)
        self._commands.append(EndRun(missing=result.missing, summary=self._summary))
