"""Suites of large packages that use ``-n`` in their own CI end the same with and without it."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import distributions
import pytest
import twinruns
import xdistworld

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

RUN_TIMEOUT_S: Final = 600
"""A busy machine may take ten times as long as an idle one."""

OF_A_PROCESS: Final = ("deselected", "warning", "warnings")
"""Numbers that depend on how many processes collect: with workers, nobody collects here."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A part of a package's own suite.

    ``dist`` are the options of its own CI beside ``-n``, ``least`` how many tests it has at least.
    """

    package: str
    needs: tuple[str, ...] = ()
    dist: tuple[str, ...] = ()
    arguments: tuple[str, ...]
    least: int


SUITES: Final = (
    Suite(
        package="attrs==25.3.0",
        needs=("hypothesis==6.148.0", "cloudpickle==3.1.1"),
        dist=("--dist=loadfile",),
        arguments=("tests",),
        least=1000,
    ),
    Suite(
        package="sphinx==8.2.3",
        needs=("defusedxml==0.7.1",),
        dist=("--dist=worksteal",),
        arguments=(
            "tests/test_domains",
            "tests/test_markup",
            "tests/test_util",
            "tests/test_pycode",
        ),
        least=500,
    ),
    Suite(
        package="sympy==1.14.0",
        needs=("hypothesis==6.148.0",),
        arguments=("sympy/core",),
        least=1000,
    ),
)

WAYS: Final[dict[str, tuple[tuple[str, ...], bool]]] = {
    "plain": ((), False),
    "pytest-xdist": ((xdistworld.REAL_XDIST,), False),
    "remotest": ((), True),
}
"""What is installed beside pytest, and whether remotest is."""


def run(project: Project, *arguments: str) -> tuple[int, dict[str, int], Counter[str]]:
    """Run a suite; return its status, its counts, and how often each report of a test came."""
    notes = project.directory / "notes-of-observer"
    notes.touch()
    answer = project.with_variables(
        {
            "PYTHONPATH": str(twinruns.DATA),
            "PYTEST_PLUGINS": "observer",
            "OBSERVER_NOTES": str(notes),
            "PYTHONHASHSEED": "0",  # Where the order of a set is part of a test's id.
        }
    ).type_command(["pytest", "-q", *arguments], timeout_s=RUN_TIMEOUT_S)
    print(answer.lines[-1])  # noqa: T201  the counts, for who asks with -rP
    found = re.findall(r"(\d+) ([a-z]+)", answer.lines[-1].partition(" in ")[0])
    counts = {word: int(number) for number, word in found if word not in OF_A_PROCESS}
    rows = map(json.loads, notes.read_text().splitlines())
    reports = Counter(json.dumps(row[1:4]) for row in rows if row[0] == "report")
    assert reports, answer.output
    return answer.status, counts, reports


@pytest.mark.slow
@pytest.mark.timeout(4 * RUN_TIMEOUT_S)
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.package)
def test_a_suite_ends_as_without_workers_and_as_with_those_of_pytest_xdist(
    tmp_path: Path, suite: Suite
) -> None:
    ends = {}
    for way, (beside, with_remotest) in WAYS.items():
        requirements = (suite.package, *suite.needs, *beside)
        project = xdistworld.project(tmp_path / way, {}, *requirements, with_remotest=with_remotest)
        shutil.copytree(
            distributions.source_of(suite.package), project.directory, dirs_exist_ok=True
        )
        options = () if way == "plain" else ("-n2", *suite.dist)
        ends[way] = run(project, *options, *suite.arguments)
    status, counts, reports = ends["plain"]
    assert len(reports) >= 3 * suite.least  # One for each phase.
    for way in ("pytest-xdist", "remotest"):
        assert ends[way][2] - reports == Counter(), way
        assert reports - ends[way][2] == Counter(), way
        assert ends[way][:2] == (status, counts), way
