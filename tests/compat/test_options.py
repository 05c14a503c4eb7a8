"""Options of pytest-xdist: what they mean, and which are refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import projects
import pytest

from pytest_remotest.cpus import said_counts
from pytest_remotest.options import duration_s

if TYPE_CHECKING:
    from pathlib import Path

OWN = "PYTEST_XDIST_AUTO_NUM_WORKERS"
PYTHONS = "PYTHON_CPU_COUNT"


@pytest.mark.parametrize(
    ("variables", "x_options", "expected"),
    [
        ({}, {}, []),
        ({OWN: "3", PYTHONS: "5"}, {"cpu_count": "4"}, [3, 4, 5]),
        ({PYTHONS: "5"}, {"cpu_count": "4"}, [4, 5]),
        ({PYTHONS: "default"}, {"cpu_count": "default"}, []),
        ({OWN: "", PYTHONS: "5"}, {}, [5]),
    ],
)
def test_what_the_user_says_of_cpus_counts_in_this_order(
    variables: dict[str, str], x_options: dict[str, str], expected: list[int]
) -> None:
    assert list(said_counts(variables, x_options)) == expected


def test_a_count_that_is_no_number_is_passed_over_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="PYTEST_XDIST_AUTO_NUM_WORKERS is not a number: 'many'"):
        assert list(said_counts({OWN: "many", PYTHONS: "5"}, {})) == [5]


def make(tmp_path: Path, conftest: str = "") -> projects.Project:
    tests = """
        import os

        def test_it():
            assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == os.environ["EXPECTED"]
        """
    files = {"conftest.py": conftest, "test_it.py": tests}
    return projects.make(tmp_path / "project", os.environ, files)


@pytest.mark.parametrize(
    ("arguments", "conftest", "expected"),
    [
        (["-n", "auto"], "", "3"),
        (["-n", "logical"], "", "3"),
        (["-n", "auto", "--maxprocesses=2"], "", "2"),
        (["-n", "auto"], "def pytest_xdist_auto_num_workers(config): return 1", "1"),
        (["-n", "auto"], "def pytest_xdist_auto_num_workers(config): return None", "3"),
    ],
)
def test_auto_is_what_a_hook_or_the_user_says(
    tmp_path: Path, arguments: list[str], conftest: str, expected: str
) -> None:
    project = make(tmp_path, conftest).with_variables({OWN: "3", "EXPECTED": expected})
    answer = project.pytest(*arguments)
    assert answer.status == 0, answer.output


@pytest.mark.parametrize("name", ["-f", "--looponfail"])
def test_looponfail_is_refused_with_what_to_use(tmp_path: Path, name: str) -> None:
    answer = make(tmp_path).pytest(name)
    assert answer.status == 4
    assert "Try pytest-watcher" in answer.output


def test_looponfailroots_in_a_config_file_does_no_harm(tmp_path: Path) -> None:
    project = make(tmp_path).with_variables({"EXPECTED": "1"})
    project.write({"pytest.ini": "[pytest]\nlooponfailroots = src\n"})
    answer = project.pytest("-n1", "--strict-config")
    assert answer.status == 0, answer.output


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("1.5", 1.5), ("10s", 10), ("5m", 300), ("1h", 3600)]
)
def test_durations(text: str, expected: float) -> None:
    assert duration_s(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1", "inf", "nan", "1d", "1 h 2"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        duration_s(text)


def test_ramp_spreads_the_first_tests_of_workers(tmp_path: Path) -> None:
    conftest = """
        def pytest_testnodeready(node):
            print("delay", node.gateway.id, node.workerinput["rampdelay"])
        """
    project = make(tmp_path, conftest).with_variables({"EXPECTED": "2"})
    answer = project.pytest("-n2", "--ramp=0.2s", "-s")
    assert answer.status == 0, answer.output
    assert sorted(line for line in answer.lines if line.startswith("delay")) == [
        "delay gw0 0.0",
        "delay gw1 0.1",
    ]
