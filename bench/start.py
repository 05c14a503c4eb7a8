"""How long it takes from the command to the first test, on SSH hosts: rows 1 and 2."""

from __future__ import annotations

import concurrent.futures
import functools
import subprocess
import time
from typing import TYPE_CHECKING, Final

from bench import hosts
from bench.contenders import OURS, PEER, PLAIN, pytest_of, python_of, run, shown
from bench.experiment import Experiment, Outcome
from bench.measure import AT_MOST, Aim, take_turns
from bench.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

    from bench.hosts import Hosts
    from bench.measure import Row, Sample, Samples

SMALL: Final = Suite(file_count=20, tests_per_file=10, is_marked=True)
HOST_COUNT: Final = 4
SLOW_S: Final = 0.05

BARE: Final = "ssh HOST python -c 'import pytest'"
"""What no tool can do without that starts after the command, by way of ssh."""

ALL_BARE: Final = f"{BARE}, the first of {HOST_COUNT} at once"
"""The same for one that starts all hosts at once, which share the CPUs of this machine."""


def commands_for(
    suite: Path, there: Hosts, host_count: int, workers_a_host: int
) -> dict[str, list[str]]:
    """Return contender -> its command; each has its own environment's python on the hosts.

    The tree travels and the workers are on ``host_count`` hosts.
    """

    def specs(python: str) -> list[str]:
        return there.specs(python, workers_a_host)[:host_count]

    return {
        PEER: pytest_of(PEER, "-d", *specs(python_of(PEER)), f"--rsyncdir={suite}", str(suite)),
        OURS: pytest_of(OURS, "-d", *specs(python_of(PLAIN)), f"--rsyncdir={suite}", str(suite)),
    }


def bare_start(there: Hosts, host_count: int) -> Sample:
    """Import pytest by ssh on some hosts at once; return the seconds until one of them has."""
    start = time.perf_counter()

    def import_on(name: str) -> float:
        command = [*there.ssh(name), python_of(PLAIN), "-c", "'import pytest'"]
        subprocess.run(command, check=True, timeout=60)
        return time.perf_counter() - start

    with concurrent.futures.ThreadPoolExecutor() as threads:
        return {"first_test_s": min(threads.map(import_on, there.names[:host_count]))}


def measured(
    folder: Path, rounds: int, round_trip_s: float, sizes: dict[str, tuple[int, int]]
) -> tuple[Samples, dict[str, str]]:
    """Run the suite with both programs, all sizes in turn.

    Args:
        folder: for suite and hosts.
        rounds: how many.
        round_trip_s: to each host.
        sizes: name -> hosts, and workers on each.
    """
    suite = folder / "suite"
    SMALL.write(suite)
    with hosts.running(folder / "hosts", HOST_COUNT, round_trip_s) as there:
        commands = {
            f"{name}{size}": command
            for size, (host_count, workers) in sizes.items()
            for name, command in commands_for(suite, there, host_count, workers).items()
        }
        samples = take_turns(
            {
                BARE: functools.partial(bare_start, there, 1),
                ALL_BARE: functools.partial(bare_start, there, HOST_COUNT),
                **{
                    name: functools.partial(run, command, suite, passed=SMALL.test_count)
                    for name, command in commands.items()
                },
            },
            rounds,
        )
    return samples, {name: shown(command) for name, command in commands.items()}


def row(
    samples: Samples,
    number: str,
    what: str,
    names: tuple[str, str],
    aim: float,
    *,
    limit: str = ALL_BARE,
) -> Row:
    ours, peer = names
    return samples.row(
        number,
        what,
        figure="first_test_s",
        unit="s",
        ours=ours,
        peer=peer,
        aim=Aim(AT_MOST, aim),
        limit=limit,
    )


def slow_line(folder: Path, rounds: int) -> Outcome:
    samples, commands = measured(folder, rounds, SLOW_S, {"": (HOST_COUNT, 2)})
    rows = [row(samples, "1", "command to first test, 8 workers", (OURS, PEER), 0.15)]
    return Outcome(rows, commands)


def fast_line(folder: Path, rounds: int) -> Outcome:
    samples, commands = measured(folder, rounds, 0.0, {"": (HOST_COUNT, 2), ", 1 worker": (1, 1)})
    one = f"{OURS}, 1 worker"
    rows = [
        row(samples, "2a", "command to first test, 8 workers", (OURS, PEER), 0.3),
        row(samples, "2b", "the same, 1 worker", (one, f"{PEER}, 1 worker"), 0.6, limit=BARE),
        row(samples, "2c", "8 workers beside 1", (OURS, one), 1.2),
    ]
    return Outcome(rows, commands)


EXPERIMENTS: Final = (
    Experiment(
        number=1,
        what=f"8 workers on {HOST_COUNT} SSH hosts, round trip 50 ms, tree in place",
        blind="a first run, which brings a tree and an environment; hosts with CPUs of their own",
        minutes=1.5,
        measure=slow_line,
    ),
    Experiment(
        number=2,
        what=f"8 workers on {HOST_COUNT} SSH hosts, 1 on one, round trip 0, tree in place",
        blind="as row 1",
        minutes=1.5,
        measure=fast_line,
    ),
)
