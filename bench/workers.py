"""What workers of this machine cost: rows 4 and 9."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from bench.contenders import OURS, PEER, PLAIN, pytest_of, run, shown
from bench.experiment import Experiment, Outcome
from bench.measure import AT_MOST, Aim, take_turns
from bench.processes import Sizes, TreeMemory
from bench.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

HEAVY: Final = Suite(
    file_count=20, tests_per_file=100, is_marked=True, imports_s=1.0, class_count=8_000
)
HEAVY_WORKERS: Final = 8

FORK: Final = f"{OURS} --workers=fork"

MANY: Final = Suite(file_count=20, tests_per_file=100, is_marked=True)
MANY_WORKERS: Final = 64
FEW_WORKERS: Final = 8

FIGURES: Final = (
    # figure of a run, in words, unit, aim with forked workers, aim without
    ("first_test_s", "command to first test", "s", 0.22, 0.8),
    ("cpu_s", "CPU seconds of all processes", "s", 0.17, 0.85),
    ("pss_mb", "most memory of all processes (PSS)", "MB", 0.22, 0.9),
)


def heavy_conftest(folder: Path, rounds: int) -> Outcome:
    suite = folder / "suite"
    HEAVY.write(suite)
    workers = f"-n{HEAVY_WORKERS}"
    commands = {
        PLAIN: pytest_of(PLAIN),
        PEER: pytest_of(PEER, workers),
        FORK: pytest_of(OURS, workers, "--workers=fork"),
        OURS: pytest_of(OURS, workers),
    }
    samples = take_turns(
        {
            name: functools.partial(
                run, command, suite, passed=HEAVY.test_count, watched=TreeMemory
            )
            for name, command in commands.items()
        },
        rounds,
    )
    rows = [
        samples.row(
            f"4{letter}",
            f"{what}, {way}",
            figure=figure,
            unit=unit,
            ours=name,
            peer=PEER,
            aim=Aim(AT_MOST, forked_aim if name == FORK else aim),
            limit=PLAIN,
        )
        for letters, name, way in (
            ("abc", FORK, "forked after collection"),
            ("def", OURS, "by default"),
        )
        for letter, (figure, what, unit, forked_aim, aim) in zip(letters, FIGURES, strict=True)
    ]
    return Outcome(rows, {name: shown(command) for name, command in commands.items()})


def many_workers(folder: Path, rounds: int) -> Outcome:
    suite = folder / "suite"
    MANY.write(suite)
    few = f"{OURS} -n{FEW_WORKERS}"
    commands = {
        PEER: pytest_of(PEER, f"-n{MANY_WORKERS}"),
        OURS: pytest_of(OURS, f"-n{MANY_WORKERS}"),
        few: pytest_of(OURS, f"-n{FEW_WORKERS}"),
    }
    samples = take_turns(
        {
            name: functools.partial(run, command, suite, passed=MANY.test_count, watched=Sizes)
            for name, command in commands.items()
        },
        rounds,
        warm_ups=0,  # It takes a minute, and what it warms is warm after a second.
    )
    rows = [
        samples.row(
            "9a",
            f"command to first report, {MANY_WORKERS} workers",
            figure="first_report_s",
            unit="s",
            ours=OURS,
            peer=PEER,
            aim=Aim(AT_MOST, 0.2),
        ),
        samples.row(
            "9b",
            f"threads of the controller, {MANY_WORKERS} workers",
            figure="threads",
            unit="",
            ours=OURS,
            peer=PEER,
        ),
        samples.row(
            "9c",
            f"the same, beside {FEW_WORKERS} workers",
            figure="threads",
            unit="",
            ours=OURS,
            peer=few,
            aim=Aim(AT_MOST, 1.0),
        ),
    ]
    return Outcome(rows, {name: shown(each) for name, each in commands.items()})


EXPERIMENTS: Final = (
    Experiment(
        number=4,
        what=(
            f"-n{HEAVY_WORKERS} on this machine, a conftest that takes {HEAVY.imports_s:.0f} CPU "
            f"second, {HEAVY.test_count:,} tests"
        ),
        blind=f"a real framework: this one is {HEAVY.class_count:,} classes and a loop",
        minutes=3,
        measure=heavy_conftest,
    ),
    Experiment(
        number=9,
        what=f"{MANY_WORKERS} workers on this machine, {MANY.test_count:,} tests",
        blind="64 workers on machines that have 64 CPUs; here they wait for each other",
        minutes=6,
        measure=many_workers,
    ),
)
