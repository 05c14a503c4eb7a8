"""A JUnit file with a suite for each environment, written by a real pytest run here."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import projects
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {
        "pytest.ini": "[pytest]\njunit_suite_name = mine\n",
        "test_it.py": """
            def test_of_one(worker_id, record_property):
                record_property("who", worker_id)
                print("hello from", worker_id)
                assert worker_id == "one"
            """,
    }
    return projects.make(tmp_path / "project", os.environ, files)


def test_suites_in_the_order_of_declaration(project: Project) -> None:
    answer = project.pytest(
        *("--dist=each", "--tx=popen//id=one", "--tx=popen//id=two"),
        *("--tx=popen//python=none//id=three", "--junitxml=junit.xml"),
    )

    assert answer.status == 1
    here = "local-py{}{}".format(*sys.version_info)
    assert list(project.junit()) == [here, f"{here}#2", "local-none"]
    assert list(project.junit().values()) == [
        {"test_it.test_of_one": "passed"},
        {"test_it.test_of_one": "failure"},
        {"remotest.environment": "error"},
    ]
    root = ET.parse(project.directory / "junit.xml").getroot()
    one, two, three = root.findall("testsuite")
    counts = ("tests", "failures", "errors", "skipped")
    assert [[suite.get(name) for name in counts] for suite in (one, two, three)] == [
        ["1", "0", "0", "0"],
        ["1", "1", "0", "0"],
        ["1", "0", "1", "0"],
    ]
    facts = {p.get("name"): p.get("value") for p in three.iter("property")}
    assert facts == {
        "environment.host": "local",
        "environment.spec": "popen//python=none",
        "environment.interpreter": "absent",
    }
    assert [p.get("value") for p in one.findall("testcase/properties/property")] == ["one"]


def test_one_environment_is_left_to_pytest(project: Project) -> None:
    project.pytest("-n1", "--junitxml=junit.xml")

    assert project.junit() == {"mine": {"test_it.test_of_one": "failure"}}


def test_one_environment_that_did_not_run_to_its_end_is_no_green_file(project: Project) -> None:
    answer = project.pytest("-d", "--tx=popen//python=none", "--junitxml=junit.xml")

    assert answer.status == 6
    assert project.junit() == {"mine": {"remotest.environment": "error"}}


def test_a_host_that_the_user_can_do_without_is_no_error(project: Project) -> None:
    answer = project.pytest(
        *("-d", "--tx=popen//id=one", "--tx=socket=127.0.0.1:1", "--min-hosts=1"),
        "--junitxml=junit.xml",
    )

    here = "local-py{}{}".format(*sys.version_info)
    assert answer.status == 0, answer.output
    assert "127.0.0.1:1 did not run to its end: connection refused; tried 4 times" in answer.output
    assert project.junit() == {
        here: {"test_it.test_of_one": "passed"},
        "127.0.0.1:1": {},
    }
