"""Commands: what to do, as frozen values named in the imperative. The controller applies them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class SplitEnvironment:
    """Under ``each``, an ``auto`` environment has become one environment for each CPU.

    The names of ``into`` take the place of ``environment`` in every later command.
    """

    environment: str
    into: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ConnectAgent:
    """Connect to an agent again that was lost, and bring there what workers need.

    The answer is ``AgentReady``, ``AgentFailed`` or, if it is lost on the way, ``AgentLost``.
    """

    agent: str


@dataclass(frozen=True, kw_only=True)
class StartWorker:
    """Start a worker of an environment under its agent.

    ``replaces`` names the lost worker whose place it takes, or is None.
    """

    worker: str
    agent: str
    environment: str
    replaces: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunItems:
    """Append items, by their positions in the worker's own collection, to the worker's queue."""

    worker: str
    positions: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ReclaimItems:
    """Ask a worker to give back those of these items that it has not begun."""

    worker: str
    positions: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class FinishWorker:
    """Tell a worker that nothing more comes: it runs its queue empty and ends its session."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class StopWorker:
    """Tell a worker to begin no further item and to end its session after the one that runs."""

    worker: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class InterruptWorker:
    """Interrupt the item that a worker runs, as Ctrl-C does; its fixtures are torn down."""

    worker: str


@dataclass(frozen=True, kw_only=True)
class KillWorker:
    """End a worker's process tree now."""

    worker: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReportLostItem:
    """A worker died, or was lost with its host, while it ran this item, or was about to.

    The item has failed in this environment.

    ``runs_again``: a plugin wants it to run once more, so this is not its last word.
    """

    worker: str
    environment: str
    node_id: str
    reason: str
    runs_again: bool = False


@dataclass(frozen=True, kw_only=True)
class ReportItemMoved:
    """A host was lost while a worker there ran this item: it runs once more, on another host."""

    worker: str
    environment: str
    node_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReportItemsInDoubt:
    """A host was lost while a worker there may have begun these items: others run them.

    What it said last was lost with it: some may run for the second time, most do not.
    """

    worker: str
    environment: str
    node_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReportEnvironmentFailed:
    """A declared environment did not start, or ended before all its items had an outcome."""

    environment: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReportAgentGivenUp:
    """An agent that was lost has not come again, and is not connected any more."""

    agent: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReportTooFewHosts:
    """Fewer hosts are left than the user asked for: the run is stopped."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ReportNote:
    """One line for the user, for example that a lost worker is being replaced."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ReportSchedulingStarted:
    """Items are given out now.

    Every worker that will ever start has collected or failed, but for ``coming_count`` of them.
    """

    coming_count: int = 0


@dataclass(frozen=True, kw_only=True)
class ReportCollectionsDiffer:
    """Nothing is run: this worker did not collect what another did, and the user is strict."""

    worker: str
    text: str


@dataclass(frozen=True, kw_only=True)
class EndRun:
    """Nothing is left to wait for.

    ``missing`` are (environment, node id) that should have an outcome and have none.
    ``summary`` is one line for the end of the report, or empty.
    """

    missing: tuple[tuple[str, str], ...] = ()
    summary: str = ""


Command: TypeAlias = (
    SplitEnvironment
    | ConnectAgent
    | StartWorker
    | RunItems
    | ReclaimItems
    | FinishWorker
    | StopWorker
    | InterruptWorker
    | KillWorker
    | ReportLostItem
    | ReportItemMoved
    | ReportItemsInDoubt
    | ReportEnvironmentFailed
    | ReportAgentGivenUp
    | ReportTooFewHosts
    | ReportNote
    | ReportSchedulingStarted
    | ReportCollectionsDiffer
    | EndRun
)
