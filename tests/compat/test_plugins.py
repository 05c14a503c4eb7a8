"""Plugins of others, each with ``-n2``, end as with pytest-xdist and do what they are for.

docs/reference/plugins.md lists them; it is checked against the list here.
"""

from __future__ import annotations

import json
import re
import textwrap
from html import unescape
from typing import TYPE_CHECKING, Final

import pytest
import xdistworld

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

SUITE: Final = {
    "mod.py": """
        def sign(number):
            if number < 0:
                return -1
            return 1
        """,
    "test_mix.py": """
        import pytest, mod

        @pytest.mark.parametrize("number", range(6))
        def test_passes(number):
            assert mod.sign(number) == 1

        def test_fails():
            assert mod.sign(-5) == 1

        @pytest.mark.skip(reason="not now")
        def test_skipped():
            pass

        @pytest.mark.xfail
        def test_xfails():
            assert 0

        @pytest.fixture
        def broken():
            raise ValueError("broken")

        def test_error(broken):
            pass
        """,
}
COUNTS: Final = "1 failed, 6 passed, 1 skipped, 1 xfailed, 1 error"
COUNTS_MORE: Final = "1 failed, 7 passed, 1 skipped, 1 xfailed, 1 error"

DJANGO: Final = {
    "settings.py": """
        SECRET_KEY = "x"
        DATABASES = {"default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": "db", "TEST": {"NAME": "test"},
        }}
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
        USE_TZ = True
        """,
    "pytest.ini": """
        [pytest]
        pythonpath = .
        """,
    "test_more.py": """
        import pytest

        @pytest.mark.django_db
        def test_database_of_its_own(worker_id):
            from django.db import connection
            from django.contrib.auth.models import User
            User.objects.create(username="a")
            assert worker_id in str(connection.settings_dict["NAME"])
        """,
}


def more(body: str) -> dict[str, str]:
    return {"test_more.py": body}


BDD: Final = {
    "it.feature": """
        Feature: It
            Scenario: It works
                Given a thing
                Then it works
        """,
    "test_more.py": """
        from pytest_bdd import given, scenarios, then

        scenarios("it.feature")

        @given("a thing")
        def a_thing():
            pass

        @then("it works")
        def it_works():
            pass
        """,
}

EXCLUSIVE: Final = {
    "tests/resources/exclusive_tests.txt": "test_mix.py::test_fails\n",
    "conftest.py": """
        from xdist_scheduling_exclusive import ExclusiveLoadScopeScheduling

        def pytest_xdist_make_scheduler(config, log):
            return ExclusiveLoadScopeScheduling(config, log)
        """,
}

PLUGINS: Final[dict[str, tuple[str, dict[str, str], str]]] = {
    "allure-pytest==2.16.2": ("--alluredir=results", {}, COUNTS),
    "anyio==4.16.0": (
        "",
        more("import pytest\n@pytest.mark.anyio\nasync def test_it():\n    pass\n"),
        COUNTS_MORE,
    ),
    "hypothesis==6.170.15": (
        "",
        more(
            "from hypothesis import given, strategies\n"
            "@given(strategies.integers())\ndef test_it(number):\n    pass\n"
        ),
        COUNTS_MORE,
    ),
    "pytest-asyncio==1.5.0": (
        "",
        more("import pytest\n@pytest.mark.asyncio\nasync def test_it():\n    pass\n"),
        COUNTS_MORE,
    ),
    "pytest-bdd==9.0.1": ("", BDD, COUNTS_MORE),
    "pytest-benchmark==5.3.1": (
        "",
        more("def test_it(benchmark):\n    benchmark(int)\n"),
        COUNTS_MORE,
    ),
    "pytest-check==3.0.3": (
        "",
        more("def test_it(check):\n    check.equal(1, 1)\n"),
        COUNTS_MORE,
    ),
    "pytest-django==4.14.0 django==5.2.19": ("--ds=settings", DJANGO, COUNTS_MORE),
    "pytest-instafail==0.5.0": ("--instafail", {}, COUNTS),
    "pytest-mock==3.17.0": (
        "",
        more("def test_it(mocker):\n    mocker.patch('os.getcwd')\n"),
        COUNTS_MORE,
    ),
    "pytest-order==1.5.0": ("", {}, COUNTS),
    "pytest-progress==1.4.0": ("", {}, COUNTS),
    "pytest-random-order==1.2.0": ("--random-order", {}, COUNTS),
    "pytest-randomly==5.1.0": ("", {}, COUNTS),
    "pytest-repeat==0.9.4": (
        "--count=2",
        {},
        "2 failed, 12 passed, 2 skipped, 2 xfailed, 2 errors",
    ),
    "pytest-reportlog==1.0.0": ("--report-log=log", {}, COUNTS),
    "pytest-retry==1.7.0": (
        "--retries=1",
        {},
        "1 failed, 6 passed, 1 skipped, 1 xfailed, 1 error, 1 retried",
    ),
    "pytest-shared-session-scope==0.5.1": ("", {}, COUNTS),
    "pytest-smoke==0.11.0": (
        "--smoke=2",
        {},
        "1 failed, 2 passed, 1 skipped, 4 deselected, 1 xfailed, 1 error",
    ),
    "pytest-split==0.11.0": ("--splits=1 --group=1", {}, COUNTS),
    "pytest-subtests==0.15.0": ("", {}, COUNTS),
    "pytest-sugar==1.1.1": ("", {}, COUNTS),
    "pytest-timeout==2.4.0": ("--timeout=60", {}, COUNTS),
    "pytest-unused-fixtures==0.3.1": ("", {}, COUNTS),
    "syrupy==7.0.2": (
        "--snapshot-update",
        more("def test_it(snapshot):\n    assert {'a': 1} == snapshot\n"),
        COUNTS_MORE,
    ),
    "xdist-scheduling-exclusive==1.2.0": ("", EXCLUSIVE, COUNTS),
}
"""Requirements -> arguments, files beside the suite, and what the last line says."""

TESTED_APART: Final = (
    "pytest-cov==7.1.0",
    "pytest-html==4.2.0",
    "pytest-json-report==1.5.0",
    "pytest-metadata==3.1.1",
    "pytest-rerunfailures==16.7",
)


LEANING: Final = (
    *("allure-pytest", "anyio", "hypothesis", "pytest-benchmark", "pytest-django"),
    *("pytest-randomly", "pytest-retry", "pytest-shared-session-scope", "pytest-sugar", "syrupy"),
    "xdist-scheduling-exclusive",
)
"""Those that lean on what a run of workers offers. The others would take minutes (-m slow)."""


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
    tried, _, _ = page.partition("## What cannot work")
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


FLAKY: Final = textwrap.dedent("""
    import os, pathlib

    def test_flaky():
        tries = pathlib.Path("tries")
        count = len(tries.read_text()) if tries.exists() else 0
        tries.write_text("x" * (count + 1))
        assert count == 2

    def test_crashes_once():
        seen = pathlib.Path("seen")
        if not seen.exists():
            seen.touch()
            os._exit(3)
    """)


def test_failures_and_crashes_are_run_again(tmp_path: Path) -> None:
    """It asks for the metadata of pytest-xdist and for its hooks, before remotest is loaded."""
    plugin = "pytest-rerunfailures==16.7"
    project = xdistworld.project(tmp_path / "project", {"test_it.py": FLAKY}, plugin)
    answer = project.pytest("-n2", "--reruns=3")
    assert answer.status == 0, answer.output
    assert "2 passed, 3 rerun in" in answer.lines[-1]
