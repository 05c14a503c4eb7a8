"""One command runs a suite on a real ssh host, on every interpreter, as it is typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import interpreters
import machine
import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from projects import Answer, Project

NAMES: Final = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", interpreters.PYPY)
OLD: Final = ("myhost-py36", "myhost-py37")
CPYTHONS: Final = (*OLD, *(f"myhost-py3{minor}" for minor in range(8, 14)))
PYPY: Final = "myhost-pypy39"
ENVIRONMENTS: Final = (*CPYTHONS, PYPY)

SUITE: Final = {
    "setup.cfg": "[tool:pytest]\ntestpaths = tests\n",
    "tests/test_suite.py": r"""
        import platform
        import sys

        import pytest

        def test_everywhere():
            pass

        def test_needs_3_8():
            assert sys.version_info >= (3, 8)

        @pytest.mark.skipif(platform.python_implementation() == "PyPy", reason="counts references")
        def test_counts_references():
            pass

        @pytest.mark.xfail(reason="known")
        def test_known_bug():
            assert not sys.version

        @pytest.mark.parametrize("number", [1, 2])
        def test_number(number):
            pass

        def test_surrogate():
            pytest.fail("half a pair: \ud800")
        """,
}
PASSING: Final = {
    "setup.cfg": "[tool:pytest]\ntestpaths = tests\n",
    "tests/test_it.py": """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_number(number):
            pass
        """,
}


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Answer]]:
    """A project, and what pytest said when its suite ran on every interpreter at once."""
    directory = tmp_path_factory.mktemp("everywhere")
    with machine.running(directory, ()) as shell:
        project = projects.make(directory / "project", shell, SUITE)
        pythons = [interpreters.with_pytest(name) for name in NAMES]
        words = [word for path in pythons for word in ("--tx", f"ssh=myhost//python={path}")]
        yield project, project.pytest("--dist=each", *words, "--junitxml=junit.xml")


def test_every_interpreter_is_a_row_with_results_of_its_own(
    everywhere: tuple[Project, Answer],
) -> None:
    _, answer = everywhere
    matrix = [line.split() for line in answer.section("environments")[:10]]

    assert matrix[0] == [
        *("environment", "interpreter", "pytest"),
        *("passed", "failed", "skipped", "errors", "xfailed", "time"),
    ]
    counts = {row[0]: tuple(row[4:-1]) for row in matrix[1:]}
    assert counts == {
        **dict.fromkeys(CPYTHONS, ("5", "1", "0", "0", "1")),
        **dict.fromkeys(OLD, ("4", "2", "0", "0", "1")),
        PYPY: ("4", "1", "1", "0", "1"),
    }
    assert [row[0] for row in matrix[1:]] == list(ENVIRONMENTS)
    pytests = {row[0]: row[3] for row in matrix[1:]}
    assert pytests["myhost-py36"] == "7.0.1"
    assert int(pytests["myhost-py313"].partition(".")[0]) >= 9
    assert answer.status == 1


def test_what_fails_names_its_environment(everywhere: tuple[Project, Answer]) -> None:
    _, answer = everywhere

    failed = re.findall(r"^FAILED \[([\w-]+)\] ([\w/.:]+)", answer.output, re.MULTILINE)

    assert sorted(failed) == sorted(
        [
            *((label, "tests/test_suite.py::test_needs_3_8") for label in OLD),
            *((label, "tests/test_suite.py::test_surrogate") for label in ENVIRONMENTS),
        ]
    )


def test_what_does_not_agree_is_told(everywhere: tuple[Project, Answer]) -> None:
    _, answer = everywhere

    assert answer.section("tests that do not agree between environments") == [
        "tests/test_suite.py::test_needs_3_8",
        f"    failed: {', '.join(OLD)}",
        f"    passed: {', '.join(ENVIRONMENTS[2:])}",
        "1 test is skipped, expected to fail or not there in some environments only (-v lists it)",
    ]


def test_a_message_that_is_no_unicode_is_a_failure_like_any_other(
    everywhere: tuple[Project, Answer],
) -> None:
    _, answer = everywhere

    assert answer.output.count("Failed: half a pair: \\ud800") >= len(ENVIRONMENTS)


def test_junit_has_a_suite_for_each_environment(everywhere: tuple[Project, Answer]) -> None:
    project, _ = everywhere
    usual = {
        "everywhere": "passed",
        "needs_3_8": "passed",
        "counts_references": "passed",
        "known_bug": "skipped",
        "number[1]": "passed",
        "number[2]": "passed",
        "surrogate": "failure",
    }
    old = {**usual, "needs_3_8": "failure"}
    pypy = {**usual, "counts_references": "skipped"}

    suites = project.junit()

    assert list(suites) == list(ENVIRONMENTS)
    short = {
        name: {test.replace("tests.test_suite.test_", ""): end for test, end in tests.items()}
        for name, tests in suites.items()
    }
    assert short == {
        **dict.fromkeys(CPYTHONS, usual),
        **dict.fromkeys(OLD, old),
        PYPY: pypy,
    }


def test_the_first_command_as_typed(tmp_path: Path) -> None:
    with machine.running(tmp_path, ("3.9", "3.6")) as shell:
        project = projects.make(tmp_path / "project", shell, PASSING)
        answer = project.type_command(
            "pytest --dist=each --tx ssh=myhost//python=python3.9 --tx ssh=myhost//python=python3.6"
        )

    assert re.fullmatch(r"=+ 8 passed in [\d.]+s =+", answer.lines[-1])
    rows = [line.split() for line in answer.section("environments")]
    assert [(row[0], row[4]) for row in rows] == [
        ("environment", "failed"),
        ("myhost-py39", "4"),
        ("myhost-py36", "4"),
    ]
    assert answer.status == 0


def test_the_second_command_as_typed(tmp_path: Path) -> None:
    files = {
        **PASSING,
        "mypkg/__init__.py": "",
        "mypkg/core.py": "ANSWER = 42\n",
        "tests/test_core.py": """
            import os
            import sys
            from mypkg import core

            def test_core(worker_id):
                assert core.ANSWER == 42
                assert sys.version_info[:2] == (3, 12)
                assert os.environ["PYTEST_XDIST_WORKER_COUNT"] == "3"
            """,
    }
    with machine.running(tmp_path, ("3.12",)) as shell:
        project = projects.make(tmp_path / "project", shell, files)
        answer = project.type_command(
            "pytest -d --tx 3*ssh=myhost//python=python3.12 --rsyncdir mypkg tests"
        )

    assert "3 workers [5 items]" in answer.lines
    assert re.fullmatch(r"=+ 5 passed in [\d.]+s =+", answer.lines[-1])
    assert answer.status == 0


def test_32_workers_on_one_stock_sshd(project: Project) -> None:
    project.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_it.py": """
                import pytest

                @pytest.mark.parametrize("number", range(64))
                def test_number(number, worker_id, record_property):
                    record_property("worker", worker_id)
                """,
        }
    )
    python = interpreters.with_pytest("3.12")

    answer = project.pytest("-d", f"--tx=32*ssh=myhost//python={python}", "--junitxml=junit.xml")

    assert "32 workers [64 items]" in answer.lines
    assert answer.status == 0
    text = (project.directory / "junit.xml").read_text()
    workers = re.findall(r'<property name="worker" value="(gw\d+)"', text)
    assert len(workers) == 64
    assert set(workers) == {f"gw{number}" for number in range(32)}


@pytest.mark.parametrize(
    "name",
    [
        *("3.6", "3.13", interpreters.PYPY),
        pytest.param("3.9", marks=pytest.mark.slow),
    ],
)
def test_another_interpreter_here_has_a_standard_library_of_its_own(
    project: Project, name: str
) -> None:
    """The controller's own sys.path would let it import modules of another version."""
    project.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_library.py": """
                import asyncio
                import json
                import os
                import sqlite3
                import sys

                def test_database():
                    assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)

                def test_all_of_it_is_its_own(record_property):
                    record_property("version", "%d.%d" % sys.version_info[:2])
                    folder = os.path.dirname(os.__file__)
                    assert asyncio.__file__.startswith(folder)
                    assert json.__file__.startswith(folder)
                """,
        }
    )
    python = interpreters.with_pytest(name)

    answer = project.pytest("-d", f"--tx=popen//python={python}", "--junitxml=junit.xml")

    assert answer.status == 0, answer.output
    version = "3.9" if name == interpreters.PYPY else name
    assert f'value="{version}"' in (project.directory / "junit.xml").read_text()
