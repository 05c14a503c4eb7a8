"""What the run machine and its schedulers do for one event, counted in lines of code that run.

A step that grows with the number of workers, hosts or items shows as lines for each event that
grow with the size of the run: what is done once for each item, at the start, stays as it is.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sim.scenario import Faults, Host, Scenario
from sim.test_run import BY_DURATION, MODES, durations_of, groups_of, node_ids
from sim.world import World

from remotest import run, scheduling
from remotest.run.plan import Environment, RunPlan

if TYPE_CHECKING:
    from types import FrameType

    from remotest.run import commands as c
    from remotest.run import events as e
    from remotest.run.machine import RunMachine

GROWTH = 1.1
"""Between two runs of which one is four times as large; a logarithm is far below."""

LINES_FOR_EVENT = 180
"""At any size: what the mode that does most for an event needs, and a third more."""

LATE_S = 10.0
"""When every second host is ready: others run tests by then."""

FOLDERS = tuple(folder for package in (run, scheduling) for folder in package.__path__)
CRASHES = Faults(crash_in_item=0.01, crash_between_items=0.001)


class CountedMachine:
    """A run machine that counts the lines of its own code and of its schedulers' that run."""

    def __init__(self, machine: RunMachine) -> None:
        self._machine = machine
        self.start = machine.start
        self.next_deadline = machine.next_deadline
        self.result = machine.result
        self.event_count = 0
        self.line_count = 0

    def handle(self, event: e.Event, now: float) -> list[c.Command]:
        self.event_count += 1
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return self._machine.handle(event, now)
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _: str, __: Any) -> Any:
        return self._step if frame.f_code.co_filename.startswith(FOLDERS) else None

    def _step(self, _: FrameType, what: str, __: Any) -> Any:
        self.line_count += what == "line"
        return self._step


def lines_for_event(
    dist: str, host_count: int, workers_each: int, item_count: int, faults: Faults
) -> float:
    """Return how many lines run for an event, as a mean over a whole run."""
    names = [f"host{number}" for number in range(host_count)]
    mode = dist.removesuffix(" by duration")
    if mode == "each":
        environments = [(f"{name}-{n}", name, 1) for name in names for n in range(workers_each)]
    else:
        environments = [(name, name, workers_each) for name in names]
    ids = node_ids(item_count)
    host = Host(ids=ids, groups=groups_of(ids))
    late = replace(host, ready_at_s=LATE_S)
    world = World(
        Scenario(
            plan=RunPlan(
                environments=tuple(
                    Environment(name=name, agent=agent, host=agent, count=count)
                    for name, agent, count in environments
                ),
                dist=mode,
                reconnect_s=60.0,
                min_hosts=1,
            ),
            hosts={name: late if n % 2 else host for n, name in enumerate(names)},
            faults=faults,
            estimates={names[0]: durations_of(ids)} if dist == BY_DURATION else None,
            steps_limit=sys.maxsize,
        )
    )
    counted = CountedMachine(world.machine)
    world.machine = counted
    assert world.run().missing == ()
    return counted.line_count / counted.event_count


@pytest.mark.parametrize("faults", [Faults(), CRASHES], ids=["calm", "crashes"])
@pytest.mark.parametrize("dist", [*MODES, BY_DURATION, "each"])
def test_what_an_event_costs_does_not_grow_with_the_run(dist: str, faults: Faults) -> None:
    hosts = (2, 2) if dist == BY_DURATION else (8, 32)  # A host is a kind of worker there.
    workers = (8, 32) if dist == BY_DURATION else (2, 2)
    items = (100, 100) if dist == "each" else (800, 3_200)
    small, large = (
        lines_for_event(dist, *size, faults) for size in zip(hosts, workers, items, strict=True)
    )
    assert large <= small * GROWTH
    assert large <= LINES_FOR_EVENT


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("dist", ["load", "worksteal", "loadfile", BY_DURATION])  # Each scheduler.
def test_1000_workers_run_200000_items_within_a_budget(dist: str) -> None:
    # By duration there is a plan for each kind of worker, which a host is.
    host_count = 2 if dist == BY_DURATION else 1_000
    lines = lines_for_event(dist, host_count, 1_000 // host_count, 200_000, CRASHES)
    assert lines <= LINES_FOR_EVENT
