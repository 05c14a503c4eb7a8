"""Slow links cost little: workers are kept so far ahead that they do not wait for messages."""

from __future__ import annotations

from random import Random
from typing import Final

import pytest
from sim.scenario import Host, Scenario
from sim.world import World

from remotest.run.plan import Environment, RunPlan

WORKER_COUNT: Final = 16
ITEM_COUNT: Final = 1_000


class Measured(World):
    """A world whose items take what they are said to."""

    durations_s: dict[str, float]

    def draw_duration_s(self, node_id: str, host: Host) -> float:  # noqa: ARG002  as there
        return self.durations_s[node_id]


@pytest.mark.parametrize(("round_trip_s", "limit"), [(0.0, 1.02), (0.05, 1.06), (0.2, 1.22)])
def test_a_run_over_a_slow_link_is_hardly_longer(round_trip_s: float, limit: float) -> None:
    chance = Random(1)
    durations_s = {f"test_{n}": chance.uniform(0.05, 0.15) for n in range(ITEM_COUNT)}
    host = Host(
        ids=tuple(durations_s),
        latency_s=round_trip_s / 2,
        ready_at_s=0.0,
        start_s=0.0,
        collect_s=0.0,
    )
    box = Environment(name="box", agent="box", count=WORKER_COUNT)
    world = Measured(Scenario(plan=RunPlan(environments=(box,), dist="load"), hosts={"box": host}))
    world.durations_s = durations_s
    world.run()
    # What was collected travels once, and so does the end.
    assert world.now - round_trip_s <= limit * sum(durations_s.values()) / WORKER_COUNT
