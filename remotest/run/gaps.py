"""Workers that did not collect what others did. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from remotest.run.commands import ReportCollectionsDiffer, ReportNote
from remotest.run.result import CollectionGap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remotest.run.fleet import EnvironmentState
    from remotest.run.plan import RunPlan
    from remotest.scheduling.catalogue import Catalogue, Collection

GAPS_NAMED: Final = 4
"""Gaps that one line names: there may be one for each worker of hundreds."""

WORKERS_NAMED: Final = 4
"""Workers of one gap that are named: they fit a line."""

DIFFERENCES_SHOWN: Final = 50
"""Items that the text of a difference lists: about a screenful."""


def find_gaps(
    environments: Sequence[EnvironmentState], catalogue: Catalogue
) -> tuple[CollectionGap, ...]:
    """Return what workers lack of all that was collected, in the order of the environments.

    That the order is another is no gap.
    """
    found: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    lacking: dict[Collection, tuple[int, ...]] = {}  # Many environments may share a collection.
    for environment in environments:
        for collection, workers in environment.collections.items():
            if len(collection.items) == len(catalogue):
                continue  # An item is in a collection once at most.
            if collection not in lacking:
                numbers = range(len(catalogue))
                lacking[collection] = tuple(n for n in numbers if collection.position(n) is None)
            found.setdefault((environment.name, lacking[collection]), []).extend(workers)
    return tuple(
        CollectionGap(
            environment=environment,
            workers=tuple(workers),
            node_ids=tuple(map(catalogue.node_id, items)),
        )
        for (environment, items), workers in found.items()
    )


def tell_gaps(
    plan: RunPlan, environments: Sequence[EnvironmentState], catalogue: Catalogue
) -> list[ReportNote | ReportCollectionsDiffer]:
    """Return what the user is to hear before anything is run: nothing where there is no gap.

    Under ``each`` there is none: each environment has its own items.
    """
    gaps = find_gaps(environments, catalogue) if plan.dist != "each" else ()
    if not gaps:
        return []
    if not plan.strict_collection:
        return [ReportNote(text=describe_gaps(gaps, len(catalogue)))]
    return [
        ReportCollectionsDiffer(worker=worker, text=text)
        for worker, text in describe_differences(environments, catalogue)
    ]


def describe_gaps(gaps: Sequence[CollectionGap], item_count: int) -> str:
    """Return one line that says that there are gaps."""
    lacking = [f"{name_workers(gap)} without {len(gap.node_ids)}" for gap in gaps[:GAPS_NAMED]]
    if len(gaps) > GAPS_NAMED:
        lacking.append("...")
    return (
        f"workers collected different tests, {item_count} in all: {', '.join(lacking)}; "
        "each test runs on a worker that has it"
    )


def name_workers(gap: CollectionGap) -> str:
    """Return the names of a gap's workers, the first few of many."""
    names = "+".join(gap.workers[:WORKERS_NAMED])
    more_count = len(gap.workers) - WORKERS_NAMED
    return names if more_count <= 0 else f"{names} and {more_count} more"


def describe_differences(
    environments: Sequence[EnvironmentState], catalogue: Catalogue
) -> list[tuple[str, str]]:
    """Return (worker, text) for each that differs from the first one, in pytest-xdist's words.

    Workers that announced the same are told once. The first is so by its name, not by chance.
    """
    alike: dict[Collection, list[str]] = {}
    for environment in environments:
        for collection, workers in environment.collections.items():
            alike.setdefault(collection, []).extend(workers)
    announced = sorted(
        ((min(workers, key=_rank), set(collection.items)) for collection, workers in alike.items()),
        key=lambda pair: _rank(pair[0]),
    )
    first_worker, first = announced[0]
    differences = []
    for worker, items in announced[1:]:
        changed = sorted(first ^ items)
        if not changed:
            continue
        lines = [
            f"{'-' if item in first else '+'}{catalogue.node_id(item)}"
            for item in changed[:DIFFERENCES_SHOWN]
        ]
        if len(changed) > DIFFERENCES_SHOWN:
            lines.append(f"... and {len(changed) - DIFFERENCES_SHOWN} more")
        heading = f"Different tests were collected between {first_worker} and {worker}."
        files = [f"--- {first_worker}", f"+++ {worker}"]
        differences.append((worker, "\n".join([heading, "The difference is:", *files, *lines])))
    return differences


def _rank(worker: str) -> tuple[int, str]:
    """Return what puts gw2 before gw10."""
    return len(worker), worker
