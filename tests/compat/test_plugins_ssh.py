"""Plugins of others, on an ssh host that has them: as without remotest, and with their product.

docs/reference/plugins.md says what was tried; it is checked against the list here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from html import unescape
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import barehost
import pytest
import sshd
import xdistworld
from plugincases import FLAKY, PLUGINS, SUITE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from projects import Answer, Project

REQUIREMENTS: Final = (
    *("allure-pytest==2.16.2", "anyio==4.16.0", "hypothesis==6.170.15", "pytest-asyncio==1.5.0"),
    *("pytest-bdd==9.0.1", "pytest-benchmark==5.3.1", "pytest-check==3.0.3", "pytest-cov==7.1.0"),
    *("pytest-django==4.14.0 django==5.2.19", "pytest-html==4.2.0", "pytest-instafail==0.5.0"),
    *("pytest-json-report==1.5.0", "pytest-metadata==3.1.1", "pytest-mock==3.17.0"),
    *("pytest-order==1.5.0", "pytest-randomly==5.1.0", "pytest-repeat==0.9.4"),
    *("pytest-reportlog==1.0.0", "pytest-rerunfailures==16.7", "pytest-split==0.11.0"),
    *("pytest-subtests==0.15.0", "pytest-sugar==1.1.1", "pytest-timeout==2.4.0", "syrupy==7.0.2"),
)
INSTALLED: Final = tuple(name for line in REQUIREMENTS for name in line.split())

CHANGING: Final = ("randomly", "sugar")
"""Plugins that change every run that they are installed for: on in their own test only."""


@dataclass(frozen=True)
class World:
    """A host with all these plugins, and the same ones here, with remotest and without."""

    directory: Path
    server: sshd.SshServer
    bare: Path

    def spec(self, count: int) -> str:
        """Return the ``--tx`` of so many workers on the host."""
        config = self.server.ssh_config_path
        return f"{count}*ssh=worker//ssh_config={config}//python={self.bare / 'python'}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One sshd for all. HOME there is a symbolic link: real paths begin elsewhere."""
    bare = xdistworld.environment(*INSTALLED, with_remotest=False)
    directory = tmp_path_factory.mktemp("host")
    (directory / "disk").mkdir()
    home = directory / "home"
    home.symlink_to("disk")
    with sshd.running(directory, home=home) as server:
        yield World(directory=directory, server=server, bare=bare)


@dataclass(frozen=True)
class Pair:
    """The same project twice: for a run on the host, and for a plain one without remotest."""

    spec: str
    home: Path
    far: Project
    own: Project

    def trees(self) -> set[Path]:
        """Return the trees on the host, of all tests so far."""
        return set(self.home.glob(".cache/remotest/v1/trees/far-*/*/base"))

    def run(
        self, *options: str, named: str = "", far_only: str = "", within: str = "."
    ) -> tuple[Answer, Answer]:
        """Type one command for both; return (on the host, plain).

        Args:
            options: of the command.
            named: requirement of a plugin in ``CHANGING`` that is to be on.
            far_only: options of the run on the host.
            within: the folder to type it in.
        """
        off = [f"-pno:{name}" for name in CHANGING if f"pytest-{name}==" not in named]
        both = [*off, "--junitxml=junit.xml", *options]
        far = self.far.pytest("-d", f"--tx={self.spec}", *far_only.split(), *both, within=within)
        return far, self.own.pytest(*both, within=within)


@pytest.fixture
def make(tmp_path: Path, world: World) -> Callable[[Mapping[str, str]], Pair]:
    """Returns a function that writes the pair of projects; paths of both are equally long."""

    def make_pair(files: Mapping[str, str]) -> Pair:
        far = xdistworld.project(tmp_path / "far", files, *INSTALLED)
        own = xdistworld.project(tmp_path / "own", files, *INSTALLED, with_remotest=False)
        return Pair(spec=world.spec(2), home=world.directory / "home", far=far, own=own)

    return make_pair


Make = Any
"""What the fixture ``make`` returns."""


def outcomes(project: Project) -> Counter[tuple[str, str, str]]:
    """Return how often each (class name, name, outcome) is in the JUnit file."""
    found: Counter[tuple[str, str, str]] = Counter()
    for case in ET.parse(project.directory / "junit.xml").iter("testcase"):
        kinds = [child.get("type") or child.tag for child in case if child.tag != "properties"]
        ended = kinds[0] if kinds else "passed"
        found[case.get("classname", ""), case.get("name", ""), ended] += 1
    return found


def text_of(project: Project, path: str) -> str:
    """Return a file's text without what tells which of the two projects it is of."""
    return (project.directory / path).read_text().replace(str(project.directory), "PROJECT")


