"""Rows of cells as lines in which equal columns stand below each other. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from remotest.hosttext import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP: Final = 2
"""Spaces between columns, and in front of what belongs to the line above."""


def lined_up(rows: Sequence[Sequence[str]], indent: int = 0) -> list[str]:
    """Return one line for each row; all have equally many cells. No line is ever cut.

    Args:
        rows: cells may come from hosts: what would break a line or steer a terminal is replaced.
        indent: spaces in front of each line.
    """
    cleaned = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*cleaned, strict=True)]
    lines = []
    for row in cleaned:
        cells = [
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ]
        lines.append((" " * indent + (" " * GAP).join(cells)).rstrip())
    return lines
