"""Makes faults, one after the other, with both programs, and writes their table.

PYTHONPATH=tests python -m faultlab                     all rows, and docs/faults.md
PYTHONPATH=tests python -m faultlab --rows 1-15,34,41b  some rows, on the screen only
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import json
import platform
import re
import shutil
import signal
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
import xdistworld
from faultlab import catalogue, contenders, table
from faultlab.scene import scene
from faultlab.table import Result

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "faults.md"
KEPT: Final = ROOT / ".cache" / "faults"
"""What was seen so far: a call that is stopped, or makes some rows only, does not lose the rest."""


def main() -> int:
    arguments = _parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # Hosts and mounts are put away then.
    chosen = [one for one in catalogue.faults() if _is_chosen(one, arguments.rows)]
    programs = [contenders.REMOTEST, *([contenders.PEER] if arguments.peer else [])]
    if arguments.rows is None and not arguments.resume:
        shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    for one in chosen:
        for program in programs:
            path = _place(one.row, program)
            if not (arguments.resume and path.exists()):
                path.write_text(json.dumps(dataclasses.asdict(make(one, program))))
                print(_report(one, program, _kept(path)), flush=True)
    if arguments.rows is None or arguments.write:
        PAGE.write_text(_page())
    ours = {one.row: _place(one.row, contenders.REMOTEST) for one in chosen}
    failed = [row for row, path in ours.items() if _kept(path).wrong]
    print(f"rows that went wrong: {', '.join(failed)}" if failed else "no row went wrong")
    return 1 if failed else 0


def make(one: catalogue.Fault, program: contenders.Contender) -> Result:
    """Make one fault with one program; what that printed is kept beside the result."""
    with tempfile.TemporaryDirectory(prefix="faultlab-", ignore_cleanup_errors=True) as folder:
        try:
            with scene(Path(folder) / "scene", program) as stage:
                seen = one.stage(stage)
        except pytest.skip.Exception as reason:
            return Result(why_not=str(reason))
    _place(one.row, program).with_suffix(".txt").write_text(seen.output)
    wrong = catalogue.judge(one, seen) if program.is_remotest else []
    return table.result_of(one, seen, wrong)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="faultlab", description=__doc__)
    parser.add_argument("--rows", type=_names, help="such as 1-15,34,41b: only these; no page")
    parser.add_argument(
        "--peer",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="make them with pytest-xdist, too",
    )
    parser.add_argument("--write", action="store_true", help="write the page of all rows so far")
    parser.add_argument("--resume", action="store_true", help="leave out what was seen before")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if not re.fullmatch(r"\d+[a-z]?|\d+-\d+", name):
            raise argparse.ArgumentTypeError(f"{name} is none of 34, 34b and 1-15")
    return names


def _is_chosen(one: catalogue.Fault, rows: list[str] | None) -> bool:
    return rows is None or any(_is_named(one, name) for name in rows)


def _is_named(one: catalogue.Fault, name: str) -> bool:
    first, _, last = name.partition("-")
    if not first.isdigit():
        return one.row == name
    return int(first) <= one.number <= int(last or first)


def _place(row: str, program: contenders.Contender) -> Path:
    return KEPT / f"{program.name}-{row}.json"


def _kept(path: Path) -> Result:
    return Result(**json.loads(path.read_text()))


def _page() -> str:
    today = dt.datetime.now(tz=dt.timezone.utc).date()
    head = {
        "deadline": f"{contenders.PEER.deadline_s:.0f} s",
        "own": f"{contenders.REMOTEST.deadline_s:.0f} s",
        "versions": (
            f"Made on {today} with remotest {version('remotest')}, "
            f"{xdistworld.REAL_XDIST.replace('==', ' ')}, {xdistworld.PYTEST.replace('==', ' ')}, "
            f"Python {platform.python_version()}, {platform.system()} {platform.release()}."
        ),
    }
    rows = catalogue.faults()
    places = {
        (program.name, one.row): _place(one.row, program)
        for program in (contenders.REMOTEST, contenders.PEER)
        for one in rows
    }
    results = {key: _kept(path) for key, path in places.items() if path.exists()}
    names = (contenders.REMOTEST.name, contenders.PEER.name)
    return table.render(rows, results, names, head)


def _report(one: catalogue.Fault, program: contenders.Contender, result: Result) -> str:
    """Return what the screen says of a result."""
    name = f"{one.row:>4}  {program.name:12}"
    if result.why_not is not None:
        return f"{name}  not made: {result.why_not}"
    status = "hangs" if result.status is None else f"exit {result.status}"
    counts = f"lost {result.lost}, doubled {result.doubled}, left {result.left}"
    line = f"{name}  {status:7}  {result.seconds:5.1f} s  {counts:32}  {result.printed}"
    wrong = [f"      wrong: {what}" for what in result.wrong]
    where = _place(one.row, program).with_suffix(".txt").relative_to(ROOT)
    return "\n".join([line, *wrong, *([f"      see {where}"] if wrong else [])])


if __name__ == "__main__":
    sys.exit(main())
