"""The result of a run over several environments as a table, and where they do not agree. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from remotest.run.events import Outcome

MAX_DISAGREEMENTS: Final = 50
"""Tests listed as not agreeing: more do not fit a screen's memory; the rest is counted."""

HEADINGS: Final[Mapping[Outcome, tuple[str, str]]] = {
    "passed": ("passed", "pass"),
    "failed": ("failed", "fail"),
    "skipped": ("skipped", "skip"),
    "error": ("errors", "err"),
    "xfailed": ("xfailed", "xfail"),
    "xpassed": ("xpassed", "xpass"),
}
"""Outcomes in the order of their columns, with a heading and a short one."""

SELDOM: Final = frozenset({"xfailed", "xpassed"})
"""Outcomes that have a column only where there are any."""

NAMES: Final = 3
"""Columns of names, in front of those of numbers."""

ABSENT: Final = "not there"
FAILING: Final = frozenset({"failed", "error"})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One environment of the matrix; ``has_run`` is whether it got as far as collecting."""

    label: str
    interpreter: str
    pytest_version: str
    has_run: bool = True
    counts: Mapping[Outcome, int] = field(default_factory=dict)
    duration_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A test whose outcome is not the same everywhere: outcome -> labels of environments."""

    node_id: str
    labels_by_outcome: Mapping[str, tuple[str, ...]]

    @property
    def fails_somewhere(self) -> bool:
        """Whether it fails in one environment and does not in another."""
        return any(outcome in FAILING for outcome in self.labels_by_outcome)


def find_disagreements(
    outcomes: Mapping[tuple[str, str], Outcome], labels: Mapping[str, str]
) -> list[Disagreement]:
    """Return the tests that did not end alike in all environments that ran anything.

    Args:
        outcomes: (environment, node id) -> outcome.
        labels: environment -> what it is called; only these are compared, in this order.
    """
    by_test: dict[str, dict[str, str]] = defaultdict(dict)
    for (environment, node_id), outcome in outcomes.items():
        if environment in labels:
            by_test[node_id][environment] = outcome
    found = []
    for node_id, by_environment in by_test.items():
        groups: dict[str, list[str]] = defaultdict(list)
        for environment, label in labels.items():
            groups[by_environment.get(environment, ABSENT)].append(label)
        if len(groups) > 1:
            named = {outcome: tuple(members) for outcome, members in groups.items()}
            found.append(Disagreement(node_id=node_id, labels_by_outcome=named))
    return found


def matrix_lines(rows: Sequence[Row], width: int) -> list[str]:
    """Return the table: a heading, then a row for each environment.

    Where it would be wider than ``width``, its headings are short. It is never cut: a terminal
    that is narrower still wraps the lines.
    """
    outcomes = [
        outcome
        for outcome in HEADINGS
        if outcome not in SELDOM or any(row.counts.get(outcome) for row in rows)
    ]
    cells = [_cells(row, outcomes) for row in rows]
    full, short = (
        _align([["environment", "interpreter", "pytest", *headings, " time"], *cells])
        for headings in zip(*(HEADINGS[outcome] for outcome in outcomes), strict=True)
    )
    return full if max(map(len, full)) <= width else short


def _cells(row: Row, outcomes: Iterable[Outcome]) -> list[str]:
    nothing = "0" if row.has_run else "-"
    return [
        *(row.label, row.interpreter, row.pytest_version),
        *(str(row.counts.get(outcome, nothing)) for outcome in outcomes),
        f"{row.duration_s:.1f}s" if row.has_run else "-",
    ]


def _align(table: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table: names to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for cells in table:
        blanks = [" " * (width - len(c)) for c, width in zip(cells, widths, strict=True)]
        names = [c + blank for c, blank in zip(cells[:NAMES], blanks, strict=False)]
        numbers = [blank + c for c, blank in zip(cells[NAMES:], blanks[NAMES:], strict=True)]
        lines.append(" ".join([*names, *numbers]).rstrip())
    return lines


def disagreement_lines(
    disagreements: Iterable[Disagreement], *, shows_all: bool
) -> tuple[list[str], int]:
    """Return the lines for tests that do not agree, and how many were left out.

    Those that fail nowhere (skipped or absent in some environments) are left out unless
    ``shows_all``: a suite may mean it so.
    """
    wanted = [item for item in disagreements if shows_all or item.fails_somewhere]
    lines = []
    for item in wanted[:MAX_DISAGREEMENTS]:
        lines.append(item.node_id)
        groups = sorted(item.labels_by_outcome.items(), key=lambda group: group[0] not in FAILING)
        lines += [f"    {outcome}: {', '.join(members)}" for outcome, members in groups]
    return lines, len(wanted) - min(len(wanted), MAX_DISAGREEMENTS)


def harmless_line(count: int) -> str:
    """Return the line in place of tests that do not agree and fail nowhere."""
    subject, pronoun = ("1 test is", "it") if count == 1 else (f"{count} tests are", "them")
    return (
        f"{subject} skipped, expected to fail or not there in some environments only "
        f"(-v lists {pronoun})"
    )
