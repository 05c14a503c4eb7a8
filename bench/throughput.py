"""What a test costs when it does nothing: row 3."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Final

from bench.contenders import OURS, PEER, PLAIN, Suite, pytest_of, run, shown
from bench.experiment import Experiment, Outcome
from bench.measure import AT_LEAST, AT_MOST, Aim, take_turns

if TYPE_CHECKING:
    from pathlib import Path

TRIVIAL: Final = Suite(file_count=100, tests_per_file=100)


def trivial_tests(folder: Path, rounds: int) -> Outcome:
    suite = folder / "suite"
    TRIVIAL.write(suite)
    commands = {
        PLAIN: pytest_of(PLAIN),
        PEER: pytest_of(PEER, "-n2"),
        OURS: pytest_of(OURS, "-n2"),
    }
    samples = take_turns(
        {
            name: functools.partial(run, command, suite, passed=TRIVIAL.test_count)
            for name, command in commands.items()
        },
        rounds,
    )

    def speed(name: str) -> tuple[float, ...]:
        return tuple(TRIVIAL.test_count / wall_s for wall_s in samples.figures(name, "wall_s"))

    cpus = min(2, os.cpu_count() or 1)
    rows = [
        {
            "what": "tests a second, the whole command",
            "unit": "tests/s",
            "ours": speed(OURS),
            "peer": speed(PEER),
            "peer_name": PEER,
            "aim": Aim(AT_LEAST, 2.0),
            "limit": tuple(cpus * value for value in speed(PLAIN)),
            "limit_name": f"{cpus} x pytest alone",
        },
        {
            "what": "CPU seconds of all processes",
            "unit": "s",
            "ours": samples.figures(OURS, "cpu_s"),
            "peer": samples.figures(PLAIN, "cpu_s"),
            "peer_name": PLAIN,
            "aim": Aim(AT_MOST, 1.2),
            "limit": samples.figures(PLAIN, "cpu_s"),
            "limit_name": "pytest alone",
        },
        {
            "what": "the same beside pytest-xdist",
            "unit": "s",
            "ours": samples.figures(OURS, "cpu_s"),
            "peer": samples.figures(PEER, "cpu_s"),
            "peer_name": PEER,
        },
    ]
    return Outcome(rows, {name: shown(command) for name, command in commands.items()})


EXPERIMENTS: Final = (
    Experiment(
        number=3,
        what=f"-n2 on this machine, {TRIVIAL.test_count:,} tests that do nothing",
        blind="tests that print, fail or take time; fixtures; a real suite spends its time there",
        minutes=3.5,
        measure=trivial_tests,
    ),
)
