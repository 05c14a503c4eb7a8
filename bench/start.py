"""How long it takes from the command to the first test, on SSH hosts: rows 1 and 2."""

from __future__ import annotations

import concurrent.futures
import functools
import shlex
import subprocess
import time
from typing import TYPE_CHECKING, Final

from bench import hosts
from bench.contenders import (
    OURS,
    PEER,
    PLAIN,
    clear_marks,
    environment,
    pytest_of,
    python_of,
    read_marks,
    run,
    shown,
)
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

BY_HAND: Final = "pytest --markers, then ssh HOST pytest"
"""What no plugin of pytest can do without: pytest starts here, where `--markers` ends it before it
collects, and then there. By way of OpenSSH."""

ALL_BY_HAND: Final = f"{BY_HAND}, the first of {HOST_COUNT} at once"
"""The same on all hosts at once, which share the CPUs of this machine; a pytest on each."""


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


def by_hand(there: Hosts, host_count: int, suite: Path) -> Sample:
    """Start pytest here, and then by ssh on some hosts at once, where the suite lies already.

    Returns:
        ``first_test_s``, from the start of the first to the first test of any of the others.
    """
    clear_marks(suite)
    began = time.time()
    start = functools.partial(subprocess.run, check=True, capture_output=True, timeout=60)
    start([*pytest_of(PLAIN), "--markers"], cwd=suite, env=environment())

    def run_on(name: str) -> None:
        command = f"cd {shlex.quote(str(suite))} && {shlex.join(pytest_of(PLAIN))}"
        start([*there.ssh(name), command])

    with concurrent.futures.ThreadPoolExecutor() as threads:
        list(threads.map(run_on, there.names[:host_count]))
    return {"first_test_s": min(read_marks(suite, "first-test-*")) - began}


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
                BY_HAND: functools.partial(by_hand, there, 1, suite),
                ALL_BY_HAND: functools.partial(by_hand, there, HOST_COUNT, suite),
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
    limit: str = ALL_BY_HAND,
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
        row(samples, "2b", "the same, 1 worker", (one, f"{PEER}, 1 worker"), 0.6, limit=BY_HAND),
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
