"""Plugins of others, each with ``-n2``, end as with pytest-xdist and do what they are for.

docs/reference/plugins.md lists them; it is checked against the list here.
"""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Final

import pytest
import xdistworld
from plugincases import FLAKY, PLUGINS, SUITE

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

TESTED_APART: Final = (
    "pytest-cov==7.1.0",
    "pytest-html==4.2.0",
    "pytest-json-report==1.5.0",
    "pytest-metadata==3.1.1",
    "pytest-rerunfailures==16.7",
)


LEANING: Final = (
    *("hypothesis", "pytest-benchmark", "pytest-randomly", "pytest-shared-session-scope"),
    *("syrupy", "xdist-scheduling-exclusive"),
)
"""One for each way in which plugins lean on a run of workers. All would take minutes (-m slow)."""


def make(tmp_path: Path, *requirements: str, files: dict[str, str] | None = None) -> Project:
    written = {**SUITE, **(files or {})}
    return xdistworld.project(tmp_path / "project", written, *requirements)


@pytest.mark.parametrize(
    "requirement",
    [
        pytest.param(name, marks=() if name.partition("==")[0] in LEANING else pytest.mark.slow)
        for name in PLUGINS
    ],
)
def test_outcomes_are_those_of_the_suite(tmp_path: Path, requirement: str) -> None:
    arguments, files, expected = PLUGINS[requirement]
    answer = make(tmp_path, *requirement.split(), files=files).pytest("-n2", *arguments.split())
    assert answer.status == 1, answer.output
    assert "INTERNALERROR" not in answer.output
    plain = re.sub(r"\x1b\[[0-9;]*m", "", answer.output)
    assert re.search(rf"(?m)^=* ?{re.escape(expected)} in ", plain), answer.output


def test_the_page_lists_what_is_tested() -> None:
    page = (xdistworld.ROOT / "docs" / "reference" / "plugins.md").read_text()
    tried, _, _ = page.partition("## On ssh hosts")
    rows = re.findall(r"(?m)^\| ([a-z-]+) ([0-9.]+) \|", tried)
    tested = [name.split()[0] for name in (*PLUGINS, *TESTED_APART)]
    assert sorted(f"{name}=={version}" for name, version in rows) == sorted(tested)


def test_coverage_of_all_workers_is_combined(tmp_path: Path) -> None:
    project = make(tmp_path, "pytest-cov==7.1.0")
    options = ("--cov=mod", "--cov-branch", "--cov-context=test", "--cov-report=json")
    project.pytest("-n2", *options)
    (project.directory / "plain").mkdir()
    found = json.loads((project.directory / "coverage.json").read_text())["files"]["mod.py"]
    project.pytest(*options)
    alone = json.loads((project.directory / "coverage.json").read_text())["files"]["mod.py"]
    parts = ("executed_lines", "missing_lines", "executed_branches", "missing_branches", "summary")
    assert {part: found[part] for part in parts} == {part: alone[part] for part in parts}
    assert found["summary"]["percent_covered"] == 100.0


def test_coverage_of_a_killed_worker_loses_only_its_own(tmp_path: Path) -> None:
    crash = "import os\ndef test_crash():\n    os._exit(3)\n"
    project = make(tmp_path, "pytest-cov==7.1.0", files={"test_crash.py": crash})
    answer = project.pytest("-n2", "--cov=mod", "--cov-report=term")
    assert answer.status == 1
    assert "2 failed, 6 passed" in answer.lines[-1]
    assert any(line.startswith("TOTAL") for line in answer.lines), answer.output


def test_reports_of_html_json_and_metadata(tmp_path: Path) -> None:
    project = make(
        tmp_path, "pytest-html==4.2.0", "pytest-json-report==1.5.0", "pytest-metadata==3.1.1"
    )
    answer = project.pytest("-n2", "--html=report.html", "--json-report")
    assert answer.status == 1, answer.output
    html = (project.directory / "report.html").read_text()
    assert re.findall(r"(\d+) (Failed|Passed|Skipped|Errors),?", html)[:2] == [
        ("1", "Failed"),
        ("6", "Passed"),
    ]
    report = json.loads((project.directory / ".report.json").read_text())
    assert report["summary"] == {
        "passed": 6,
        "failed": 1,
        "skipped": 1,
        "xfailed": 1,
        "error": 1,
        "total": 10,
        "collected": 10,
    }
    blob = re.search(r'data-jsonblob="([^"]*)"', html)
    assert blob is not None
    environment = json.loads(unescape(blob[1]))["environment"]
    assert {"Python", "Platform", "Packages", "Plugins"} <= set(environment)


def test_failures_and_crashes_are_run_again(tmp_path: Path) -> None:
    """It asks for the metadata of pytest-xdist and for its hooks, before remotest is loaded."""
    plugin = "pytest-rerunfailures==16.7"
    project = xdistworld.project(tmp_path / "project", {"test_it.py": FLAKY}, plugin)
    answer = project.pytest("-n2", "--reruns=3")
    assert answer.status == 0, answer.output
    assert "2 passed, 3 rerun in" in answer.lines[-1]
