"""The section of the summary that lists which workers did not collect which tests. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from remotest.run.gaps import name_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remotest.run.result import CollectionGap

TESTS_SHOWN: Final = 20
"""Tests that are listed in all: enough to see what they have in common, within a screenful."""


def gap_lines(gaps: Sequence[CollectionGap], label: Callable[[str], str]) -> list[str]:
    """Return the lines below the heading; ``label`` is what an environment is called."""
    lines = []
    room_count = TESTS_SHOWN
    for gap in gaps:
        count = len(gap.node_ids)
        tests = "1 test" if count == 1 else f"{count} tests"
        lines.append(f"{name_workers(gap)} [{label(gap.environment)}] did not collect {tests}")
        shown = gap.node_ids[:room_count]
        room_count -= len(shown)
        lines += [f"    {node_id}" for node_id in shown]
        if len(shown) < count:
            lines.append(f"    ... and {count - len(shown)} more")
    return lines
