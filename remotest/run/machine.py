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
    ReportNote,
    ReportSchedulingStarted,
    SplitEnvironment,
)
from remotest.run.crew import Crew
from remotest.run.events import (
    AgentFailed,
    AgentLost,
    AgentReady,
    DeadlineReached,
    Event,
    StopRequested,
)
from remotest.run.fleet import MAX_AUTO_WORKERS, EnvironmentState
from remotest.run.gaps import tell_gaps
from remotest.spec import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.run.plan import RunPlan
    from remotest.run.result import RunResult
    from remotest.scheduling.base import Scheduler


class RunMachine:
    """One run. The driver calls it from one thread, first ``start``, and last ``result``.

    It knows when agents come and go, when items are given out and when all is over; what workers do
    in between is its ``Crew``'s. Items are given out by ``scheduler``, where one is given, instead
    of the one that the plan's ``dist`` names. ``runs_again`` is asked before a lost item is
    reported (worker, node id, reason): True lets it run once more.
    """

    def __init__(
        self,
        plan: RunPlan,
        *,
        scheduler: Scheduler | None = None,
        runs_again: Callable[[str, str, str], bool] | None = None,
    ) -> None:
        self._plan = plan
        self._crew = Crew(plan, scheduler=scheduler, runs_again=runs_again)
        self._fleet = self._crew.fleet
        self._awaited_agents = {environment.agent for environment in plan.environments}
        self._is_scheduling = False
        self._is_ended = False
        self._are_gaps_refused = False

    # -- what the driver calls -----------------------------------------------------------------

    def start(self, now: float) -> list[Command]:
        """Begin to wait for agents. Called once, before any event."""
        self._crew.now = now
        self._fleet.name_known_workers()
        return self._advance()

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in one event at a time that never goes back. Never raises for what a host says.

        After ``EndRun`` nothing happens any more.
        """
        if self._is_ended:
            return []
        self._crew.now = now
        match event:
            case AgentReady():
                self._agent_ready(event)
            case AgentFailed():
                self._agent_failed(event.agent, event.reason)
            case AgentLost():
                self._agent_lost(event)
            case StopRequested():
                self._crew.stop(event)
            case DeadlineReached():
                self._crew.expire()
            case _:
                self._crew.handle(event)
        return self._advance()

    def next_deadline(self) -> float | None:
        """Return when ``DeadlineReached`` is due if nothing else happens, or None."""
        return self._crew.next_deadline()

    def result(self) -> RunResult:
        """Return how the run ended. Called after ``EndRun``."""
        return make_result(
            self._fleet.environments,
            self._crew.catalogue,
            losses=self._crew.losses.all,
            shares_items=self._plan.dist != "each",
            stopped_reason=self._crew.stopped_reason,
            are_gaps_refused=self._are_gaps_refused,
            summary=self._crew.summary,
        )

    # -- agents --------------------------------------------------------------------------------

    def _agent_ready(self, event: AgentReady) -> None:
        if event.agent not in self._awaited_agents or self._crew.stopped_reason is not None:
            return
        self._awaited_agents.remove(event.agent)
        self._crew.ready_agents.add(event.agent)
        for environment in self._fleet.of_agent(event.agent):
            if environment.declared.count == AUTO:
                self._expand(environment, event.cpu_count)
        for environment in self._fleet.of_agent(event.agent):
            for name in environment.first_names:
                self._crew.start_worker(environment, name)

    def _expand(self, environment: EnvironmentState, cpu_count: int) -> None:
        """Give an ``auto`` environment its workers; under each, make it one for each of them."""
        if not 1 <= cpu_count <= MAX_AUTO_WORKERS:
            self._crew.fail(environment, "failed", f"its host claims to have {cpu_count} CPUs")
        elif self._plan.dist == "each" and cpu_count > 1:
            parts = self._fleet.split(environment, cpu_count)
            self._crew.commands.append(SplitEnvironment(environment=environment.name, into=parts))
        else:
            self._fleet.name_workers(environment, cpu_count)

    def _agent_failed(self, agent: str, reason: str) -> None:
        if agent in self._awaited_agents:
            self._awaited_agents.remove(agent)
            for environment in self._fleet.of_agent(agent):
                self._crew.fail(environment, "failed", reason)

    def _agent_lost(self, event: AgentLost) -> None:
        self._agent_failed(event.agent, event.reason)
        if event.agent not in self._crew.ready_agents:
            return
        self._crew.ready_agents.remove(event.agent)
        can_move = self._plan.moves_items and bool(self._crew.ready_agents)
        for environment in self._fleet.of_agent(event.agent):
            if environment.workers:
                self._crew.fail(environment, "lost", event.reason)
            for worker in list(environment.workers.values()):
                self._crew.lose(worker, event.reason, can_move=can_move)
        self._start_substitutes()

    def _start_substitutes(self) -> None:
        """Start workers elsewhere for what a lost host left when all others were finishing."""
        stranded_count = self._crew.scheduler.stranded_count()
        if not stranded_count or self._fleet.coming or self._crew.stopped_reason is not None:
            return
        environment = self._fleet.proven_environment(self._crew.ready_agents)
        if environment is not None:
            needed = min(environment.worker_count, (stranded_count + 1) // 2)
            text = f"starting {needed} more on {environment.name} for items of a lost host"
            self._crew.commands.append(ReportNote(text=text))
            for _ in range(needed):
                self._crew.start_worker(environment, self._fleet.new_name())

    # -- the whole -----------------------------------------------------------------------------

    def _advance(self) -> list[Command]:
        """Begin scheduling, or end, if it is time; return and forget the commands so far."""
        self._crew.apply(self._crew.scheduler.redistribute())
        is_stopped = self._crew.stopped_reason is not None
        if not self._is_scheduling and not self._fleet.coming and not self._awaited_agents:
            self._is_scheduling = True
            if self._fleet.workers and not is_stopped:
                self._begin()
        if not self._fleet.workers and (is_stopped or not self._awaited_agents):
            self._end()
        return self._crew.take_commands()

    def _begin(self) -> None:
        """Give out items, unless the user wants nothing run where workers differ."""
        told = tell_gaps(self._plan, self._fleet.environments, self._crew.catalogue)
        self._crew.commands += told
        if told and self._plan.strict_collection:
            self._are_gaps_refused = True
            self._crew.stop(StopRequested(reason="workers collected different tests"))
        else:
            self._crew.commands.append(ReportSchedulingStarted())
            self._crew.apply(self._crew.scheduler.start())

    def _end(self) -> None:
        self._is_ended = True
        result = self.result()
        for environment, ended in zip(self._fleet.environments, result.environments, strict=True):
            if ended.end == "failed":
                self._crew.fail(environment, "failed", ended.reason)
        self._crew.commands.append(EndRun(missing=result.missing, summary=self._crew.summary))