@pytest.mark.slow
@pytest.mark.parametrize("requirement", [name for name in PLUGINS if name in REQUIREMENTS])
def test_outcomes_are_those_of_a_plain_run(make: Make, requirement: str) -> None:
    options, files, _ = PLUGINS[requirement]
    pair = make({**SUITE, **files})

    far, own = pair.run(*options.split(), named=requirement)

    assert far.status == own.status == 1, far.output
    assert "INTERNALERROR" not in far.output
    assert outcomes(pair.far) == outcomes(pair.own)


@pytest.mark.slow
def test_reports_that_are_written_here_are_those_of_a_plain_run(make: Make) -> None:
    """And what workers write by themselves is on the host, in its tree."""
    pair = make(SUITE)
    trees_of_others = pair.trees()

    far, own = pair.run(
        *("--html=report.html", "--json-report", "--report-log=log.json", "--alluredir=allure"),
        *("--reruns=1", "--count=2", "--timeout=60", "--instafail"),
    )

    assert far.status == own.status == 1, far.output
    assert outcomes(pair.far) == outcomes(pair.own)
    assert json_report(pair.far) == json_report(pair.own)
    assert report_log(pair.far) == report_log(pair.own)
    html, expected = html_report(pair.far), html_report(pair.own)
    assert html["tests"] == expected["tests"]
    assert sorted(html["environment"]) == sorted(expected["environment"])
    (tree,) = pair.trees() - trees_of_others
    results = [tree / "allure", pair.own.directory / "allure", pair.far.directory / "allure"]
    there, plain, here = (len(list(place.glob("*-result.json"))) for place in results)
    assert (there, here) == (plain, 0)


def json_report(project: Project) -> tuple[dict[str, int], dict[str, str]]:
    """Return the summary and the outcome of each test."""
    found = json.loads((project.directory / ".report.json").read_text())
    return found["summary"], {test["nodeid"]: test["outcome"] for test in found["tests"]}


def report_log(project: Project) -> Counter[tuple[str, str, str]]:
    """Return how often there is a (node id, phase, outcome)."""
    lines = (project.directory / "log.json").read_text().splitlines()
    reports = [report for report in map(json.loads, lines) if report.get("when") is not None]
    return Counter((report["nodeid"], report["when"], report["outcome"]) for report in reports)


def html_report(project: Project) -> dict[str, Any]:
    """Return the environment, and the sorted results of each test."""
    page = (project.directory / "report.html").read_text()
    blob = re.search(r'data-jsonblob="([^"]*)"', page)
    assert blob is not None
    data = json.loads(unescape(blob[1]))
    rows = {name: sorted(row["result"] for row in rows) for name, rows in data["tests"].items()}
    return {"environment": data["environment"], "tests": rows}


@pytest.mark.slow
def test_failures_and_crashes_are_run_again(make: Make) -> None:
    """Its workers on a host count by themselves: a port of this machine is not told them."""
    pair = make(
        {
            "test_it.py": FLAKY,
            "test_crashes.py": "import os\ndef test_it():\n    os._exit(3)\n",
            "test_told.py": """
                def test_told(request):
                    assert not request.config.workerinput["sock_port"]
                    assert not request.config.workerinput["statusdb_token"]
                """,
        }
    )

    far = pair.far.pytest("-d", f"--tx={pair.spec}", "--reruns=3")

    assert far.status == 1, far.output
    assert "1 failed, 3 passed, 6 rerun in" in far.lines[-1]


@pytest.mark.slow
def test_a_snapshot_that_travels_is_compared(make: Make) -> None:
    """What a run on a host writes anew stays there."""
    suite = "def test_it(snapshot):\n    assert {'a': 1} == snapshot\n"
    pair = make({"test_it.py": suite})
    assert pair.own.pytest("-pno:randomly", "--snapshot-update").status == 0
    snapshot = "__snapshots__/test_it.ambr"
    pair.far.write({snapshot: (pair.own.directory / snapshot).read_text()})

    same, _ = pair.run()
    pair.far.write({"test_it.py": suite.replace("1", "2")})
    other = pair.far.pytest("-d", f"--tx={pair.spec}")

    assert (same.status, other.status) == (0, 1), same.output + other.output
    assert "1 snapshot passed" in same.output
    assert "1 snapshot failed" in other.output


