"""The account of a run: what is missing, and how each environment ended. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from remotest.run.gaps import find_gaps
from remotest.run.result import EnvironmentResult, RunResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remotest.run.fleet import EnvironmentState
    from remotest.run.ledger import Ledger
    from remotest.run.plan import RunPlan
    from remotest.run.result import HostTrouble, WorkerLoss
    from remotest.scheduling.catalogue import Catalogue


def make_result(
    environments: Sequence[EnvironmentState],
    catalogue: Catalogue,
    *,
    plan: RunPlan,
    losses: Sequence[WorkerLoss],
    troubles: Sequence[HostTrouble],
    stopped_reason: str | None,
    are_gaps_refused: bool,
    too_few_hosts: str,
    summary: str,
) -> RunResult:
    """Return the result of a run that has no living worker left.

    A run that was refused for gaps, or given up for want of hosts, was stopped by nobody else.
    """
    is_stopped = stopped_reason is not None
    owners = _owners(environments)
    missing = list(_missing(owners, is_stopped=is_stopped))
    missing_counts = Counter(environment.name for environment, _ in missing)
    return RunResult(
        environments=tuple(
            _environment_result(
                environment,
                missing_counts[environment.name],
                is_stopped=is_stopped,
                can_miss_hosts=plan.can_miss_hosts,
            )
            for environment in environments
        ),
        missing=tuple((environment.name, catalogue.node_id(item)) for environment, item in missing),
        losses=tuple(losses),
        troubles=tuple(troubles),
        too_few_hosts=too_few_hosts,
        gaps=find_gaps(environments, catalogue) if plan.dist != "each" else (),
        are_gaps_refused=are_gaps_refused,
        not_run=sum(ledger.open_count for ledger in owners) if is_stopped else 0,
        stopped_reason=None if are_gaps_refused or too_few_hosts else stopped_reason,
        summary=summary,
    )


def _owners(environments: Sequence[EnvironmentState]) -> dict[Ledger, list[EnvironmentState]]:
    owners: dict[Ledger, list[EnvironmentState]] = {}
    for environment in environments:
        owners.setdefault(environment.ledger, []).append(environment)
    return owners


def _missing(
    owners: dict[Ledger, list[EnvironmentState]], *, is_stopped: bool
) -> Iterator[tuple[EnvironmentState, int]]:
    """Yield what should have an outcome; of a shared ledger for the first that collected it."""
    for ledger, environments in owners.items():
        items = list(ledger.silent_items())
        if not is_stopped:
            items += ledger.open_items()
        for item in sorted(items):
            yield next(owner for owner in environments if owner.has_collected(item)), item


def _environment_result(
    environment: EnvironmentState, missing_count: int, *, is_stopped: bool, can_miss_hosts: bool
) -> EnvironmentResult:
    end, reason = environment.end, environment.reason
    if end is None and missing_count:
        end, reason = "failed", f"items without an outcome: {missing_count}"
    elif (
        end is None
        and is_stopped
        and (environment.ledger.open_count or not environment.collections)
    ):
        end, reason = "stopped", "the run was stopped before it was through"
    return EnvironmentResult(
        name=environment.name,
        end=end or "finished",
        reason=reason,
        is_missed=not (can_miss_hosts and environment.is_host_missing),
        collected=environment.collected_count(),
        outcomes=dict(environment.outcomes),
        restarts=environment.restarts,
    )
