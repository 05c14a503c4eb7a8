"""What ``remotest check`` found out, as lines for a screen. Pure."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.text import Text

from remotest.errors import HostError
from remotest.hosttext import one_line, printable
from remotest.reporting.columns import GAP
from remotest.reporting.sizes import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_remotest.messages import Room
    from remotest.preflight import Interpreter
    from remotest.sync.push import Lacking

HEADINGS: Final = (
    *("reachable", "interpreter", "pytest", "plugins", "free disk", "clock"),
    "files to send",
)
CLOCK_TOLERANCE_S: Final = 5.0
"""Below it two clocks count as the same: a greeting may take seconds over a slow link."""

FEW_FILES: Final = 10_000
"""Room for fewer new files is worth a line: a virtual environment alone needs some thousands."""

BROUGHT: Final = "brought"
"""Stands for the version of what is not the host's own, but comes with the run."""

MIN_CAUSE_COLUMNS: Final = 30
"""Fewer say nothing of a cause; a screen that has fewer wraps the line by itself."""

TIME_UNITS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


@dataclass(frozen=True, kw_only=True)
class PluginDifference:
    """A pytest plugin that is active here. ``there`` is None where the host has none."""

    name: str
    here: str
    there: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.here} here, {self.there or 'none'} there"


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What a host that was reached told of itself.

    Attributes:
        interpreter: the interpreter.
        plugins: the plugins that differ.
        clock_ahead_s: how far its clock is before ours, None if it told no time.
        room: on the disk that the tree would be on, None if that could not be found out.
        lacking: what it would be sent, None if no tree is brought to it, or not by this row.
        shares_tree: whether an earlier row's tree serves it.
        is_managed: whether a run brings pytest, the plugins and what else the suite needs.
    """

    interpreter: Interpreter
    plugins: tuple[PluginDifference, ...]
    clock_ahead_s: float | None
    room: Room | None = None
    lacking: Lacking | None = None
    shares_tree: bool = False
    is_managed: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """One interpreter on one host. ``facts`` is None where it was not reached.

    ``error`` says why it cannot be used, whether it was reached or not.
    """

    spec: str
    facts: HostFacts | None
    error: HostError | None


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The whole of what can travel; ``notes`` say what stays here, and what else is odd."""

    base: str
    file_count: int
    byte_count: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The answer of a check.

    Attributes:
        rows: in the order in which the specs were given; at least one.
        tree: what can travel, or why that cannot be read here; None where no host needs it.
    """

    rows: tuple[Row, ...]
    tree: Tree | HostError | None

    @property
    def errors(self) -> list[HostError]:
        """All that keeps a run over these specs from starting everywhere."""
        errors = [row.error for row in self.rows if row.error is not None]
        return [*errors, self.tree] if isinstance(self.tree, HostError) else errors


def compare_plugins(
    here: Mapping[str, str], there: Mapping[str, object]
) -> tuple[PluginDifference, ...]:
    """Return the plugins of this side that the other has not, or has in another version.

    Args:
        here: name -> version of the distributions of active plugins.
        there: normal name -> version of all distributions.
    """
    versions = {name: there.get(re.sub(r"[-_.]+", "-", name).lower()) for name in here}
    return tuple(
        PluginDifference(
            name=name,
            here=here[name],
            there=None if version is None else str(version),
        )
        for name, version in sorted(versions.items())
        if version != here[name]
    )


def screen(result: CheckResult, width: int) -> list[Text]:
    """Return the lines of a check, the table first, for a screen of so many columns."""
    lines = [*_table(result.rows, width), *_plugin_lines(result.rows), *_disk_lines(result.rows)]
    if isinstance(result.tree, Tree):
        lines += [Text(), *_tree_lines(result.tree)]
    for error in result.errors:
        lines.append(Text())
        lines += [Text(line) for line in printable(error.paragraph()).splitlines()]
    usable = sum(row.error is None for row in result.rows)
    verdict = f"{usable} of {len(result.rows)} usable"
    return [*lines, Text(), Text(verdict, style="red" if result.errors else "green")]


# -- the table -----------------------------------------------------------------------------


def _table(rows: Sequence[Row], width: int) -> Iterator[Text]:
    """Yield the table; where it would be too wide, each spec is on a line above its cells."""
    cells = {row.spec: _cells(row.facts) for row in rows if row.facts is not None}
    widths = [max(map(cell_len, texts)) for texts in zip(HEADINGS, *cells.values(), strict=True)]
    spec_width = max(cell_len(one_line(row.spec)) for row in rows) + GAP
    is_wide = spec_width + sum(widths) + GAP * (len(widths) - 1) <= width
    indent = spec_width if is_wide else GAP
    yield from _entry("spec", Text(_join(HEADINGS, widths)), indent, is_wide=is_wide)
    for row in rows:
        style = "green" if row.error is None else "red"
        if row.spec in cells:
            answer = Text(_join(cells[row.spec], widths))
            answer.stylize(style, 0, len("yes"))
        else:
            cause = one_line(row.error.cause) if row.error is not None else "?"
            columns = max(width - indent, MIN_CAUSE_COLUMNS)
            answer = Text(textwrap.shorten(f"no: {cause}", columns, placeholder=" ..."))
            answer.stylize(style, 0, len("no"))
        yield from _entry(one_line(row.spec), answer, indent, is_wide=is_wide)


def _entry(spec: str, answer: Text, indent: int, *, is_wide: bool) -> Iterator[Text]:
    """Yield a spec and what there is to say of it, beside it or below it."""
    if is_wide:
        yield Text(spec + " " * (indent - cell_len(spec))) + answer
    else:
        yield Text(spec)
        yield Text(" " * indent) + answer


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell + " " * (width - cell_len(cell)) for cell, width in zip(cells, widths, strict=True)
    ]
    return (" " * GAP).join(padded).rstrip()


def _cells(facts: HostFacts) -> tuple[str, ...]:
    interpreter = facts.interpreter
    return (
        "yes",
        one_line(f"{interpreter.implementation} {interpreter.version}"),
        BROUGHT if facts.is_managed else one_line(interpreter.pytest_version or "none"),
        BROUGHT if facts.is_managed else _differing(facts.plugins),
        size_text(facts.room.free_bytes) if facts.room is not None else "?",
        clock_text(facts.clock_ahead_s),
        _sending(facts),
    )


def _differing(plugins: Sequence[PluginDifference]) -> str:
    return f"{len(plugins)} differ" if plugins else "same"


def _sending(facts: HostFacts) -> str:
    if facts.lacking is None:
        return "shared" if facts.shares_tree else "-"
    if not facts.lacking.file_count:
        return "none"
    return f"{facts.lacking.file_count}, {size_text(facts.lacking.byte_count)}"


def clock_text(ahead_s: float | None) -> str:
    """Return how far a clock is ahead of ours, or behind it: ``+37 s``, ``-2 h``, ``same``."""
    if ahead_s is None:
        return "?"
    if abs(ahead_s) < CLOCK_TOLERANCE_S:
        return "same"
    size_s, unit = next(unit for unit in TIME_UNITS if abs(ahead_s) >= unit[0])
    return f"{ahead_s / size_s:+.0f} {unit}"


# -- below the table -----------------------------------------------------------------------


def _plugin_lines(rows: Sequence[Row]) -> Iterator[Text]:
    """Yield what differs, with the specs of which all of it is true above it."""
    specs_by_difference: dict[tuple[PluginDifference, ...], list[str]] = {}
    for row in rows:
        if row.facts is not None and row.facts.plugins:
            specs_by_difference.setdefault(row.facts.plugins, []).append(row.spec)
    if specs_by_difference:
        yield Text()
        yield Text("plugins that differ from here:")
    for differences, specs in specs_by_difference.items():
        yield from (Text(" " * GAP + one_line(spec)) for spec in specs)
        yield from (Text(" " * 2 * GAP + one_line(str(each))) for each in differences)


def _disk_lines(rows: Sequence[Row]) -> Iterator[Text]:
    for row in rows:
        room = row.facts.room if row.facts is not None else None
        if room is not None and room.free_files is not None and room.free_files < FEW_FILES:
            yield Text()
            text = f"{row.spec}: no more than {room.free_files} new files fit in {room.place}"
            yield Text(one_line(text) + " (inodes)")


def _tree_lines(tree: Tree) -> Iterator[Text]:
    files = "1 file" if tree.file_count == 1 else f"{tree.file_count} files"
    yield Text(one_line(f"the tree of {tree.base}: {files}, {size_text(tree.byte_count)}"))
    for note in tree.notes:
        yield Text(" " * GAP + one_line(note))
