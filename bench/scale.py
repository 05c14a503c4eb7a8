"""What many tests cost: row 10."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from bench.contenders import OURS, PEER, pytest_of, run, shown
from bench.experiment import Experiment, Outcome
from bench.measure import AT_MOST, Aim, take_turns
from bench.processes import Sizes
from bench.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

LARGE: Final = Suite(file_count=500, tests_per_file=100)
WORKER_COUNT: Final = 2


def many_tests(folder: Path, rounds: int) -> Outcome:
    suite = folder / "suite"
    LARGE.write(suite)
    commands = {name: pytest_of(name, f"-n{WORKER_COUNT}") for name in (PEER, OURS)}
    samples = take_turns(
        {
            name: functools.partial(run, command, suite, passed=LARGE.test_count, watched=Sizes)
            for name, command in commands.items()
        },
        rounds,
        warm_ups=0,  # It takes a minute, and memory does not depend on what is warm.
    )
    rows = [
        samples.row(
            number,
            f"most memory (RSS) of {whose}",
            figure=figure,
            unit="MB",
            ours=OURS,
            peer=PEER,
            aim=Aim(AT_MOST, 0.8),
        )
        for number, figure, whose in (
            ("10a", "own_mb", "the controller"),
            ("10b", "other_mb", "the largest other process"),
        )
    ]
    return Outcome(rows, {name: shown(command) for name, command in commands.items()})


EXPERIMENTS: Final = (
    Experiment(
        number=10,
        what=f"{LARGE.test_count:,} tests, -n{WORKER_COUNT} on this machine",
        blind="tests with long names or reports; RSS counts pages that processes share for each",
        minutes=8,
        measure=many_tests,
    ),
)
