"""How much longer runs are than an ideal one, by scheduler, in virtual time.

The run machine and its schedulers play against hosts that are simulated (``tests/sim``). The ideal
is list scheduling, the longest test first, with the same durations and without any latency.
"""

from __future__ import annotations

import argparse
import heapq
import statistics
from random import Random
from typing import TYPE_CHECKING, Final

from sim.world import Host, Scenario, World

from remotest.run.plan import Environment, RunPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEST_COUNT: Final = 5_000
SEEDS: Final = 3
ERROR: Final = 0.3
"""Of durations that are known: what a test took last time it will not take again."""

HUGE_S: Final = 20.0
STEPS_LIMIT: Final = 100 * TEST_COUNT


class Exact(World):
    """Hosts that are there at once, and tests that take what they are said to."""

    def __init__(self, durations_s: Mapping[str, float], scenario: Scenario) -> None:
        super().__init__(scenario)
        self._durations_s = durations_s

    def draw_duration_s(self, node_id: str, host: Host) -> float:  # noqa: ARG002  as there
        return self._durations_s[node_id]


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


def makespan_s(
    durations_s: Mapping[str, float],
    worker_count: int,
    round_trip_s: float,
    dist: str,
    known_s: Mapping[str, float] | None = None,
) -> float:
    host = Host(
        ids=tuple(durations_s),
        latency_s=round_trip_s / 2,
        ready_at_s=0.0,
        start_s=0.0,
        collect_s=0.0,
    )
    box = Environment(name="box", agent="box", count=worker_count)
    world = Exact(
        durations_s,
        Scenario(
            plan=RunPlan(environments=(box,), dist=dist),
            hosts={"box": host},
            steps_limit=STEPS_LIMIT,
            estimates={"box": known_s} if known_s is not None else None,
        ),
    )
    world.run()
    return world.now - round_trip_s  # What workers collected took one way, and their end another.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="*", default=[4, 16, 64, 256])
    arguments = parser.parse_args()
    columns = ("load", "worksteal", "exact", f"{ERROR:.0%} off")
    print(f"makespan over the ideal, {TEST_COUNT:,} tests, median of {SEEDS} seeds\n")
    print(f"{'workers  RTT ms  suite':38}" + "".join(f"{name:>12}" for name in columns))
    for worker_count in arguments.workers:
        for round_trip_s in (0.0, 0.05):
            for index, (name, _) in enumerate(shapes(0)):
                ratios = [
                    ratios_of(list(shapes(seed))[index][1], worker_count, round_trip_s, seed)
                    for seed in range(SEEDS)
                ]
                row = f"{worker_count:7}{round_trip_s * 1000:8.0f}  {name}"
                medians = map(statistics.median, zip(*ratios, strict=True))
                print(f"{row:38}" + "".join(f"{ratio:12.3f}" for ratio in medians), flush=True)
    print("\nload, worksteal: as pytest-xdist has them, nothing known of the tests")
    print("exact, off: --schedule=duration, with durations that are right, or wrong by so much")


def ratios_of(
    durations_s: dict[str, float], worker_count: int, round_trip_s: float, seed: int
) -> list[float]:
    chance = Random(seed)
    wrong_s = {
        node_id: seconds * chance.uniform(1 - ERROR, 1 + ERROR)
        for node_id, seconds in durations_s.items()
    }
    ways = (("load", None), ("worksteal", None), ("load", durations_s), ("load", wrong_s))
    best_s = ideal_s(durations_s, worker_count)
    return [
        makespan_s(durations_s, worker_count, round_trip_s, dist, known_s) / best_s
        for dist, known_s in ways
    ]


if __name__ == "__main__":
    main()
