"""Events: what has happened, as frozen values named in the past tense.

Workers and agents are named by strings. ``position`` is an index into the collection that the
worker itself announced: workers may collect in different orders, so a position means nothing
without its worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from remotest.errors import Fault

Outcome: TypeAlias = Literal["passed", "failed", "skipped", "error", "xfailed", "xpassed"]


@dataclass(frozen=True, kw_only=True)
class AgentReady:
    """An agent is up on its host, its interpreter is usable and its tree is in place.

    Told again of an agent that was lost and has been connected again.
    """

    agent: str
    cpu_count: int


@dataclass(frozen=True, kw_only=True)
class AgentFailed:
    """An agent did not become ready: no connection, no usable interpreter, no tree.

    ``fault`` is what waiting does to that; of no meaning before the agent was ready once.
    """

    agent: str
    reason: str
    fault: Fault = "broken"


@dataclass(frozen=True, kw_only=True)
class AgentLost:
    """An agent is gone that was up, and all its workers with it, if it had any.

    ``may_return``: it may be connected again; what it said is no reason not to.
    """

    agent: str
    reason: str
    may_return: bool = True


@dataclass(frozen=True, kw_only=True)
class WorkerReady:
    """A worker's pytest session has started; it goes on to collect by itself."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class WorkerCollected:
    """A worker announced its collection, in its own order. Ids may occur more than once.

    ``groups`` are (position, ``xdist_group``) of items that have one, where the mode needs it.
    ``round_trip_s`` is how long a message to it and its answer take; 0 where that is not known.
    """

    worker: str
    ids: tuple[str, ...]
    groups: tuple[tuple[int, str], ...] = ()
    round_trip_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ItemStarted:
    """A worker began to run one of its items."""

    worker: str
    position: int


@dataclass(frozen=True, kw_only=True)
class ItemFinished:
    """A worker is done with one of its items.

    ``outcome`` is None where the worker sent no report that tells one: the run is then red.
    """

    worker: str
    position: int
    outcome: Outcome | None
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class ItemsReturned:
    """A worker gave back items of its queue that it was asked for and had not begun."""

    worker: str
    positions: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ItemsAwaited:
    """A worker has nothing to run, and waits for that. It may say so again."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class ItemsTaken:
    """What a worker waited for has come to it, be it only that nothing more comes."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class WorkerEnding:
    """A worker begins nothing more, whatever it was given: its session ends."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class WorkerFinished:
    """A worker's session ended by itself and in order."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class WorkerLost:
    """A worker's process ended without finishing its session."""

    worker: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StopRequested:
    """No further item shall be begun: ``--maxfail``, ``pytest.exit``, Ctrl-C.

    With ``grace_s`` the items that run are interrupted, and workers that have not ended by then are
    killed; with None they may take as long as they need. A second request can only shorten it.
    """

    reason: str
    grace_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class DeadlineReached:
    """The time that ``RunMachine.next_deadline`` named has come."""


WorkerEvent: TypeAlias = (
    WorkerReady
    | WorkerCollected
    | ItemStarted
    | ItemFinished
    | ItemsReturned
    | ItemsAwaited
    | ItemsTaken
    | WorkerEnding
    | WorkerFinished
    | WorkerLost
)

Event: TypeAlias = (
    AgentReady | AgentFailed | AgentLost | WorkerEvent | StopRequested | DeadlineReached
)
