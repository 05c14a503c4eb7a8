"""Measures remotest beside what else there is, and writes docs/performance.md.

python -m bench                            all rows, and the page
python -m bench --rows 3,4 --rounds 5      some rows; the page from the newest of each
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import (
    contenders,
    processes,
    reports,
    scale,
    scheduling,
    start,
    sync,
    table,
    throughput,
    workers,
)
from bench.measure import NotMeasuredError, Result

if TYPE_CHECKING:
    from bench.experiment import Experiment

RESULTS: Final = contenders.KEPT / "results"
"""The newest of each row: rows can be measured apart."""

PAGE: Final = contenders.ROOT / "docs" / "performance.md"

EXPERIMENTS: Final = sorted(
    (
        one
        for subject in (start, throughput, workers, sync, scheduling, scale, reports)
        for one in subject.EXPERIMENTS
    ),
    key=lambda one: one.number,
)


def main() -> int:
    arguments = _parse()
    processes.adopt_orphans()
    RESULTS.mkdir(parents=True, exist_ok=True)
    failed: list[int] = []
    for one in EXPERIMENTS:
        if arguments.rows is None or one.number in arguments.rows:
            print(table.announcement(one, arguments.rounds), flush=True)
            try:
                result = conduct(one, arguments.rounds)
            except (NotMeasuredError, subprocess.SubprocessError) as error:
                print(f"not measured: {error}", flush=True)
                failed.append(one.number)
                continue
            _place(one).write_text(json.dumps(result.to_json(), indent=1))
            print(table.screen(result), flush=True)
    if failed:
        print(f"rows that are not measured: {failed}; the page is as it was")
        return 1
    if arguments.rows is None or arguments.write:
        kept = [(one, _place(one)) for one in EXPERIMENTS if _place(one).exists()]
        results = [(one, Result.from_json(json.loads(path.read_text()))) for one, path in kept]
        PAGE.write_text(table.renew(PAGE.read_text(), results, table.machine()))
    return 0


def conduct(one: Experiment, rounds: int) -> Result:
    """Measure one experiment, in a folder of its own."""
    versions = contenders.versions()
    start, busy_s, passed_s = time.monotonic(), *processes.machine_cpu_s()
    own_s = processes.whole_cpu_s()
    with tempfile.TemporaryDirectory(prefix=contenders.FOLDER_PREFIX) as folder:
        outcome = one.measure(Path(folder), rounds)
    processes.wait_for_orphans(but=set())
    busy_now_s, passed_now_s = processes.machine_cpu_s()
    others_s = busy_now_s - busy_s - (processes.whole_cpu_s() - own_s)
    return Result(
        row=one.number,
        made=dt.datetime.now(tz=dt.timezone.utc).isoformat(timespec="minutes"),
        rounds=rounds,
        seconds=time.monotonic() - start,
        others=max(0.0, others_s / (passed_now_s - passed_s)),
        versions=versions,
        commands=outcome.commands,
        rows=tuple(outcome.rows),
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rows", type=_numbers, help="such as 3,4: only these; no page")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the page of all rows so far")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _place(one: Experiment) -> Path:
    return RESULTS / f"row-{one.number}.json"


if __name__ == "__main__":
    sys.exit(main())
