"""Hosts that do not start, or go away: the run is red, says why, and never hangs."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import interpreters
import projects
import pytest
import sshd

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

START_TIMEOUT_S: Final = 60.0

PASSING: Final = {
    "pytest.ini": "[pytest]\n",
    "test_it.py": "def test_one():\n    pass\n\ndef test_two():\n    pass\n",
}

WAITING: Final = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import os

        def pytest_runtest_logstart(nodeid):
            if "PYTEST_XDIST_WORKER" not in os.environ:
                with open(os.environ["FIFO"], "w") as stream:
                    stream.write("seen %s\\n" % nodeid)
        """,
    "test_it.py": """
        import os
        import time

        import pytest

        @pytest.mark.parametrize("number", range(10))
        def test_number(number, worker_id, request):
            if worker_id == "doomed":
                with open(os.environ["FIFO"], "w") as stream:
                    stream.write("here %s\\n" % request.node.nodeid)
                time.sleep(1000)
        """,
}


def spec(host: str, name: str = "3.9") -> str:
    return f"--tx=ssh={host}//python={interpreters.with_pytest(name)}"


def test_one_of_two_does_not_start(project: Project) -> None:
    project.write(PASSING)
    missing = "--tx=ssh=second//python=/opt/none/python"

    answer = project.pytest("--dist=each", spec("first"), missing, "--junitxml=junit.xml")

    assert answer.status == 6
    reason = "/opt/none/python is absent"
    assert f"ssh=second//python=/opt/none/python: boot failed: {reason}" in answer.output
    matrix = answer.section("environments")
    assert [line.split()[0] for line in matrix[:3]] == [
        "environment",
        "first-py39",
        "second-python",
    ]
    assert matrix[2].split()[1:] == ["absent", *["-"] * 6]
    assert matrix[3] == f"second-python did not run to its end: {reason}"
    suites = project.junit()
    assert suites["first-py39"] == {"test_it.test_one": "passed", "test_it.test_two": "passed"}
    assert suites["second-python"] == {"remotest.environment": "error"}


def test_tests_that_fail_are_told_first(project: Project) -> None:
    project.write({**PASSING, "test_bad.py": "def test_bad():\n    assert 0\n"})

    answer = project.pytest("--dist=each", spec("first"), "--tx=ssh=second//python=/opt/none")

    assert answer.status == 1
    assert "FAILED [first-py39] test_bad.py::test_bad - assert 0" in answer.lines
    assert "did not run to its end" in answer.output


@pytest.mark.parametrize("mode", ["each", "load"])
def test_none_starts(project: Project, mode: str) -> None:
    project.write(PASSING)

    answer = project.pytest(f"--dist={mode}", "--tx=2*ssh=first//python=/opt/none")

    assert answer.status == 6
    assert answer.output.count("boot failed") == 1


def test_interpreters_without_pytest_stop_the_run(project: Project, tmp_path: Path) -> None:
    project.write(PASSING)
    bare = []
    for number in (1, 2):
        directory = tmp_path / f"bare{number}"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
        bare.append(directory / "bin" / "python")

    answer = project.pytest(
        "--dist=each",
        spec("first"),
        *(f"--tx=ssh=first//python={python}" for python in bare),
    )

    assert answer.status == 6
    for python in bare:
        assert answer.output.count(f"ssh=first//python={python}: preflight failed: ") == 1
    assert "passed" not in answer.lines[-1]
    assert "worker [" not in answer.output
    assert "workers [" not in answer.output


def wait_until_both_know(handle: int, *, beginnings: int) -> None:
    """Wait until the host runs a test of the waiting suite and the controller knows that it does.

    Args:
        handle: what both are told by.
        beginnings: how often that test begins in the run until then.
    """
    told = ""
    while True:
        readable, _, _ = select.select([handle], [], [], START_TIMEOUT_S)
        assert readable, f"no test has begun: {told}"
        told += os.read(handle, select.PIPE_BUF).decode()
        here = re.search(r"^here (.*)$", told, re.MULTILINE)
        if here and told.splitlines().count(f"seen {here[1]}") >= beginnings:
            return


def lose_a_host(tmp_path: Path, *arguments: str) -> tuple[Project, projects.Answer]:
    """Run the waiting suite; cut the line to ``first`` while its worker ``doomed`` runs a test."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    project = projects.make(tmp_path / "project", {**os.environ, "FIFO": str(fifo)}, WAITING)
    python = interpreters.with_pytest("3.9")
    handle = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        with (
            sshd.running(tmp_path, name="first") as first,
            sshd.running(tmp_path, name="second") as second,
        ):
            command = [
                *("pytest", "--junitxml=junit.xml", *arguments),
                f"--tx={first.spec}//python={python}//env:FIFO//id=doomed",
                f"--tx={second.spec}//python={python}",
            ]
            with project.start(command) as process:
                wait_until_both_know(handle, beginnings=2 if "--dist=each" in arguments else 1)
                first.cut_connections()
                output, _ = process.communicate(timeout=START_TIMEOUT_S)
    finally:
        os.close(handle)
    return project, projects.Answer(status=process.returncode, output=output)


def test_a_host_is_lost_under_each(tmp_path: Path) -> None:
    project, answer = lose_a_host(tmp_path, "--dist=each")

    assert answer.status == 1
    rows = {line.split()[0]: line.split() for line in answer.section("environments")[:3]}
    assert rows["second-py39"][4:7] == ["10", "0", "0"]
    assert rows["first-py39"][4:7] == ["0", "1", "0"]
    assert "first-py39 did not run to its end: " in answer.output
    suites = project.junit()
    assert len(suites["second-py39"]) == 10
    assert suites["first-py39"]["remotest.environment"] == "error"
    missing = answer.section("tests without an outcome")
    assert len([line for line in missing if line.startswith("[first-py39] ")]) == 9


def test_what_ran_on_a_lost_host_runs_again_on_another(tmp_path: Path) -> None:
    project, answer = lose_a_host(tmp_path, "--dist=load", "--reconnect=0")

    assert answer.status == 6
    suites = project.junit()
    assert suites["first-py39"].pop("remotest.environment") == "error"
    outcomes = [outcome for tests in suites.values() for outcome in tests.values()]
    assert outcomes == ["passed"] * 10
    again = re.findall(
        r"doomed was lost while running test_it\.py::(test_number\[\d\]): it runs again elsewhere",
        answer.output,
    )
    root = ET.parse(project.directory / "junit.xml").getroot()
    moved = [
        case.get("name")
        for case in root.iter("testcase")
        for one in case.iter("property")
        if one.get("name") == "remotest_moved"
    ]
    assert len(again) == 1
    assert moved == again


def test_a_test_on_a_lost_host_has_failed_if_it_shall_not_run_again(tmp_path: Path) -> None:
    project, answer = lose_a_host(tmp_path, "--dist=load", "--no-requeue", "--reconnect=0")

    assert answer.status == 1
    suites = project.junit()
    assert suites["first-py39"].pop("remotest.environment") == "error"
    outcomes = [outcome for tests in suites.values() for outcome in tests.values()]
    assert sorted(outcomes) == ["error"] + ["passed"] * 9
    text = "worker 'doomed' was lost with its host while running 'test_it.py::test_number["
    assert text in answer.output
    assert "crashed while running" not in answer.output
    root = ET.parse(project.directory / "junit.xml").getroot()
    told = [error.get("message", "") for error in root.iter("error")]
    assert [message for message in told if text in message]
