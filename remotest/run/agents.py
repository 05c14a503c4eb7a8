"""Which agents are connected, which are away, and when one that is away is reconnected.

Part of the run machine and as pure: the time and random numbers are arguments.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from remotest.run.deadlines import Deadlines
from remotest.run.result import HostTrouble
from remotest.spec import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Collection as AnyCollection

    from remotest.errors import Fault
    from remotest.run.plan import RunPlan

RECONNECT_DELAY_S: Final = 1.0
"""From a loss to the first attempt to connect again; each further delay is twice as long. What ran
on the host takes as long to see that its link is cut."""

MAX_RECONNECT_DELAY_S: Final = 15.0
"""No delay is longer: a host that has booted is in use again so soon."""

FAULTS_TO_QUARANTINE: Final = 4
"""So many losses and failed starts of an agent in one run are no accident: what it is given is lost
again and again, and others wait for it. A network that fails twice has two left."""


class Stand(Enum):
    """The state of an agent's connection."""

    AWAITED = "awaited"  # It has not been connected yet.
    READY = "ready"
    AWAY = "away"  # It was lost; the next attempt is scheduled.
    CONNECTING = "connecting"  # It was lost; an attempt is under way.
    GONE = "gone"  # It failed or was given up, and will not be connected again.


@dataclass(eq=False)
class AgentState:
    """One agent.

    Attributes:
        worker_count: how many workers were declared for it, as far as that is known.
        was_ready: whether workers have been started under it.
        loss_count: how often it was lost.
        fault_count: how often it was lost, or was reached again and failed to start.
        attempt_count: the number of attempts to connect since it was last lost.
        lost_at: when that was.
        reason: the last known error.
    """

    name: str
    host: str
    worker_count: int = 0
    stand: Stand = Stand.AWAITED
    was_ready: bool = False
    is_quarantined: bool = False
    loss_count: int = 0
    fault_count: int = 0
    attempt_count: int = 0
    lost_at: float = 0.0
    reason: str = ""

    @property
    def may_return(self) -> bool:
        """Whether it is away and may be reconnected."""
        return self.stand in (Stand.AWAY, Stand.CONNECTING)


