"""Which agents a referee believes to be there, to be away, or to be given up."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from remotest.run.agents import FAULTS_TO_QUARANTINE

if TYPE_CHECKING:
    from remotest.run import commands as c
    from remotest.run import events as e
    from remotest.run.plan import RunPlan


class Roster:
    """The referee tells it what it sees.

    Attributes:
        here: the agents that are ready.
        started: those under which a worker was ever started.
        cut_off: environments that were not through when their agent was lost.
        troubled: the agents that were ever lost.
    """

    def __init__(self, plan: RunPlan) -> None:
        self.reconnect_s = 0.0 if plan.dist == "each" else plan.reconnect_s
        self.min_hosts = None if plan.dist == "each" else plan.min_hosts
        self.environments_of: defaultdict[str, set[str]] = defaultdict(set)
        for environment in plan.environments:
            self.environments_of[environment.agent].add(environment.name)
        self.here: set[str] = set()
        self.started: set[str] = set()
        self.cut_off: set[str] = set()
        self.troubled: set[str] = set()
        self.lost_at: dict[str, float] = {}
        self.connecting: set[str] = set()
        self.given_up: set[str] = set()
        self.faults: Counter[str] = Counter()

    def ready(self, agent: str, *, is_stopped: bool) -> None:
        self.connecting.discard(agent)
        if agent in self.given_up or is_stopped:
            return
        self.here.add(agent)
        if self.lost_at.pop(agent, None) is not None:
            self.cut_off -= self.environments_of[agent]

    def lost(self, agent: str, now: float, *, had_workers: bool, is_over: bool) -> bool:
        """An agent is lost; return whether what ran there may be run by others, or by itself."""
        self.here.discard(agent)
        self.connecting.discard(agent)
        if agent in self.given_up:
            return False
        self.troubled.add(agent)
        self.lost_at.setdefault(agent, now)
        self.faults[agent] += 1
        is_cut = had_workers or bool(self.cut_off & self.environments_of[agent])
        is_wanted = not is_over and (is_cut or agent not in self.started)
        self._judge(agent, now, is_wanted=is_wanted)
        return bool(self.here) or agent not in self.given_up

    def failed(self, event: e.AgentFailed, now: float, *, is_over: bool) -> None:
        """An agent did not come, for the first time or again."""
        self.connecting.discard(event.agent)
        if event.agent in self.lost_at and is_over:
            return
        self.faults[event.agent] += event.fault == "broken"
        is_wanted = event.fault != "wrong" and event.agent in self.lost_at
        self._judge(event.agent, now, is_wanted=is_wanted)

    def _judge(self, agent: str, now: float, *, is_wanted: bool) -> None:
        is_late = now >= self.lost_at.get(agent, now) + self.reconnect_s
        if not is_wanted or is_late or self.faults[agent] >= FAULTS_TO_QUARANTINE:
            self.given_up.add(agent)

    def connect(self, command: c.ConnectAgent) -> None:
        assert command.agent in self.lost_at, "connected although it is there"
        assert command.agent not in self.given_up, "connected once more"
        assert command.agent not in self.connecting, "connected twice at once"
        self.connecting.add(command.agent)

    def has_too_few(self) -> bool:
        left_count = len(self.environments_of) - len(self.given_up)
        return self.min_hosts is not None and left_count < self.min_hosts
