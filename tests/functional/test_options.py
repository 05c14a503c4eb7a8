"""Which options distribute, which do not, and which contradict each other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import projects
import pytest

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "test_a.py": """
        import os, pytest
        @pytest.fixture
        def a_fixture(): "What it is."
        def test_a(a_fixture, worker_id):
            assert worker_id == os.environ.get("PYTEST_XDIST_WORKER", "master")
    """,
    "conftest.py": """
        def pytest_testnodeready(node):
            print("ready:", node.gateway.id)
    """,
}


@pytest.fixture
def project(tmp_path: Path) -> projects.Project:
    return projects.make(tmp_path / "project", os.environ, FILES)


def worker_count(answer: projects.Answer) -> int:
    return answer.output.count("ready: gw")


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ("", 0),
        ("-n2", 2),
        ("-n 2 --dist=load", 2),
        ("-d --tx popen", 1),
        ("--dist=each --tx popen --tx popen", 2),
        ("-n0 -d --tx popen", 0),
        ("-n0 --pdb", 0),
        ("-nauto --pdb", 0),
        ("--dist=load", 0),
        ("--tx popen", 0),
    ],
)
def test_who_runs_the_tests(project: projects.Project, arguments: str, count: int) -> None:
    answer = project.pytest("-s", *arguments.split())
    assert (answer.status, worker_count(answer)) == (0, count), answer.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--collect-only -q", "test_a.py::test_a"),
        ("--fixtures", "a_fixture -- test_a.py:"),
        ("--fixtures-per-test", "fixtures used by test_a"),
        ("--markers", "@pytest.mark.xdist_group"),
        ("--setup-plan", "SETUP    F a_fixture"),
        ("--setup-only", "SETUP    F a_fixture"),
        ("--cache-show", "cachedir:"),
        ("--version", "pytest "),
        ("--help", "--max-worker-restart"),
    ],
)
def test_what_only_shows_something_starts_no_worker(
    project: projects.Project, arguments: str, words: str
) -> None:
    project.write({"pytest.ini": "[pytest]\naddopts = -d --tx popen//python=/no/such/python\n"})
    answer = project.pytest(*arguments.split())
    assert (answer.status, worker_count(answer)) == (0, 0), answer.output
    assert words in answer.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "-n2 --tx popen",
            "--tx popen names others: use one of them. For both write --tx 2*popen --tx popen",
        ),
        ("-n-1", "-n -1: a run cannot have fewer than 0 workers"),
        ("-n2 --pdb", "--pdb needs the test in this process"),
        ("-d --tx popen --pdb", "Try -n0, which runs the tests here."),
        ("-n many", "-n/--numprocesses: 'many' is no number of workers: write 4, auto or logical"),
        ("-n2 --ramp=soon", "argument --ramp: 'soon' is no duration: write 90, 90s, 10m or 1h"),
    ],
)
def test_what_cannot_be_is_refused(project: projects.Project, arguments: str, words: str) -> None:
    answer = project.pytest(*arguments.split())
    assert answer.status == 4
    assert words in answer.output
    assert "Traceback" not in answer.output
