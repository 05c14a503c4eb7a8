"""Whose run it is: with remotest alone, and with a real pytest-xdist beside it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import projects
import pytest
import xdistworld

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Answer

SUITE: Final = {
    "conftest.py": """
        import xdist

        def pytest_report_header(config):
            controller = config.pluginmanager.getplugin("dsession")
            whose = type(controller).__module__.partition(".")[0] if controller else "nobody"
            return ["run of " + whose, "xdist of " + str(xdist.__spec__.origin).rpartition("/")[0]]
        """,
    "test_it.py": """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_it(number, worker_id):
            assert worker_id == "gw0"
        """,
}

OURS: Final = ("run of remotest", "4 passed")
THEIRS: Final = ("run of xdist", "4 passed")
NOBODYS: Final = ("unrecognized arguments: -n1",)

NO_AUTOLOAD: Final = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def more_ways(*rows: tuple[str, dict[str, str], tuple[str, ...]]) -> list[Any]:
    """Return more ways to say the same, as parameters of slow tests."""
    return [pytest.param(*row, marks=pytest.mark.slow) for row in rows]


def check(answer: Answer, *expected: str) -> None:
    assert [text for text in expected if text not in answer.output] == [], answer.output


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ("", {}, OURS),
        ("-p no:remotest", {}, THEIRS),
        ("-p no:xdist", {}, NOBODYS),
        ("-p remotest -p xdist.plugin", {}, OURS),
        ("-p xdist -p remotest", NO_AUTOLOAD, OURS),
        ("", {"PYTEST_PLUGINS": "xdist.plugin", **NO_AUTOLOAD}, THEIRS),
        *more_ways(
            ("-p xdist", {}, OURS),
            ("-p remotest", {}, OURS),
            ("-p xdist", NO_AUTOLOAD, THEIRS),
            ("-p remotest", NO_AUTOLOAD, OURS),
            ("-p remotest -p xdist", NO_AUTOLOAD, OURS),
            ("", {"PYTEST_PLUGINS": "xdist.plugin"}, OURS),
        ),
    ],
)
def test_the_run_is_remotests_unless_told_otherwise(
    tmp_path: Path, arguments: str, variables: dict[str, str], expected: tuple[str, ...]
) -> None:
    both = xdistworld.project(tmp_path / "project", SUITE, xdistworld.REAL_XDIST)
    answer = both.with_variables(variables).pytest("-n1", *arguments.split())
    check(answer, *expected)
    line = "remotest: runs this in the place of pytest-xdist 3.8.0 ('-p no:remotest' gives it back)"
    assert (line in answer.lines) is (expected is OURS)
    assert answer.status == (4 if expected is NOBODYS else 0)
    if expected is not NOBODYS:
        assert f"xdist of {sitepackages()}/xdist" in answer.output


def sitepackages() -> Path:
    binaries = xdistworld.environment(xdistworld.REAL_XDIST)
    (found,) = binaries.parent.glob("lib/python*/site-packages")
    return found


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ("", {}, OURS),
        ("-p no:remotest", {}, NOBODYS),
        ("-p no:xdist", {}, NOBODYS),
        ("-p xdist", {}, OURS),
        ("-p remotest", NO_AUTOLOAD, OURS),
        ("-p xdist.plugin", NO_AUTOLOAD, OURS),
        ("", {"PYTEST_PLUGINS": "xdist.plugin", **NO_AUTOLOAD}, OURS),
        *more_ways(
            ("-p xdist.plugin", {}, OURS),
            ("-p pytest_remotest.entry", {}, OURS),
            ("-p xdist", NO_AUTOLOAD, OURS),
            ("-p pytest_remotest.entry", NO_AUTOLOAD, OURS),
            ("", {"PYTEST_PLUGINS": "xdist.plugin"}, OURS),
            ("", {"PYTEST_PLUGINS": "pytest_remotest.entry", **NO_AUTOLOAD}, OURS),
        ),
    ],
)
def test_remotest_alone_answers_to_all_names(
    tmp_path: Path, arguments: str, variables: dict[str, str], expected: tuple[str, ...]
) -> None:
    alone = xdistworld.project(tmp_path / "project", SUITE)
    answer = alone.with_variables(variables).pytest("-n1", *arguments.split())
    check(answer, *expected)
    assert "in the place of" not in answer.output
    assert answer.status == (4 if expected is NOBODYS else 0)


@pytest.mark.parametrize(
    ("beside", "needed", "missing"),
    [
        ((), "pytest-xdist>=3 remotest>=0.1", None),
        ((xdistworld.REAL_XDIST,), "pytest-xdist==3.8.0 remotest", None),
        ((), "pytest-xdist>=4 nobody-has-it", "nobody-has-it, pytest-xdist>=4"),
    ],
)
def test_a_project_that_requires_pytest_xdist_has_it(
    tmp_path: Path, beside: tuple[str, ...], needed: str, missing: str | None
) -> None:
    """Here and on workers, whose interpreter needs to have neither."""
    suite = {**SUITE, "pytest.ini": f"[pytest]\nrequired_plugins = {needed}\n"}
    answer = xdistworld.project(tmp_path / "project", suite, *beside).pytest("-n1")
    if missing:
        assert answer.lines == [f"ERROR: Missing required plugins: {missing}", ""]
    else:
        check(answer, *OURS)
        loaded = "xdist-3.8.0, remotest-0.1.0" if beside else "remotest-0.1.0"
        assert f"plugins: {loaded}" in answer.lines
    assert answer.status == (4 if missing else 0)


def test_the_files_of_pytest_xdist_are_untouched() -> None:
    """Its RECORD says what they were."""
    both = xdistworld.environment(xdistworld.REAL_XDIST)
    bare = xdistworld.environment(xdistworld.REAL_XDIST, with_remotest=False)

    def state(binaries: Path) -> dict[str, str]:
        (packages,) = binaries.parent.glob("lib/python*/site-packages")
        files = [*packages.glob("xdist/**/*.py"), *packages.glob("pytest_xdist-*/METADATA")]
        return {
            str(path.relative_to(packages)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    assert state(both) == state(bare) != {}


ASK: Final = """
import importlib.metadata as metadata
import json, sys
import xdist, xdist.plugin, xdist.scheduler.loadfile
print(json.dumps({
    "version": xdist.__version__,
    "origin": xdist.__spec__.origin,
    "names": xdist.__all__,
    "metadata": metadata.version("pytest-xdist"),
    "listed": "pytest-xdist" in [d.name for d in metadata.distributions()],
}))
"""


def test_xdist_can_be_imported_before_anything_of_remotest_is_loaded(tmp_path: Path) -> None:
    """As by a plugin that pytest loads first; also in a process without pytest."""
    alone = xdistworld.project(tmp_path / "project", {})
    answer = alone.type_command(["python", "-c", ASK])
    assert json.loads(answer.output) == {
        "version": "3.8.0",
        "origin": "pytest_remotest",
        "names": [
            "__version__",
            "get_xdist_worker_id",
            "is_xdist_controller",
            "is_xdist_master",
            "is_xdist_worker",
        ],
        "metadata": "3.8.0",
        "listed": False,
    }


@pytest.mark.slow
def test_an_editable_install_has_it_as_early(tmp_path: Path) -> None:
    sources, environment = tmp_path / "sources", tmp_path / "environment"
    xdistworld.copy_sources(sources)
    python = environment / "bin" / "python"
    xdistworld.uv("venv", "--no-project", "--python", sys.executable, environment)
    xdistworld.uv("pip", "install", "--python", python, xdistworld.PYTEST, "--editable", sources)
    project = projects.make(tmp_path / "project", os.environ, {})
    answer = project.type_command([str(python), "-c", ASK])
    assert json.loads(answer.output)["origin"] == "pytest_remotest"


def test_a_real_pytest_xdist_further_down_the_path_wins(tmp_path: Path) -> None:
    """Remotest in the user's site-packages, pytest-xdist in the interpreter's."""
    bare = xdistworld.environment(xdistworld.REAL_XDIST, with_remotest=False)
    (packages,) = bare.parent.glob("lib/python*/site-packages")
    alone = xdistworld.project(tmp_path / "project", {})
    program = f"import sys; sys.path.append({str(packages)!r}); import xdist; print(xdist.__file__)"
    answer = alone.type_command(["python", "-c", program])
    assert answer.output == f"{packages}/xdist/__init__.py\n"
