"""The line for the start-up of workers."""

from __future__ import annotations

from collections import Counter

import pytest

from remotest.reporting.status import Stage, Stages, status_line

CREATED, INITIALIZED, READY, COLLECTED = Stage


@pytest.mark.parametrize(
    ("stages", "item_count", "line"),
    [
        ([], 0, "bringing up nodes..."),
        ([CREATED], 0, "created: 1/1 worker"),
        ([CREATED] * 3, 0, "created: 3/3 workers"),
        ([CREATED, INITIALIZED], 0, "initialized: 1/2 workers"),
        ([INITIALIZED, READY, READY], 0, "ready: 2/3 workers"),
        ([READY, COLLECTED, COLLECTED], 5, "collecting: 2/3 workers"),
        ([COLLECTED], 0, "1 worker [0 items]"),
        ([COLLECTED], 1, "1 worker [1 item]"),
        ([COLLECTED] * 2, 7, "2 workers [7 items]"),
    ],
)
def test_the_line(stages: list[Stage], item_count: int, line: str) -> None:
    assert status_line(Counter(stages), item_count) == line


def test_the_way_of_workers() -> None:
    stages = Stages()
    stages.expect(3)
    stages.start("gw0", replaces=None)
    stages.start("gw1", replaces=None)
    assert +stages.counts == {CREATED: 1, INITIALIZED: 2}
    stages.move("gw0", READY)
    stages.move("gw0", COLLECTED)
    assert +stages.counts == {CREATED: 1, INITIALIZED: 1, COLLECTED: 1}
    stages.settle(coming_count=1)
    assert +stages.counts == {COLLECTED: 2}
    stages.start("gw2", replaces="gw0")
    assert +stages.counts == {COLLECTED: 1, INITIALIZED: 1}


def test_a_worker_that_nobody_expected_is_one_more() -> None:
    stages = Stages()
    stages.start("gw0", replaces=None)
    stages.start("gw1", replaces="lost before it was seen")
    assert +stages.counts == {INITIALIZED: 2}
