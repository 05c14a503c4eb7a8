"""Results as lines on the screen and as the generated part of docs/performance.md."""

from __future__ import annotations

import os
import platform
import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.experiment import Experiment
    from bench.measure import Aim, Result, Row, Spread

BEGIN: Final = "<!-- generated: make bench -->"
END: Final = "<!-- end of what is generated -->"

QUIET: Final = 0.1
"""Of the machine's CPU time: where others used more, a figure is marked as provisional."""

HEAD: Final = (
    "| # | what | remotest | beside | | ratio (in single rounds) | aim | reached | limit |\n"
    "|---|---|---|---|---|---|---|---|---|"
)

EMPTY_CELLS: Final = 7
"""Of a line that names an experiment: all but two."""


def announcement(one: Experiment, rounds: int) -> str:
    """Return what a terminal shows before an experiment."""
    minutes = one.minutes * rounds / 5
    return f"{one.number}. {one.what} (about {minutes:.1f} minutes, where nobody else works)"


def screen(result: Result) -> str:
    """Return the rows of an experiment for a terminal."""
    return "\n".join(
        f"  {row.number:3} {row.what:44} {_value(row.ours):>8} {row.unit:8} {row.peer_name} "
        f"{_value(row.peer)}, ratio {_ratio(row)}; aim {_aim(row)}: {_reached(row)}; "
        f"limit {_limit(row)}"
        for row in result.rows
    )


def renew(page: str, results: Sequence[tuple[Experiment, Result]], machine: str) -> str:
    """Return the page with its generated part replaced; the rest is written by hand."""
    generated = f"{BEGIN}\n\n{_generated(results, machine)}\n\n{END}"
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return pattern.sub(lambda _: generated, page)


def _generated(results: Sequence[tuple[Experiment, Result]], machine: str) -> str:
    found: dict[str, list[str]] = {}
    for _, result in results:
        for name, version in result.versions.items():
            if version not in found.setdefault(name, []):
                found[name].append(version)
    versions = ", ".join(f"{name} {' and '.join(found[name])}" for name in found)
    lines = [f"{machine}; {versions}.", "", HEAD]
    for one, result in results:
        lines.append(f"| **{one.number}** | **{one.what}** |" + " |" * EMPTY_CELLS)
        lines += [_line(row) for row in result.rows]
    for one, result in results:
        lines += ["", f"### {one.number}. {one.what}", "", *_section(one, result)]
    return "\n".join(lines)


def _section(one: Experiment, result: Result) -> list[str]:
    repeat = f'make bench ARGS="--rows {one.number} --rounds {result.rounds}"'
    provisional = (
        f"**Provisional**: others used {result.others:.0%} of this machine meanwhile. "
        if result.others > QUIET
        else ""
    )
    commands = [f"{name + ':':14} {command}" for name, command in result.commands.items()]
    return [
        f"{provisional}{_effort(result)}. Again: `{repeat}`. Not shown: {one.blind}.",
        "",
        "```text",
        *commands,
        "```",
    ]


def _effort(result: Result) -> str:
    when = result.made.replace("T", " ").replace("+00:00", " UTC")
    return f"{when}, {result.rounds} rounds in {result.seconds / 60:.1f} minutes"


def _line(row: Row) -> str:
    cells = (
        row.number,
        row.what,
        f"{_value(row.ours)} {row.unit}".strip(),
        row.peer_name,
        f"{_value(row.peer)} {row.unit}".strip(),
        _ratio(row),
        _aim(row),
        _reached(row),
        _limit(row),
    )
    return "|" + "".join(f" {cell} |" for cell in cells)


def _reached(row: Row) -> str:
    return {None: "-", True: "yes", False: "no"}[row.is_met]


def _value(values: Sequence[float]) -> str:
    return number(statistics.median(values))


def _ratio(row: Row) -> str:
    ratio: Spread = row.ratio
    return f"{ratio.median:.2f} ({ratio.lowest:.2f}..{ratio.highest:.2f})"


def _aim(row: Row) -> str:
    if row.aim is None:
        return "-"
    aim: Aim = row.aim
    value = f"{number(aim.value)} {row.unit}".strip() if aim.is_absolute else f"{aim.value:.2f}"
    return f"{aim.sense} {value}"


def _limit(row: Row) -> str:
    if not row.limit:
        return "-"
    return f"{number(statistics.median(row.limit))} {row.unit} ({row.limit_name})".replace(
        "  ", " "
    )


def number(value: float) -> str:
    """Return a figure with three digits that count, and thousands apart."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2  # noqa: PLR2004  digits
    return f"{value:,.{digits}f}"


def machine() -> str:
    """Return what this machine is."""
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.+)$", info, re.MULTILINE)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{os.cpu_count()} CPUs ({model.group(1) if model else platform.machine()}), "
        f"{memory_gb:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )
