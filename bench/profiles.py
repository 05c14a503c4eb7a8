"""Where the CPU time of a run goes: which part of which package, in the controller and in workers.

PYTHONPATH=tests python -m bench.profiles 3          row 3: -n2, 10,000 tests
PYTHONPATH=tests python -m bench.profiles 2          row 2: 8 workers on 4 hosts

Each Python process of the run looks at its own stacks all the time. What a thread has used since
the last look counts for the innermost frame that belongs to a known package, so json counts for
who called it. Looking costs a few percent.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import hosts, start, throughput
from bench.contenders import OURS, PEER, RUN_TIMEOUT_S, environment, pytest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN: Final = 9
"""Areas of a process that are named; the rest is one line."""

LOOKER: Final = """\
import atexit, json, os, signal, sys, time

KNOWN = ("remotest", "pytest_remotest", "_pytest", "pluggy", "execnet", "paramiko", "xdist")
LOOK_S, WRITE_S = 0.004, 0.2
spent, seen, written = {}, {}, 0.0


def area_of(frame):
    importing = False
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        importing = importing or name == "importlib._bootstrap"
        if importing:
            return "imports"
        if name.partition(".")[0] in KNOWN:
            return ".".join(name.split(".")[:2])
        frame = frame.f_back
    return "other"


def look(*_):
    global written
    for thread, frame in sys._current_frames().items():
        now = time.clock_gettime(time.pthread_getcpuclockid(thread))
        area = area_of(frame)
        spent[area] = spent.get(area, 0.0) + now - seen.get(thread, 0.0)
        seen[thread] = now
    if time.monotonic() > written + WRITE_S:
        write()


def write():
    global written
    written = time.monotonic()
    path = os.path.join(FOLDER, "%d" % os.getpid())
    with open(path + ".new", "w") as stream:
        json.dump(spent, stream)
    os.rename(path + ".new", path)


def begin():
    spent.clear()
    seen.clear()
    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, LOOK_S, LOOK_S)


def end():
    signal.setitimer(signal.ITIMER_PROF, 0)
    write()


begin()
os.register_at_fork(after_in_child=begin)
atexit.register(end)
del __file__  # Where a program of somebody runs at the start, no worker is forked.
"""
"""The sitecustomize.py of each process."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.profiles", description=__doc__)
    parser.add_argument("row", type=int, choices=sorted(RUNS))
    row = parser.parse_args().row
    for name in (PEER, OURS):
        with tempfile.TemporaryDirectory(prefix="remotest-profile-") as folder:
            place = Path(folder)
            (place / "looked").mkdir()
            (place / "site").mkdir()
            looker = LOOKER.replace("FOLDER", repr(str(place / "looked")))
            (place / "site" / "sitecustomize.py").write_text(looker)
            show(name, place / "looked", RUNS[row](place, name))


def of_two_workers(place: Path, name: str) -> int:
    suite = place / "suite"
    throughput.TRIVIAL.write(suite)
    return run(place, pytest_of(name, f"-n{throughput.WORKER_COUNT}"))


def of_hosts(place: Path, name: str) -> int:
    suite = place / "suite"
    start.SMALL.write(suite)
    variables = {"PYTHONPATH": str(place / "site")}
    with hosts.running(place / "hosts", start.HOST_COUNT, 0.0, variables) as there:
        command = start.commands_for(suite, there, start.HOST_COUNT, 2)[name]
        run(place, command)  # brings the tree
        for path in (place / "looked").iterdir():
            path.unlink()
        return run(place, command)


RUNS: Final = {2: of_hosts, 3: of_two_workers}


def run(place: Path, command: list[str]) -> int:
    """Run a command in the suite, every Python of it looking at itself; return its process id."""
    variables = {**environment(), "PYTHONPATH": str(place / "site")}
    process = subprocess.Popen(
        command, cwd=place / "suite", env=variables, stdout=subprocess.DEVNULL
    )
    assert process.wait(RUN_TIMEOUT_S) == 0
    return process.pid


def show(name: str, looked: Path, controller: int) -> None:
    """Print what the controller, the busiest other process and all others have spent on what."""
    spent = {
        int(path.name): json.loads(path.read_text())
        for path in looked.iterdir()
        if path.name.isdigit()
    }
    own = spent.pop(controller)
    busiest = spent.pop(max(spent, key=lambda pid: sum(spent[pid].values())))
    others: collections.Counter[str] = collections.Counter()
    for areas in spent.values():
        others.update(areas)
    print(f"{name}: CPU seconds")
    for title, areas in (
        ("controller", own),
        ("busiest other process", busiest),
        (f"{len(spent)} others together", others),
    ):
        packages: collections.Counter[str] = collections.Counter()
        for area, seconds in areas.items():
            packages[area.partition(".")[0]] += seconds
        print(f"  {title}: {sum(areas.values()):.2f}: {listing(packages)}")
        print(f"    {listing(areas)}")


def listing(areas: Mapping[str, float]) -> str:
    """Return those that took most, and what the rest took."""
    ranked = sorted(areas.items(), key=lambda item: -item[1])
    shown = [f"{area} {seconds:.2f}" for area, seconds in ranked[:SHOWN]]
    rest = sum(seconds for _, seconds in ranked[SHOWN:])
    return ", ".join([*shown, f"rest {rest:.2f}"])


if __name__ == "__main__":
    main()
