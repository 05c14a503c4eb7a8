"""What each interpreter of a run is given to run the tests in, as lines for a screen. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from remotest.hosttext import one_line, printable
from remotest.reporting.columns import GAP, lined_up
from remotest.reporting.sizes import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from remotest.env.decision import Decision
    from remotest.env.origins import Package
    from remotest.errors import HostError


@dataclass(frozen=True, kw_only=True)
class Managed:
    """An environment that is made for an interpreter.

    Attributes:
        source: what says what is wanted.
        packages: what is in it.
        byte_count: of its wheels.
        key: names it.
        state: whether it is on the host, in a word or two; empty where that is not known.
        changes: what makes it another than the last one here; None where none is remembered.
        builds: when and why wheels are built on the host, one line each.
        notes: for the user, one line each.
    """

    source: str
    packages: tuple[Package, ...]
    byte_count: int
    key: str
    state: str
    changes: tuple[str, ...] | None
    builds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One interpreter on one host.

    Attributes:
        spec: as the user wrote it.
        interpreter: as people call it; empty where it was not reached.
        decision: what the workers run in; None where that could not be decided.
        managed: the environment, where one is made and what is in it is known.
        error: why nothing can run there; None where it can.
    """

    spec: str
    interpreter: str = ""
    decision: Decision | None = None
    managed: Managed | None = None
    error: HostError | None = None


def screen(rows: Sequence[Row], *, is_explained: bool) -> Iterator[Text]:
    """Yield a paragraph for each interpreter, then what is wrong, then how many can be used.

    Args:
        rows: in the order in which the specs were given.
        is_explained: name each package, and all that has changed.
    """
    for row in rows:
        yield Text(one_line(row.spec), style="" if row.error is None else "red")
        yield from map(Text, lined_up(list(_facts(row)), indent=GAP))
        if row.managed is not None and is_explained:
            yield from _packages(row.managed.packages)
        yield Text()
    errors = [row.error for row in rows if row.error is not None]
    for error in errors:
        yield from (Text(line) for line in printable(error.paragraph()).splitlines())
        yield Text()
    verdict = f"{len(rows) - len(errors)} of {len(rows)} usable"
    yield Text(verdict, style="red" if errors else "green")


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    if row.interpreter:
        yield "interpreter", row.interpreter
    if row.decision is not None:
        yield "used", str(row.decision)
    if row.managed is not None:
        yield from _managed_facts(row.managed)


def _managed_facts(managed: Managed) -> Iterator[tuple[str, str]]:
    count = len(managed.packages)
    wheels = "1 wheel" if count == 1 else f"{count} wheels"
    yield "wanted", managed.source
    yield "holds", f"{wheels}, {size_text(managed.byte_count)}"
    yield "name", f"{managed.key}, {managed.state}" if managed.state else managed.key
    if managed.changes is None:
        yield "changed", "nothing is remembered of an earlier one"
    heading = "changed"
    for text in managed.changes or ():
        yield heading, text
        heading = ""
    for line in managed.builds:
        yield "built there", line
    for note in managed.notes:
        yield "note", note


def _packages(packages: Sequence[Package]) -> Iterator[Text]:
    rows = [(package.name, package.version, "; ".join(package.reasons)) for package in packages]
    yield Text()
    yield from map(Text, lined_up([("package", "version", "because of"), *rows], indent=GAP))
