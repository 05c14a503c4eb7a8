"""What a test costs when it does nothing: row 3."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from bench import skeleton
from bench.contenders import OURS, PEER, PLAIN, pytest_of, python_of, run, shown
from bench.experiment import Experiment, Outcome
from bench.measure import AT_LEAST, AT_MOST, Aim, Row, take_turns
from bench.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

    from bench.measure import Samples

WORKER_COUNT: Final = skeleton.WORKER_COUNT
SKELETON: Final = "a run of nothing but pytest: skeleton.py"
FORK: Final = f"{OURS} --workers=fork"
TRIVIAL: Final = Suite(file_count=100, tests_per_file=100)


def trivial_tests(folder: Path, rounds: int) -> Outcome:
    suite = folder / "suite"
    TRIVIAL.write(suite)
    commands = {
        PLAIN: pytest_of(PLAIN),
        PEER: pytest_of(PEER, f"-n{WORKER_COUNT}"),
        OURS: pytest_of(OURS, f"-n{WORKER_COUNT}"),
        FORK: pytest_of(OURS, f"-n{WORKER_COUNT}", "--workers=fork"),
        SKELETON: [python_of(PLAIN), skeleton.__file__, str(TRIVIAL.test_count)],
    }
    samples = take_turns(
        {
            name: functools.partial(run, command, suite, passed=TRIVIAL.test_count)
            for name, command in commands.items()
        },
        rounds,
    )

    rows = [
        speed_row(samples, "3a", OURS, "tests a second, the whole command"),
        cpu_row(samples, "3b", OURS, PLAIN, "CPU seconds of all processes"),
        cpu_row(samples, "3c", OURS, PEER, "the same"),
        speed_row(samples, "3d", FORK, "tests a second, forked after collection"),
        cpu_row(
            samples, "3e", FORK, PLAIN, "CPU seconds of all processes, forked after collection"
        ),
    ]
    return Outcome(rows, {name: shown(each) for name, each in commands.items()})


def speed_row(samples: Samples, number: str, ours: str, what: str) -> Row:
    """Return tests a second beside pytest-xdist's."""

    def speed(name: str) -> tuple[float, ...]:
        return tuple(TRIVIAL.test_count / wall_s for wall_s in samples.figures(name, "wall_s"))

    return Row(
        number=number,
        what=what,
        unit="tests/s",
        ours=speed(ours),
        peer=speed(PEER),
        peer_name=PEER,
        aim=Aim(AT_LEAST, 2.0),
        limit=speed(SKELETON),
        limit_name=SKELETON,
    )


def cpu_row(samples: Samples, number: str, ours: str, peer: str, what: str) -> Row:
    """Return CPU seconds; the aim is one beside plain pytest."""
    aim = Aim(AT_MOST, 1.2) if peer == PLAIN else None
    return samples.row(
        number, what, figure="cpu_s", unit="s", ours=ours, peer=peer, aim=aim, limit=SKELETON
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
