"""One numbered experiment of `make bench`: what it measures, how, and what it does not show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.measure import Row


@dataclass(frozen=True)
class Outcome:
    """What an experiment has found.

    Attributes:
        rows: of the table.
        commands: contender -> what was run, as a page shows it.
    """

    rows: Sequence[Row]
    commands: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment.

    Attributes:
        number: of the row of the table.
        what: is measured, in a few words.
        blind: what the figures do not show.
        minutes: that five rounds take, about, on an idle machine with 2 CPUs.
        measure: does it, in an empty folder, with so many rounds.
    """

    number: int
    what: str
    blind: str
    minutes: float
    measure: Callable[[Path, int], Outcome]
