"""Runs whose tests take what they are said to, on a host whose workers are there at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sim.scenario import Host, Scenario
from sim.world import World

from remotest.run.plan import Environment, RunPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.scheduling.modes import DistMode

STEPS_AN_ITEM: Final = 100
"""Of the simulation, at the most: far more than what is said of an item."""


class Measured(World):
    """A world whose items take what they are said to."""

    def __init__(self, durations_s: Mapping[str, float], scenario: Scenario) -> None:
        super().__init__(scenario)
        self._durations_s = durations_s

    def draw_duration_s(self, node_id: str, host: Host) -> float:  # noqa: ARG002  as there
        return self._durations_s[node_id]


def makespan_s(
    durations_s: Mapping[str, float],
    worker_count: int,
    round_trip_s: float,
    dist: DistMode = "load",
    known_s: Mapping[str, float] | None = None,
) -> float:
    """Return how long a run takes, without the way of what is collected and of the end.

    Args:
        durations_s: node id -> how long that test takes.
        worker_count: of the one host.
        round_trip_s: to the host.
        dist: how the tests are shared out.
        known_s: node id -> how long that test is expected to take; None for a scheduler that does
            not ask.
    """
    host = Host(
        ids=tuple(durations_s),
        latency_s=round_trip_s / 2,
        ready_at_s=0.0,
        start_s=0.0,
        collect_s=0.0,
    )
    box = Environment(name="box", agent="box", count=worker_count)
    world = Measured(
        durations_s,
        Scenario(
            plan=RunPlan(environments=(box,), dist=dist),
            hosts={"box": host},
            steps_limit=STEPS_AN_ITEM * len(durations_s),
            estimates=None if known_s is None else {"box": known_s},
        ),
    )
    world.run()
    return world.now - round_trip_s
