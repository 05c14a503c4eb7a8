"""What lies in caches, as lines for a screen. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from remotest.hosttext import one_line
from remotest.reporting.checktable import TIME_UNITS
from remotest.reporting.columns import lined_up
from remotest.reporting.sizes import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remotest.env.stored import Stored

HEADINGS: Final = ("kind", "size", "last use", "in use", "name")
"""The name is last: it has no limit, and nothing has to be lined up behind it."""

UNUSABLE: Final = "left over"
"""In the place of its last use, what a thing is that nobody can use any more."""


def listing(place: str, things: Sequence[Stored], now: float) -> Iterator[Text]:
    """Yield a table of what is in a cache, the longest unused first, and its sum.

    Args:
        place: names the cache.
        things: what is in it.
        now: seconds since the epoch.
    """
    yield from _table(things, now)
    yield Text(_sum_text(place, things))


def removal(place: str, things: Sequence[Stored], now: float) -> Iterator[Text]:
    """Yield what was removed from a cache, and how much room that made."""
    yield from _table(things, now)
    yield Text(_sum_text(place, things) + " removed", style="green" if things else "")


def _table(things: Sequence[Stored], now: float) -> Iterator[Text]:
    if not things:
        return
    rows = [
        (
            one.kind,
            size_text(one.size_bytes),
            age_text(now - one.used_s) if one.used_s else UNUSABLE,
            "yes" if one.in_use else "no",
            one.name,
        )
        for one in sorted(things, key=lambda one: (one.used_s, one.kind, one.name))
    ]
    yield from map(Text, lined_up([HEADINGS, *rows]))


def _sum_text(place: str, things: Sequence[Stored]) -> str:
    count = {0: "nothing", 1: "1 thing"}.get(len(things), f"{len(things)} things")
    size = f", {size_text(sum(one.size_bytes for one in things))}" if things else ""
    return f"{one_line(place)}: {count}{size}"


def age_text(age_s: float) -> str:
    """Return how long ago something was, in its largest unit: ``3 min ago``."""
    for unit_s, unit in TIME_UNITS:
        if age_s >= unit_s:
            return f"{age_s / unit_s:.0f} {unit} ago"
    return "now"
