"""The line for the start-up of workers."""

from __future__ import annotations

import pytest

from remotest.reporting.status import Stage, status_line

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
    assert status_line(stages, item_count) == line
