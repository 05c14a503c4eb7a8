"""What the user asked for, as known before any host is connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from remotest.spec import AUTO, WorkerCount

if TYPE_CHECKING:
    from remotest.scheduling.modes import DistMode

SLOW_START_S: Final = 30.0
"""A start that takes no longer needs no words. Each further note comes after twice the time."""

SPLIT_MARK = "#"
"""Stands between the name of an ``auto`` environment and the number of its part under each."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One row of the result: an interpreter on a host, with its workers.

    Attributes:
        name: how the user knows it; unique in the run.
        agent: the agent under which its workers run; environments may share one.
        count: how many workers it has, or ``auto``: as many as the host has CPUs.
        worker_ids: names for its first workers (``id=`` of a spec); the others become ``gwN``.
        host: the machine it is on; empty where its agent is the only one there.
    """

    name: str
    agent: str
    count: WorkerCount = 1
    worker_ids: tuple[str, ...] = ()
    host: str = ""


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """The environments of a run in declared order, and how items go to them.

    Under ``each`` every worker is an environment of its own: the caller has split ``3*spec``, and
    the machine splits ``auto`` when the host says how many CPUs it has.

    Attributes:
        max_worker_restart: how many lost workers are replaced; None for the default.
        max_chunk: ``--maxschedchunk``, or None.
        reorder_scopes: ``--loadscope-reorder``.
        strict_collection: ``--strict-collection``: run nothing if workers did not all collect
            the same items. Of no meaning under ``each``.
        requeue: what ran on a host that was lost runs once more on another. Of no meaning under
            ``each``.
        reconnect_s: for how long after its loss a host is connected again; 0 for not at all. Of
            no meaning under ``each``.
        min_hosts: the run goes on as long as so many hosts are there or may come, and those that
            are missing are no fault; None if none may be missing. Of no meaning under ``each``.
        slow_start_s: after so long the user hears whom the run waits for before it gives out
            anything; None for never.
    """

    environments: tuple[Environment, ...]
    dist: DistMode
    max_worker_restart: int | None = None
    max_chunk: int | None = None
    reorder_scopes: bool = True
    strict_collection: bool = False
    requeue: bool = True
    reconnect_s: float = 0.0
    min_hosts: int | None = None
    slow_start_s: float | None = None

    @property
    def shares_items(self) -> bool:
        """Whether what one host was given may run on another."""
        return self.dist != "each"

    @property
    def can_miss_hosts(self) -> bool:
        """Whether the run goes on, and may be green, without some of its hosts."""
        return self.min_hosts is not None and self.dist != "each"

    def __post_init__(self) -> None:
        names = [environment.name for environment in self.environments]
        assert len(set(names)) == len(names), "two environments of one name"
        ids = [name for environment in self.environments for name in environment.worker_ids]
        assert len(set(ids)) == len(ids), "two workers of one id"
        if self.dist == "each":
            assert all(environment.count in (1, AUTO) for environment in self.environments)
            splits = tuple(f"{e.name}{SPLIT_MARK}" for e in self.environments if e.count == AUTO)
            assert not any(name.startswith(splits) for name in names), "a name of a split part"
