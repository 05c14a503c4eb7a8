"""The run as a pure state machine: events and the time in, commands out.

It uses no clock, no threads and no pytest. The caller passes in each event and its time, applies
the commands that are returned, and calls again at ``next_deadline``. No message of a host can make
the machine fail: a worker that violates the protocol is killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remotest.run.agents import Agents, AgentState, Stand
from remotest.run.audit import make_result
from remotest.run.commands import (
    Command,
    ConnectAgent,
    EndRun,
    ReportAgentGivenUp,
    ReportNote,
    ReportSchedulingStarted,
    ReportTooFewHosts,
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
from remotest.run.waiting import Waiting, describe_waiting
from remotest.spec import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from remotest.run.plan import RunPlan
    from remotest.run.result import RunResult
    from remotest.scheduling.base import Scheduler


class RunMachine:
    """One run. The driver calls it from one thread, first ``start``, and last ``result``.

    It decides when agents are connected, when items are given out and when the run ends; its
    ``Crew`` handles the workers. ``scheduler`` gives out the items. ``runs_again`` (worker, node
    id, reason) is called before a lost item is reported; if it returns True, the item runs again.
    ``chance``, from 0 up to 1, spreads the attempts to connect to hosts that were lost together.
    """

    def __init__(
        self,
        plan: RunPlan,
        *,
        scheduler: Scheduler,
        runs_again: Callable[[str, str, str], bool] | None = None,
        chance: Callable[[], float] = lambda: 0.5,
    ) -> None:
        self._plan = plan
        self._crew = Crew(plan, scheduler=scheduler, runs_again=runs_again)
        self._fleet = self._crew.fleet
        self._agents = Agents(plan, chance)
        self._waiting = Waiting(plan.slow_start_s)
        self._is_scheduling = False
        self._are_all_there = False
        self._expected_count = 0
        self._is_ended = False
        self._are_gaps_refused = False
        self._too_few_hosts = ""

    # -- what the driver calls -----------------------------------------------------------------

    def start(self, now: float) -> list[Command]:
        """Begin to wait for agents. Called once, before any event."""
        self._crew.now = now
        self._waiting.begin(now)
        self._fleet.name_known_workers()
        return self._advance()

    def handle(self, event: Event, now: float) -> list[Command]:
        """Handle one event; ``now`` never decreases. Never raises because of a host's message.

        After ``EndRun``, events are ignored.
        """
        if self._is_ended:
            return []
        self._crew.now = now
        match event:
            case AgentReady():
                self._agent_ready(event)
            case AgentFailed():
                self._agent_failed(event)
            case AgentLost():
                self._agent_lost(event)
            case StopRequested():
                self._stop(event)
            case DeadlineReached():
                self._expire()
            case _:
                self._crew.handle(event)
        return self._advance()

    def next_deadline(self) -> float | None:
        """Return when ``DeadlineReached`` is due if nothing else happens, or None."""
        deadlines = [self._crew.next_deadline(), self._agents.next_attempt()]
        if not (self._is_scheduling or self._is_ended):
            deadlines.append(self._waiting.next())
        return min((when for when in deadlines if when is not None), default=None)

    def result(self) -> RunResult:
        """Return how the run ended. Called after ``EndRun``."""
        return make_result(
            self._fleet.environments,
            self._crew.catalogue,
            plan=self._plan,
            losses=self._crew.losses.all,
            troubles=self._agents.troubles(),
            stopped_reason=self._crew.stopped_reason,
            are_gaps_refused=self._are_gaps_refused,
            too_few_hosts=self._too_few_hosts,
            summary=self._crew.summary,
        )

    # -- agents --------------------------------------------------------------------------------

    def _agent_ready(self, event: AgentReady) -> None:
        if self._crew.stopped_reason is not None or not self._agents.come(event.agent):
            return
        agent = self._agents[event.agent]
        environments = self._fleet.of_agent(event.agent)
        if agent.loss_count:
            away_s = self._crew.now - agent.lost_at
            self._note(f"{agent.name}: connected again, {away_s:.0f} s after it was lost")
        if agent.was_ready:
            self._start_again(environments)
            return
        agent.was_ready = True
        for environment in environments:
            environment.is_cut = False
            if environment.declared.count == AUTO:
                self._expand(environment, event.cpu_count)
        for environment in self._fleet.of_agent(event.agent):
            for name in environment.first_names:
                self._crew.start_worker(environment, name)

    def _start_again(self, environments: Iterable[EnvironmentState]) -> None:
        """Start workers in environments whose host is back, as many as there is work for."""
        for environment in environments:
            if environment.is_cut and environment.end is None:
                count = environment.worker_count
                if self._is_scheduling:
                    count = min(count, _workers_for(self._fleet.open_count))
                for _ in range(0 if self._crew.is_over else count):
                    self._crew.start_worker(environment, self._fleet.new_name())
            environment.is_cut = False

    def _expand(self, environment: EnvironmentState, cpu_count: int) -> None:
        """Give an ``auto`` environment its workers; under each, make it one for each of them."""
        if not 1 <= cpu_count <= MAX_AUTO_WORKERS:
            self._crew.fail(environment, "failed", f"its host claims to have {cpu_count} CPUs")
        elif self._plan.dist == "each" and cpu_count > 1:
            parts = self._fleet.split(environment, cpu_count)
            self._crew.commands.append(SplitEnvironment(environment=environment.name, into=parts))
        else:
            self._fleet.name_workers(environment, cpu_count)

    def _agent_failed(self, event: AgentFailed) -> None:
        agent = self._agents[event.agent]
        if agent.stand in (Stand.AWAITED, Stand.CONNECTING):
            self._agents.fail(event.agent, event.reason, event.fault, self._crew.now)
            self._give_up_if_gone(agent)

    def _agent_lost(self, event: AgentLost) -> None:
        agent = self._agents[event.agent]
        if agent.stand in (Stand.AWAY, Stand.GONE):
            return
        environments = self._fleet.of_agent(event.agent)
        for environment in environments:
            environment.is_cut |= bool(environment.workers) or not agent.was_ready
        is_cut = any(environment.is_cut for environment in environments)
        is_wanted = event.may_return and is_cut and not self._crew.is_over
        is_new = agent.stand is not Stand.CONNECTING
        self._agents.lose(event.agent, event.reason, self._crew.now, is_wanted=is_wanted)
        self._give_up_if_gone(agent)
        if is_new and agent.may_return:
            limit_s = self._plan.reconnect_s
            self._note(f"{agent.name}: connecting again, for up to {limit_s:g} s")
        has_others = self._plan.shares_items and (bool(self._agents.ready) or agent.may_return)
        has_others &= not self._crew.is_over
        for environment in environments:
            for worker in list(environment.workers.values()):
                self._crew.lose_with_host(worker, event.reason, has_others=has_others)
        self._start_substitutes()

    def _give_up_if_gone(self, agent: AgentState) -> None:
        if agent.stand is not Stand.GONE:
            return
        if agent.attempt_count or agent.is_quarantined:
            self._crew.commands.append(ReportAgentGivenUp(agent=agent.name, reason=agent.reason))
        for environment in self._fleet.of_agent(agent.name):
            if environment.is_cut or not agent.was_ready:
                self._miss(environment, agent)

    def _miss(self, environment: EnvironmentState, agent: AgentState) -> None:
        """Note that an environment does not run to its end for want of its host."""
        environment.is_host_missing |= environment.end is None
        self._crew.fail(environment, "lost" if agent.was_ready else "failed", agent.reason)

    def _start_substitutes(self) -> None:
        """Start workers elsewhere for what a lost host left when all others were finishing."""
        stranded_count = self._crew.scheduler.stranded_count()
        if not stranded_count or self._fleet.coming or self._crew.stopped_reason is not None:
            return
        environment = self._fleet.proven_environment(self._agents.ready)
        if environment is not None:
            needed = min(environment.worker_count, _workers_for(stranded_count))
            where = environment.declared.agent
            self._note(f"starting {needed} more on {where} for items of a lost host")
            for _ in range(needed):
                self._crew.start_worker(environment, self._fleet.new_name())

    def _check_hosts(self) -> None:
        """Give the run up if fewer hosts are left than the user asked for."""
        least = self._plan.min_hosts if self._plan.can_miss_hosts else None
        if least is None or self._crew.is_over:
            return
        left_count = self._agents.left_count
        if left_count < least:
            missing = self._agents.missing_hosts()
            reason = (
                f"the run is given up: {left_count} of {self._agents.host_count} hosts are left, "
                f"and it asks for {least} (--min-hosts)"
            )
            why = [f"  missing: {host}: {reason}" for host, reason in missing.items()]
            self._too_few_hosts = "\n".join([reason, *why])
            self._crew.commands.append(ReportTooFewHosts(text=self._too_few_hosts))
            self._stop(StopRequested(reason=reason))

    def _stop(self, event: StopRequested) -> None:
        self._agents.stop()
        self._crew.stop(event)

    def _note(self, text: str) -> None:
        self._crew.commands.append(ReportNote(text=text))

    # -- the whole -----------------------------------------------------------------------------

    def _expire(self) -> None:
        self._crew.expire()
        if self._crew.is_over:
            self._agents.stop()
        if not self._is_scheduling and self._waiting.pop_due(self._crew.now):
            coming = (self._fleet.workers[name] for name in self._fleet.coming)
            self._note(describe_waiting(self._agents.awaited, coming))
        due = self._agents.due(self._crew.now)
        self._crew.commands += [ConnectAgent(agent=agent) for agent in due]

    def _advance(self) -> list[Command]:
        """Begin scheduling, or end, if it is time; return and forget the commands so far."""
        self._check_hosts()
        self._crew.apply(self._crew.scheduler.redistribute())
        is_stopped = self._crew.stopped_reason is not None
        has_workers = bool(self._fleet.workers)
        is_awaiting = not is_stopped and (bool(self._agents.awaited) or self._awaits_return())
        if not self._are_all_there:
            is_complete = not self._fleet.coming and not self._agents.awaited
            self._are_all_there = is_complete and (has_workers or not is_awaiting)
            if has_workers and not is_stopped:
                self._begin()
            self._is_scheduling |= self._are_all_there
        if not self._fleet.workers and not is_awaiting:
            self._end()
        return self._crew.take_commands()

    def _awaits_return(self) -> bool:
        """Return whether an agent that is away may come again, and has something to run then."""
        has_work = not self._is_scheduling or self._fleet.open_count > 0
        return has_work and self._agents.may_return and not self._crew.is_over

    def _begin(self) -> None:
        """Give out items if it is time: nobody waits for the slowest host where that can be."""
        if self._are_all_there:
            told = tell_gaps(self._plan, self._fleet.environments, self._crew.catalogue)
            self._crew.commands += told
            if told and self._plan.strict_collection:
                self._are_gaps_refused = True
                self._stop(StopRequested(reason="workers collected different tests"))
                return
        self._expect()
        if not self._is_scheduling and (self._are_all_there or self._can_begin_early()):
            self._is_scheduling = True
            started = ReportSchedulingStarted(coming_count=self._expected_count)
            self._crew.commands.append(started)
            self._crew.apply(self._crew.scheduler.start())

    def _can_begin_early(self) -> bool:
        """Return whether to begin with the workers that have collected, while others come."""
        return (
            self._fleet.collected_count > 0
            and self._fleet.is_counted
            and not self._plan.strict_collection
            and self._crew.scheduler.can_start_early(
                len(self._crew.catalogue), self._fleet.declared_worker_count
            )
        )

    def _expect(self) -> None:
        """Tell the scheduler how many workers are still to come."""
        count = len(self._fleet.coming) + self._agents.awaited_worker_count
        if count != self._expected_count:
            self._expected_count = count
            self._crew.scheduler.expect(count)

    def _end(self) -> None:
        self._is_ended = True
        self._agents.stop()
        missing = self._agents.missing_hosts()
        for environment in self._fleet.environments:
            agent = self._agents[environment.declared.agent]
            if environment.is_cut and environment.end is None:
                self._miss(environment, agent)
            # Where another interpreter is there, it is not for want of the host.
            environment.is_host_missing &= agent.host in missing
        result = self.result()
        for environment, ended in zip(self._fleet.environments, result.environments, strict=True):
            if ended.end == "failed":
                self._crew.fail(environment, "failed", ended.reason)
        self._crew.commands.append(EndRun(missing=result.missing, summary=self._crew.summary))


def _workers_for(item_count: int) -> int:
    """Return how many workers have something to do: each needs two items to go on."""
    return (item_count + 1) // 2
