"""The environments and workers of a run: their names, their phases, and which belong together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from remotest.run.deadlines import (
    COLLECT_TIMEOUT_S,
    FINISH_TIMEOUT_S,
    WORKER_START_TIMEOUT_S,
)
from remotest.run.ledger import Ledger
from remotest.run.plan import SPLIT_MARK, Environment, RunPlan
from remotest.spec import AUTO

if TYPE_CHECKING:
    from collections.abc import Collection as AnyCollection
    from collections.abc import Mapping

    from remotest.run.events import Outcome
    from remotest.run.result import EnvironmentEnd
    from remotest.scheduling.catalogue import Collection

MAX_AUTO_WORKERS: Final = 1024
"""A host may not name more CPUs than the largest machines have: each one starts a process."""


class Phase(Enum):
    """Where a living worker stands. A worker that ended or was given up is not kept."""

    STARTING = "starting"
    COLLECTING = "collecting"
    RUNNING = "running"  # It has collected; it may still wait for its first item.
    FINISHING = "finishing"  # It was told that nothing more comes.
    STOPPING = "stopping"  # It was told to begin nothing more.


SESSION_OVERDUE: Final = f"its session did not end within {FINISH_TIMEOUT_S:g} s"
OVERDUE: Final[Mapping[Phase, str]] = {
    Phase.STARTING: f"no sign of life within {WORKER_START_TIMEOUT_S:g} s",
    Phase.COLLECTING: f"it was still collecting after {COLLECT_TIMEOUT_S:g} s",
    Phase.RUNNING: SESSION_OVERDUE,
    Phase.FINISHING: SESSION_OVERDUE,
}
"""What is said of a worker whose deadline has come."""


@dataclass(eq=False)
class EnvironmentState:
    """One environment of the run.

    Attributes:
        ledger: its own under each; one for the whole run under load.
        collections: what its workers announced, and which of them announced it.
        first_names: names of the workers to start when the agent is ready.
        worker_count: how many workers it was declared with; 0 while that is unknown.
        is_cut: its agent was lost and is not back, so that it has not run to its end.
        is_host_missing: that is what went wrong with it.
        end: None as long as nothing went wrong for good.
    """

    name: str
    declared: Environment
    ledger: Ledger
    first_names: tuple[str, ...] = ()
    workers: dict[str, WorkerState] = field(default_factory=dict)
    collections: dict[Collection, list[str]] = field(default_factory=dict)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    worker_count: int = 0
    restarts: int = 0
    is_cut: bool = False
    is_host_missing: bool = False
    end: EnvironmentEnd | None = None
    reason: str = ""

    def collected_count(self) -> int:
        """Return how many different items the workers of this environment announced."""
        if len(self.collections) == 1:  # As a rule; an item is in a collection once at most.
            return len(next(iter(self.collections)).items)
        return len(set().union(*(collection.items for collection in self.collections)))

    def has_collected(self, item: int) -> bool:
        """Return whether a worker of this environment announced an item."""
        return any(collection.position(item) is not None for collection in self.collections)


@dataclass(eq=False)
class WorkerState:
    """One living worker.

    Attributes:
        running: positions that it began and has not finished: one, or none, unless a plugin on
            the worker runs several at once.
        awaits: the last it said is that it has nothing to run and waits for that.
    """

    name: str
    environment: EnvironmentState
    replaces: str | None
    phase: Phase = Phase.STARTING
    collection: Collection | None = None
    running: set[int] = field(default_factory=set)
    awaits: bool = False

    @property
    def has_collected(self) -> bool:
        """Whether its start-up is over, so that its loss is the loss of a proven worker."""
        return self.collection is not None

    @property
    def overdue(self) -> str:
        """What is wrong with it when its deadline has come."""
        return OVERDUE[self.phase]

    def item(self, position: int) -> int:
        """Return the item number at a position of its collection."""
        assert self.collection is not None
        return self.collection.items[position]

    def node_id(self, position: int) -> str:
        """Return the node id at a position of its collection."""
        assert self.collection is not None
        return self.collection.ids[position]


class Fleet:
    """All environments, in declared order, and all living workers.

    Attributes:
        declared_worker_count: of all environments together, as far as it is known.
    """

    def __init__(self, plan: RunPlan) -> None:
        self._is_each = plan.dist == "each"
        self._shared_ledger = Ledger()
        self._reserved_names = {name for e in plan.environments for name in e.worker_ids}
        self._next_number = 0
        self._parts = {e.name: [self._new_environment(e.name, e)] for e in plan.environments}
        self._names_of: dict[str, list[str]] = {}  # Of the declared environments, by agent.
        for declared in plan.environments:
            self._names_of.setdefault(declared.agent, []).append(declared.name)
        self.declared_worker_count = 0
        self._uncounted = {e.name for e in plan.environments if e.count == AUTO}
        self.workers: dict[str, WorkerState] = {}
        self.coming: dict[str, None] = {}  # Names of the workers that have not collected.

    def _new_environment(self, name: str, declared: Environment) -> EnvironmentState:
        ledger = Ledger() if self._is_each else self._shared_ledger
        return EnvironmentState(name, declared, ledger)

    @property
    def environments(self) -> list[EnvironmentState]:
        """All of them, split ones in the place of what they were split from."""
        return [part for parts in self._parts.values() for part in parts]

    @property
    def open_count(self) -> int:
        """How many items of those that run once each have not ended."""
        return self._shared_ledger.open_count

    @property
    def is_counted(self) -> bool:
        """Whether it is known how many workers there will be."""
        return not self._uncounted

    @property
    def collected_count(self) -> int:
        """How many of the living workers have collected."""
        return len(self.workers) - len(self.coming)

    def new_name(self) -> str:
        """Return the next of ``gw0``, ``gw1``... that no spec took with ``id=``."""
        while (name := f"gw{self._next_number}") in self._reserved_names:
            self._next_number += 1
        self._next_number += 1
        return name

    def name_workers(self, environment: EnvironmentState, count: int) -> None:
        """Choose how many workers an environment has, and what they are called."""
        given = environment.declared.worker_ids[:count]
        made = tuple(self.new_name() for _ in range(count - len(given)))
        self.declared_worker_count += count - environment.worker_count
        self._uncounted.discard(environment.name)
        environment.worker_count = count
        environment.first_names = given + made

    def name_known_workers(self) -> None:
        """Name the workers of each environment that was declared with their number."""
        for environment in self.environments:
            if environment.declared.count != AUTO:
                self.name_workers(environment, environment.declared.count)

    def split(self, environment: EnvironmentState, count: int) -> tuple[str, ...]:
        """Put environments of one worker each in the place of one; return their names."""
        self.name_workers(environment, count)
        parts = [
            self._new_environment(f"{environment.name}{SPLIT_MARK}{number}", environment.declared)
            for number in range(1, count + 1)
        ]
        for part, name in zip(parts, environment.first_names, strict=True):
            part.worker_count = 1
            part.first_names = (name,)
        self._parts[environment.name] = parts
        return tuple(part.name for part in parts)

    def of_agent(self, agent: str) -> list[EnvironmentState]:
        """Return the environments whose workers run under an agent."""
        return [part for name in self._names_of[agent] for part in self._parts[name]]

    def proven_environment(self, agents: AnyCollection[str]) -> EnvironmentState | None:
        """Return the first environment of some agents that has had a worker which collected."""
        return next(
            (e for e in self.environments if e.collections and e.declared.agent in agents), None
        )

    def add_worker(
        self, environment: EnvironmentState, name: str, replaces: str | None
    ) -> WorkerState:
        """Take in a worker that is being started."""
        worker = WorkerState(name, environment, replaces)
        self.workers[name] = environment.workers[name] = worker
        self.coming[name] = None
        return worker

    def remove_worker(self, worker: WorkerState) -> None:
        """Forget a worker that ended or was given up."""
        del self.workers[worker.name]
        del worker.environment.workers[worker.name]
        self.coming.pop(worker.name, None)
