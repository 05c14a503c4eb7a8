"""How a run ended, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.run.events import Outcome

EnvironmentEnd: TypeAlias = Literal["finished", "failed", "lost", "stopped"]


@dataclass(frozen=True, kw_only=True)
class EnvironmentResult:
    """What became of one environment.

    Attributes:
        end: ``finished``: its workers ended in order and nothing is missing. ``failed``: it did
            not start, or items have no outcome. ``lost``: its host went away. ``stopped``: the
            run was stopped before it was through.
        reason: why it is not ``finished``; else empty.
        collected: how many items its workers announced.
        outcomes: how many items ended so on its workers; a lost item counts as ``failed``.
        restarts: how many of its workers were replaced.
        is_missed: that it is not ``finished`` is a fault of the run; else the user can do without
            its host (``--min-hosts``).
    """

    name: str
    end: EnvironmentEnd
    reason: str = ""
    is_missed: bool = True
    collected: int = 0
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    restarts: int = 0


@dataclass(frozen=True, kw_only=True)
class WorkerLoss:
    """A worker that had collected and did not end in order, with the items it was running.

    ``is_excused``: a plugin let all of those run again, so the loss alone is no fault of the run.
    Nor is it where it was lost ``with_host``: what becomes of the environment tells.
    """

    worker: str
    environment: str
    reason: str
    node_ids: tuple[str, ...] = ()
    is_excused: bool = False
    with_host: bool = False


@dataclass(frozen=True, kw_only=True)
class HostTrouble:
    """An agent that was lost, and with it all that ran on its host under it.

    Attributes:
        loss_count: how often.
        is_back: it was there again at the end.
        is_quarantined: it was lost so often that it is not connected any more.
        reason: the last that was wrong with it.
    """

    agent: str
    loss_count: int
    is_back: bool
    is_quarantined: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class CollectionGap:
    """Workers of one environment that collected alike, and what others have and these lack."""

    environment: str
    workers: tuple[str, ...]
    node_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What became of the run.

    Attributes:
        environments: in declared order, split ones in the place of what they were split from.
        missing: (environment, node id) that should have an outcome and have none.
        losses: in the order in which they happened.
        troubles: the agents that were lost.
        too_few_hosts: why the run was given up, where fewer hosts were left than the user asked
            for; else empty.
        gaps: where each item runs once: which workers did not collect everything.
        are_gaps_refused: nothing was run, because of the gaps.
        not_run: how many collected items were not run because the run was stopped.
        stopped_reason: why it was stopped, or None.
        summary: one line for the end of the report, or empty.
    """

    environments: tuple[EnvironmentResult, ...]
    missing: tuple[tuple[str, str], ...] = ()
    losses: tuple[WorkerLoss, ...] = ()
    troubles: tuple[HostTrouble, ...] = ()
    too_few_hosts: str = ""
    gaps: tuple[CollectionGap, ...] = ()
    are_gaps_refused: bool = False
    not_run: int = 0
    stopped_reason: str | None = None
    summary: str = ""
