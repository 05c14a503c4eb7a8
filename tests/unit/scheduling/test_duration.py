"""What ``--schedule=duration`` gives to whom. The simulator tries the mixtures."""

from __future__ import annotations

import heapq
from random import Random

import pytest
from sim.scenario import Host, Scenario
from sim.world import World

from remotest.run.commands import FinishWorker, RunItems
from remotest.run.plan import Environment, RunPlan
from remotest.scheduling.catalogue import Catalogue
from remotest.scheduling.duration import DurationScheduler
from remotest.scheduling.estimates import Estimates

NOTHING: frozenset[int] = frozenset()


def run(worker: str, *positions: int) -> RunItems:
    return RunItems(worker=worker, positions=positions)


def finish(worker: str) -> FinishWorker:
    return FinishWorker(worker=worker)


def made(worker_count: int, *durations_s: float) -> DurationScheduler:
    """Return a scheduler of alike workers gw0, gw1... and of items that take so long."""
    ids = tuple(f"test_{number}" for number in range(len(durations_s)))
    known = {"any": dict(zip(ids, durations_s, strict=True))}
    scheduler, catalogue = DurationScheduler(Estimates(known, lambda _: "any")), Catalogue()
    for number in range(worker_count):
        assert scheduler.add_worker(f"gw{number}", catalogue.enter(ids)) == []
    return scheduler


@pytest.mark.parametrize(
    ("worker_count", "durations_s", "commands"),
    [
        (2, [], [finish("gw0"), finish("gw1")]),
        (2, [1], [run("gw0", 0), finish("gw0"), finish("gw1")]),
        (2, [1, 2, 3], [run("gw0", 2), run("gw1", 1, 0), finish("gw0"), finish("gw1")]),
        # The longest first; who would be done first gets the next one.
        (2, [2, 3, 4, 5], [run("gw0", 3, 0), run("gw1", 2, 1), finish("gw0"), finish("gw1")]),
        # Behind the longest, which takes the whole run, comes what is shortest.
        (
            2,
            [3, 1, 100, 2, 4, 5],
            [run("gw0", 2), run("gw1", 5, 4, 0), run("gw0", 1)],
        ),
        # Short ones are given so many as last for a while.
        (1, [0.02] * 10, [run("gw0", 0, 1, 2, 3, 4, 5)]),
    ],
)
def test_what_is_given_at_the_start(
    worker_count: int, durations_s: list[float], commands: list[object]
) -> None:
    assert made(worker_count, *durations_s).start() == commands


def test_on_a_slow_link_what_is_given_lasts_longer() -> None:
    scheduler = made(0, *[0.05] * 20)
    scheduler.set_round_trip("gw0", 0.2)
    ids = tuple(f"test_{number}" for number in range(20))
    scheduler.add_worker("gw0", Catalogue().enter(ids))
    assert scheduler.start() == [run("gw0", *range(12))]


def test_who_is_done_takes_from_the_one_that_has_the_most_left() -> None:
    scheduler = made(2, *[10.0] * 4, *[1.0] * 8)
    assert scheduler.start() == [run("gw0", 0, 2, 4), run("gw1", 1, 3, 5)]
    given: list[object] = []
    for position, duration_s in ((0, 1.0), (2, 1.0), (4, 0.1), (6, 0.1), (8, 0.1), (10, 0.1)):
        given += scheduler.finish_item("gw0", position, duration_s=duration_s)
    assert given == [
        run("gw0", 6),
        run("gw0", 8),
        run("gw0", 10),
        run("gw0", 7),
        run("gw0", 9),
        run("gw0", 11),
    ]
    assert scheduler.finish_item("gw0", 7, duration_s=0.1) == [finish("gw0")]


def test_what_a_lost_worker_had_not_begun_is_run_by_others() -> None:
    scheduler = made(2, *[10.0] * 8)
    assert scheduler.start() == [run("gw0", 0, 2, 4), run("gw1", 1, 3, 5)]
    assert scheduler.wants_replacement("gw0", begun=frozenset({0}))
    assert scheduler.remove_worker("gw0", begun=frozenset({0})) == []
    assert scheduler.stranded_count() == 0
    given: list[object] = []
    for position in (1, 3, 5, 2, 4):
        given += scheduler.finish_item("gw1", position, duration_s=10.0)
    assert sorted(
        position for each in given if isinstance(each, RunItems) for position in each.positions
    ) == [2, 4, 6, 7]
    assert given[-1] == finish("gw1")


def test_a_slower_kind_of_worker_is_planned_less_for() -> None:
    ids = tuple(f"test_{number}" for number in range(12))
    known = {"fast": dict.fromkeys(ids, 1.0), "slow": dict.fromkeys(ids, 3.0)}
    scheduler, catalogue = DurationScheduler(Estimates(known, str)), Catalogue()
    for kind in known:
        scheduler.add_worker(kind, catalogue.enter(ids))
    assert scheduler.start() == [run("fast", 0, 1, 2), run("slow", 3, 7, 11)]
    given = {"fast": 3, "slow": 3}
    for position in (0, 1, 2, 4, 5, 6, 8, 9, 10):
        for command in scheduler.finish_item("fast", position, duration_s=1.0):
            if isinstance(command, RunItems):
                given[command.worker] += len(command.positions)
    assert given == {"fast": 9, "slow": 3}


class Exact(World):
    """A world without start-up, whose items take what they are said to."""

    def __init__(self, durations_s: dict[str, float], scenario: Scenario) -> None:
        super().__init__(scenario)
        self.durations_s = durations_s

    def draw_duration_s(self, node_id: str, host: Host) -> float:
        return self.durations_s[node_id] + 0 * host.item_s


def makespan_s(durations_s: dict[str, float], known: dict[str, float], worker_count: int) -> float:
    host = Host(ids=tuple(durations_s), latency_s=0.0, ready_at_s=0.0, start_s=0.0, collect_s=0.0)
    scenario = Scenario(
        plan=RunPlan(
            environments=(Environment(name="box", agent="box", count=worker_count),), dist="load"
        ),
        hosts={"box": host},
        estimates={"box": known},
    )
    world = Exact(durations_s, scenario)
    world.run()
    return world.now


def longest_first_s(durations_s: dict[str, float], worker_count: int) -> float:
    """Return the makespan of list scheduling, the longest first, without any latency."""
    ends = [0.0] * worker_count
    for duration_s in sorted(durations_s.values(), reverse=True):
        heapq.heapreplace(ends, ends[0] + duration_s)
    return max(ends)


@pytest.mark.parametrize("worker_count", [4, 64])
@pytest.mark.parametrize("shape", ["uniform", "lognormal", "one huge test last"])
def test_a_run_is_hardly_longer_than_the_ideal(shape: str, worker_count: int) -> None:
    chance = Random(shape)
    draw = chance.lognormvariate if shape == "lognormal" else chance.uniform
    bounds = (-3.5, 1.5) if shape == "lognormal" else (0.05, 0.15)
    durations_s = {f"test_{number}": draw(*bounds) for number in range(1000)}
    if shape == "one huge test last":
        durations_s["test_999"] = 20.0
    wrong = {node_id: s * chance.uniform(0.7, 1.3) for node_id, s in durations_s.items()}
    ideal_s = longest_first_s(durations_s, worker_count)
    assert makespan_s(durations_s, durations_s, worker_count) <= 1.05 * ideal_s
    assert makespan_s(durations_s, wrong, worker_count) <= 1.08 * ideal_s
