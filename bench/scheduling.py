"""How much longer runs are than an ideal one, by scheduler, in virtual time: row 8.

The run machine and its schedulers play against hosts that are simulated (``tests/sim``). The ideal
is list scheduling, the longest test first, with the same durations and without any latency.
"""

from __future__ import annotations

import heapq
from operator import itemgetter
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias

from sim.measured import makespan_s

from bench.experiment import Experiment, Outcome
from bench.measure import AT_MOST, Aim, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from remotest.scheduling.modes import DistMode

Case: TypeAlias = "dict[str, float]"
"""One suite on so many workers: way to schedule -> makespan over the ideal."""

TEST_COUNT: Final = 5_000
WORKER_COUNTS: Final = (4, 16, 64, 256)
ROUND_TRIPS_S: Final = (0.0, 0.05)
ERROR: Final = 0.3
"""Of durations that are known: what a test took last time it will not take again."""

HUGE_S: Final = 20.0


def shapes(seed: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield names of suites and how long each of their tests takes."""
    chance = Random(seed)
    ids = [f"test_{number // 20}.py::test_{number}" for number in range(TEST_COUNT)]
    yield "uniform", {each: chance.uniform(0.05, 0.15) for each in ids}
    yield "lognormal", {each: chance.lognormvariate(-3.5, 1.5) for each in ids}
    huge_last = {each: chance.uniform(0.05, 0.15) for each in ids}
    yield "one huge test last", {**huge_last, ids[-1]: HUGE_S}


def ideal_s(durations_s: Mapping[str, float], worker_count: int) -> float:
    ends = [0.0] * worker_count
    for duration_s in sorted(durations_s.values(), reverse=True):
        heapq.heapreplace(ends, ends[0] + duration_s)
    return max(ends)


def worst_by_seed(rounds: int) -> dict[str, tuple[Case, ...]]:
    """Return way -> for each seed the case in which it is farthest from the ideal.

    ``unknown`` is farthest from ``worksteal``.
    """
    worst: dict[str, list[Case]] = {}
    for seed in range(rounds):
        cases = list(cases_of(seed))
        for way in ("load", "worksteal", "exact", "wrong"):
            worst.setdefault(way, []).append(max(cases, key=itemgetter(way)))
        farthest = max(cases, key=lambda case: case["unknown"] / case["worksteal"])
        worst.setdefault("unknown", []).append(farthest)
    return {way: tuple(cases) for way, cases in worst.items()}


def cases_of(seed: int) -> Iterator[Case]:
    for worker_count in WORKER_COUNTS:
        for round_trip_s in ROUND_TRIPS_S:
            for _, durations_s in shapes(seed):
                yield ratios_of(durations_s, worker_count, round_trip_s, seed)


def ratios_of(
    durations_s: dict[str, float], worker_count: int, round_trip_s: float, seed: int
) -> Case:
    chance = Random(seed)
    wrong_s = {
        node_id: seconds * chance.uniform(1 - ERROR, 1 + ERROR)
        for node_id, seconds in durations_s.items()
    }
    ways: dict[str, tuple[DistMode, dict[str, float] | None]] = {
        "load": ("load", None),
        "worksteal": ("worksteal", None),
        "exact": ("load", durations_s),
        "wrong": ("load", wrong_s),
        "unknown": ("load", {}),
    }
    best_s = ideal_s(durations_s, worker_count)
    return {
        way: makespan_s(durations_s, worker_count, round_trip_s, dist, known_s) / best_s
        for way, (dist, known_s) in ways.items()
    }


def makespans(_: Path, rounds: int) -> Outcome:
    worst = worst_by_seed(rounds)

    def ratios(way: str, case_of: str) -> tuple[float, ...]:
        return tuple(case[way] for case in worst[case_of])

    rows = [
        Row(
            number=number,
            what=f"worst makespan over the ideal, {known}",
            unit="",
            ours=ratios(way, way),
            peer=ratios("load", "load"),
            peer_name="--dist=load",
            aim=Aim(AT_MOST, aim, is_absolute=True),
            limit=(1.0,),
            limit_name="ideal",
        )
        for number, known, way, aim in (
            ("8a", "durations known", "exact", 1.05),
            ("8b", f"durations {ERROR:.0%} wrong", "wrong", 1.08),
        )
    ]
    nothing = Row(
        number="8c",
        what="nothing known: the case farthest from worksteal",
        unit="",
        ours=ratios("unknown", "unknown"),
        peer=ratios("worksteal", "unknown"),
        peer_name="--dist=worksteal",
        aim=Aim(AT_MOST, 1.0),
        limit=(1.0,),
        limit_name="ideal",
    )
    return Outcome([*rows, nothing], {"remotest": "--schedule=duration, in the simulator"})


EXPERIMENTS: Final = (
    Experiment(
        number=8,
        what=(
            f"makespan of {TEST_COUNT:,} tests in virtual time: even, uneven and one huge test "
            "last; 4 to 256 workers; round trip 0 and 50 ms"
        ),
        blind=(
            "what schedulers cost themselves; load and worksteal are remotest's, which do as "
            "pytest-xdist's; a round is a seed"
        ),
        minutes=1.5,
        measure=makespans,
    ),
)
