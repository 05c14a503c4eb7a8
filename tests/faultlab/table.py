"""The table of faults as a page: what was made, and what both programs did, from results."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from faultlab.catalogue import Fault
    from faultlab.scene import Seen

ESSENTIAL_CHARS: Final = 140
"""Of a printed line: the table has to stay readable."""

ROW_COUNT: Final = 58

HEAD: Final = """\
# Faults, made for real

`make faults` makes each of these faults, runs a small suite with remotest and with pytest-xdist
while the fault lasts, and writes this page. No part of it is written by hand;
[the fault lab](fault-lab.md) explains how it works and how to add a row.

*exit*: the exit status, or **hangs** for a run that was killed after {deadline} (remotest: {own}).
*lost*: items that were collected, have no outcome in the JUnit report, and are not named as
missing. *doubled*: outcomes or runs of an item after the first. *left*: processes of the run that
are alive 10 s after its end. A dash means that the run was stopped on purpose, or that nothing was
collected.

{versions}
"""

_ROUGH: Final = (
    (re.compile(r"(ssh=[\w-]+)//[^\s:']*"), r"\1"),
    (re.compile(r"/\S*/(bin/(?:python|pypy)[\d.]*)"), r"…/\1"),
    (re.compile(r"/\S*/faultlab-[^/\s]+/[^/\s]+"), "…"),
    (re.compile(r"(127\.0\.0\.1\]?):\d+"), r"\1:PORT"),
    (re.compile(r"SHA256:\S+"), "SHA256:…"),
    (re.compile(r"0x[0-9a-f]+"), "0x…"),
    (re.compile(r"\bprocess \d+"), "process N"),
    (re.compile(r"\s+"), " "),
)
"""What differs from run to run."""

_TELLING: Final = re.compile(r"(\w*Error\b|HostNotFound|error:|crashed|AssertionError|not found)")
"""What the essential line of a program has, for whose lines no row has a pattern."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one program did with one fault, as it is kept from one call of the lab to the next.

    Attributes:
        why_not: why the fault could not be made; then nothing else counts.
        wrong: in what the program did not do what it must; always empty for the other one.
    """

    status: int | None = None
    printed: str = ""
    seconds: float = 0.0
    lost: int | None = None
    doubled: int | None = None
    left: int = 0
    wrong: tuple[str, ...] = ()
    why_not: str | None = None


def result_of(one: Fault, seen: Seen, wrong: Sequence[str]) -> Result:
    """Return what of a run is kept."""
    settled = one.is_settled and seen.account.collected > 0
    return Result(
        status=seen.status,
        printed=essential(seen.output, one.says),
        seconds=round(seen.seconds, 1),
        lost=seen.account.lost if settled else None,
        doubled=seen.account.doubled if seen.account.collected else None,
        left=len(seen.left),
        wrong=tuple(wrong),
    )


def essential(output: str, patterns: Sequence[str]) -> str:
    """Return the one line of an output that tells the most.

    Args:
        output: of a run.
        patterns: the first of them that is found names the line; where there is none it is the
            last line that tells of an error, or else the last line.
    """
    lines = [line for line in output.splitlines() if line.strip()]
    for pattern in patterns:
        for line in lines:
            if match := re.search(pattern, line):
                whole, end = _smooth(line), _smooth(line[match.start() :])
                return _cut(whole if len(whole) <= ESSENTIAL_CHARS else f"… {end}")
    ends = [line for line in lines if re.search(r" in [\d.]+s\b.* =+$", line)]
    telling = [line for line in lines if _TELLING.search(line)]
    if ends and not re.search(r"INTERNALERROR", output):
        return _cut(_smooth(ends[-1]))
    return _cut(_smooth((telling or lines or ["(nothing)"])[-1]))


def _smooth(line: str) -> str:
    for pattern, instead in _ROUGH:
        line = pattern.sub(instead, line)
    return line.strip(" =!")


def _cut(line: str) -> str:
    return line if len(line) <= ESSENTIAL_CHARS else line[: ESSENTIAL_CHARS - 1] + "…"


def render(
    faults: Sequence[Fault],
    results: Mapping[tuple[str, str], Result],
    contenders: Sequence[str],
    head: Mapping[str, Any],
) -> str:
    """Return the page.

    Args:
        faults: all rows, in their order.
        results: (contender, row) -> what it did.
        contenders: the names, ours first.
        head: what stands in braces in ``HEAD``.
    """
    columns = "".join(f" {name}: printed | exit | s | lost, doubled, left |" for name in contenders)
    lines = [
        HEAD.format(**head),
        f"| # | fault | what was done |{columns}",
        "|---|---|---|" + "---|---|---|---|" * len(contenders),
    ]
    for one in faults:
        cells = "".join(_cells(results.get((name, one.row))) for name in contenders)
        lines.append(f"| {one.row} | {_escape(one.name)} | {_escape(one.made)} |{cells}")
    return "\n".join(lines) + "\n"


def _cells(result: Result | None) -> str:
    if result is None:
        return " (not run) | | | |"
    if result.why_not is not None:
        return f" not made: {_escape(result.why_not)} | | | |"
    status = "**hangs**" if result.status is None else str(result.status)
    cells = (
        f"`{_escape(result.printed.replace('`', chr(39)))}`",
        status + (" **wrong**" if result.wrong else ""),
        f"{result.seconds:.1f}",
        ", ".join(map(_count, (result.lost, result.doubled, result.left))),
    )
    return "".join(f" {cell} |" for cell in cells)


def _count(number: int | None) -> str:
    if number is None:
        return "-"
    return f"**{number}**" if number else "0"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