COVERED: Final = {
    "proj/pytest.ini": "[pytest]\n",
    "proj/.coveragerc": """
        [run]
        data_file = measured
        patch = subprocess

        [json]
        show_contexts = true
        """,
    "proj/pkg/__init__.py": "",
    "proj/pkg/core.py": """
        def sign(number):
            if number < 0:
                return -1
            return 1

        def never_called():
            return 5
        """,
    "proj/pkg/child.py": """
        import sys

        if len(sys.argv) > 1:
            print(sys.argv)
        """,
    "proj/pkg/never_imported.py": "ANSWER = 42\n",
    "lib/helper.py": """
        def half(number):
            if number:
                return number // 2
        """,
    "proj/test_it.py": """
        import subprocess
        import sys

        import helper
        import pytest
        from pkg.core import sign

        @pytest.mark.parametrize("number", range(1, 6))
        def test_sign(number):
            assert sign(number) == 1

        def test_half():
            assert helper.half(4) == 2

        def test_program():
            subprocess.run([sys.executable, "-m", "pkg.child"], check=True)
        """,
}


def in_order(found: dict[str, Any]) -> dict[str, Any]:
    """Return an object of JSON with its lists sorted: the contexts of a line have no order."""
    return {key: sorted(v) if isinstance(v, list) else v for key, v in found.items()}


def covered_in_xml(project: Project) -> dict[str, list[dict[str, str]]]:
    """Return what an XML report says of lines, by file: how it calls files is left to chance."""
    found = ET.parse(project.directory / "proj" / "coverage.xml").iter("class")
    return {kind.get("name", ""): [line.attrib for line in kind.iter("line")] for kind in found}


def test_coverage_is_that_of_a_plain_run(make: Make) -> None:
    """Also of a root outside of the project, of programs, and in a data file of another name."""
    pair = make(COVERED)
    far_lib, own_lib = (
        {"PYTHONPATH": str(project.directory / "lib")} for project in (pair.far, pair.own)
    )
    pair = replace(pair, far=pair.far.with_variables(far_lib), own=pair.own.with_variables(own_lib))

    far, own = pair.run(
        *("--cov=pkg", "--cov=helper", "--cov-branch", "--cov-context=test"),
        *("--cov-report=term-missing", "--cov-report=json", "--cov-report=xml"),
        far_only="--rsyncdir=. --rsyncdir=../lib",
        within="proj",
    )

    assert far.status == own.status == 0, far.output
    found, expected = (
        json.loads(text_of(project, "proj/coverage.json"), object_hook=in_order)["files"]
        for project in (pair.far, pair.own)
    )
    assert found == expected
    assert expected["pkg/child.py"]["missing_branches"] == [[3, 4]]
    tests = expected["pkg/core.py"]["contexts"]["4"]
    assert "test_it.py::test_sign[5]|run" in tests
    assert covered_in_xml(pair.far) == covered_in_xml(pair.own)
    tables = [answer.section("tests coverage")[2:] for answer in (far, own)]
    assert tables[0] == [line.replace("/own/", "/far/") for line in tables[1]]


@pytest.mark.slow
def test_coverage_of_several_interpreters_is_one_report(tmp_path: Path) -> None:
    """Also where the newest coverage for one of them is of years ago."""
    files = {
        "conftest.py": "",
        "needs.txt": "pytest-cov\n",
        "mod.py": """
            import sys

            def age():
                if sys.version_info < (3, 7):
                    return "old"
                if sys.version_info > (3, 12):
                    return "new"
                return "between"
            """,
        "test_it.py": "import mod\ndef test_it():\n    assert mod.age()\n",
    }
    with barehost.running(tmp_path, ("3.6", "3.13")) as shell:
        here = ("pytest-cov==7.1.0", "uv")  # which resolves what hosts are sent
        project = xdistworld.project(tmp_path / "project", files, *here)
        kept = {name: shell[name] for name in ("HOME", "XDG_CACHE_HOME")}
        answer = project.with_variables(kept).pytest(
            *("--dist=each", "--cov=mod", "--cov-branch", "--cov-report=json"),
            *(f"--tx=ssh=myhost//python=python{name}//req=needs.txt" for name in ("3.6", "3.13")),
        )

    assert answer.status == 0, answer.output
    (file,) = json.loads((project.directory / "coverage.json").read_text())["files"].items()
    assert (file[0], file[1]["missing_lines"]) == ("mod.py", [8])
    assert file[1]["missing_branches"] == [[6, 8]]


def test_the_page_lists_what_is_tested() -> None:
    page = (xdistworld.ROOT / "docs" / "reference" / "plugins.md").read_text()
    _, _, on_hosts = page.partition("## On ssh hosts")
    tried, _, _ = on_hosts.partition("## What cannot work")
    rows = re.findall(r"(?m)^\| ([a-z-]+) ([0-9.]+) \|", tried)
    tested = [name.split()[0] for name in REQUIREMENTS]
    assert sorted(f"{name}=={version}" for name, version in rows) == sorted(tested)
