"""What a test costs when it does nothing: row 3."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from bench.contenders import OURS, PEER, PLAIN, pytest_of, run, shown
from bench.experiment import Experiment, Outcome
from bench.measure import AT_LEAST, AT_MOST, Aim, Row, take_turns
from bench.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

WORKER_COUNT: Final = 2
TRIVIAL: Final = Suite(file_count=100, tests_per_file=100)


def trivial_tests(folder: Path, rounds: int) -> Outcome:
    suite = folder / "suite"
    TRIVIAL.write(suite)
    commands = {
        PLAIN: pytest_of(PLAIN),
        PEER: pytest_of(PEER, f"-n{WORKER_COUNT}"),
        OURS: pytest_of(OURS, f"-n{WORKER_COUNT}"),
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

    speeds = Row(
        number="3a",
        what="tests a second, the whole command",
        unit="tests/s",
        ours=speed(OURS),
        peer=speed(PEER),
        peer_name=PEER,
        aim=Aim(AT_LEAST, 2.0),
        limit=tuple(WORKER_COUNT * value for value in speed(PLAIN)),
        limit_name=f"{WORKER_COUNT} x pytest",
    )
    seconds = Row(
        number="3b",
        what="CPU seconds of all processes",
        unit="s",
        ours=samples.figures(OURS, "cpu_s"),
        peer=samples.figures(PLAIN, "cpu_s"),
        peer_name=PLAIN,
        aim=Aim(AT_MOST, 1.2),
        limit=samples.figures(PLAIN, "cpu_s"),
        limit_name=PLAIN,
    )
    beside_peer = Row(
        number="3c",
        what="the same",
        unit="s",
        ours=samples.figures(OURS, "cpu_s"),
        peer=samples.figures(PEER, "cpu_s"),
        peer_name=PEER,
    )
    return Outcome(
        [speeds, seconds, beside_peer], {name: shown(each) for name, each in commands.items()}
    )


EXPERIMENTS: Final = (
    Experiment(
        number=3,
        what=f"-n{WORKER_COUNT} on this machine, {TRIVIAL.test_count:,} tests that do nothing",
        blind="tests that print, fail or take time; fixtures; a real suite spends its time there",
        minutes=3.5,
        measure=trivial_tests,
    ),
)