class Agents:
    """The agents of one run. What is called after each event takes constant time.

    Attributes:
        awaited: those that are neither connected nor have failed, in declared order.
        ready: those under which workers can be started.
        host_count: how many hosts were declared.
        awaited_worker_count: how many workers the awaited will have, as far as it is known.
    """

    def __init__(self, plan: RunPlan, chance: Callable[[], float]) -> None:
        self._reconnect_s = plan.reconnect_s if plan.dist != "each" else 0.0
        self._chance = chance
        self._states = {e.agent: AgentState(e.agent, e.host or e.agent) for e in plan.environments}
        for environment in plan.environments:
            if environment.count != AUTO:
                self._states[environment.agent].worker_count += environment.count
        self.awaited_worker_count = sum(state.worker_count for state in self._states.values())
        self._attempts = Deadlines()
        self._at: dict[Stand, dict[str, None]] = {stand: {} for stand in Stand}
        self._at[Stand.AWAITED].update(dict.fromkeys(self._states))
        self.awaited: AnyCollection[str] = self._at[Stand.AWAITED]
        self.ready: AnyCollection[str] = self._at[Stand.READY]
        self._away, self._connecting = self._at[Stand.AWAY], self._at[Stand.CONNECTING]
        self._left_counts = Counter(state.host for state in self._states.values())
        self._missing_count = 0
        self.host_count = len(self._left_counts)

    def __getitem__(self, name: str) -> AgentState:
        return self._states[name]

    @property
    def may_return(self) -> bool:
        """Whether an agent that is away may be reconnected."""
        return bool(self._away or self._connecting)

    def next_attempt(self) -> float | None:
        """Return when the next attempt to connect is due, or None."""
        return self._attempts.next()

    def come(self, name: str) -> bool:
        """Note that an agent is connected; return whether it was awaited."""
        state = self._states[name]
        if state.stand not in (Stand.AWAITED, Stand.CONNECTING):
            return False
        self._move(state, Stand.READY)
        return True

    def lose(self, name: str, reason: str, now: float, *, is_wanted: bool) -> None:
        """Take in that an agent is gone that was there, or about to be.

        It may come again if it ``is_wanted``.
        """
        state = self._states[name]
        if state.stand is not Stand.CONNECTING:  # Else it has not been back.
            state.lost_at, state.attempt_count = now, 0
        state.loss_count += 1
        state.reason = reason
        if is_wanted:
            self._take_fault(state, now)
        else:
            self._move(state, Stand.GONE)

    def fail(self, name: str, reason: str, fault: Fault, now: float) -> None:
        """Take in that an agent did not come; if it had been there, maybe it is tried again."""
        state = self._states[name]
        if state.stand is Stand.AWAITED or fault == "wrong":
            self._move(state, Stand.GONE)
            state.reason = f"{state.reason}; then: {reason}" if state.loss_count else reason
            return
        state.reason = reason
        if fault == "broken":
            self._take_fault(state, now)
        else:
            self._await_attempt(state, now)

    def due(self, now: float) -> list[str]:
        """Return the agents that are to be connected now."""
        names = self._attempts.pop_due(now)
        for name in names:
            self._move(self._states[name], Stand.CONNECTING)
            self._states[name].attempt_count += 1
        return names

    def stop(self) -> None:
        """Connect nobody any more: the run is over, or as good as that."""
        for name in [*self._away, *self._connecting]:
            self._attempts.drop(name)
            self._move(self._states[name], Stand.GONE)
            self._states[name].reason += "; not back when the run ended"

    def _take_fault(self, state: AgentState, now: float) -> None:
        state.fault_count += 1
        if self._reconnect_s and state.fault_count >= FAULTS_TO_QUARANTINE:
            self._move(state, Stand.GONE)
            state.is_quarantined = True
            state.reason = (
                f"quarantined: lost or not started {state.fault_count} times; the last time: "
                f"{state.reason}"
            )
        else:
            self._await_attempt(state, now)

    def _await_attempt(self, state: AgentState, now: float) -> None:
        """Give an agent the time of its next attempt, or give it up if it was away for too long."""
        limit = state.lost_at + self._reconnect_s
        if now < limit:
            delay_s = min(MAX_RECONNECT_DELAY_S, RECONNECT_DELAY_S * 2.0**state.attempt_count)
            self._move(state, Stand.AWAY)
            self._attempts.set(state.name, min(limit, now + delay_s * (0.5 + self._chance())))
            return
        self._move(state, Stand.GONE)
        if state.attempt_count:
            state.reason = (
                f"not back {now - state.lost_at:.0f} s after it was lost, tried "
                f"{state.attempt_count} times; the last time: {state.reason}"
            )

    def _move(self, state: AgentState, stand: Stand) -> None:
        """Let an agent stand elsewhere. Nothing comes back from where it is gone."""
        if state.stand is Stand.AWAITED:
            self.awaited_worker_count -= state.worker_count
        del self._at[state.stand][state.name]
        self._at[stand][state.name] = None
        state.stand = stand
        if stand is Stand.GONE:
            self._left_counts[state.host] -= 1
            self._missing_count += not self._left_counts[state.host]

    # -- hosts ---------------------------------------------------------------------------------

    @property
    def left_count(self) -> int:
        """How many hosts there are of which an agent is there or may come."""
        return self.host_count - self._missing_count

    def missing_hosts(self) -> dict[str, str]:
        """Return the hosts of which no agent is there or may come: host -> why."""
        gone = [state for state in self._states.values() if state.stand is Stand.GONE]
        return {state.host: state.reason for state in gone if not self._left_counts[state.host]}

    def troubles(self) -> tuple[HostTrouble, ...]:
        """Return what there is to tell of agents that were lost."""
        return tuple(
            HostTrouble(
                agent=state.name,
                loss_count=state.loss_count,
                is_back=state.stand is Stand.READY,
                is_quarantined=state.is_quarantined,
                reason=state.reason,
            )
            for state in self._states.values()
            if state.loss_count
        )
