"""Where tests run under each mode of ``--dist``, as the screen tells it."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from projects import Answer, Project

MODULE: Final = """
    import pytest

    class TestOne:
        @pytest.mark.parametrize("number", range(4))
        def test_one(self, number):
            pass

    class TestTwo:
        @pytest.mark.xdist_group("shared")
        def test_grouped(self):
            pass

        def test_alone(self):
            pass

    @pytest.mark.xdist_group(name="shared")
    def test_grouped():
        pass

    @pytest.mark.parametrize("number", range(3))
    def test_more(number):
        pass
    """
SUITE: Final = {
    "pytest.ini": "[pytest]\naddopts = --strict-markers\n",
    **{f"test_{letter}.py": MODULE for letter in "abcd"},
}
COUNT: Final = 4 * 10

CRASHING: Final = {
    "pytest.ini": "[pytest]\n",
    **{
        f"test_{letter}.py": f"""
            import os
            import signal

            import pytest

            @pytest.mark.xdist_group("{letter}")
            @pytest.mark.parametrize("number", range(8))
            def test_it(number):
                if number == 2 and "{letter}" == "b":
                    os.kill(os.getpid(), signal.SIGKILL)
            """
        for letter in "abc"
    },
}

DIFFERING: Final = {
    "pytest.ini": "[pytest]\n",
    "test_it.py": """
        import os

        import pytest

        HERE = ["both", "all"] + ["first"] * (os.environ.get("PYTEST_XDIST_WORKER") == "gw0")

        @pytest.mark.parametrize("name", HERE)
        def test_it(name):
            pass
        """,
}

SCHEDULERS: Final = {
    "load": "LoadScheduling",
    "loadscope": "LoadScopeScheduling",
    "loadfile": "LoadFileScheduling",
    "loadgroup": "LoadGroupScheduling",
    "worksteal": "WorkStealingScheduling",
}
SCOPES: Final = {
    "loadscope": lambda node_id: node_id.rpartition("::")[0],
    "loadfile": lambda node_id: node_id.partition("::")[0],
    "loadgroup": lambda node_id: "shared" if "grouped" in node_id else node_id,
}


def run(directory: Path, files: dict[str, str], *arguments: str) -> tuple[Project, Answer]:
    """Run a suite on two workers with ``-v``, with the pytest of these tests."""
    project = projects.make(directory / "project", os.environ, files)
    return project, run_again(project, *arguments)


def run_again(project: Project, *arguments: str) -> Answer:
    return project.type_command([sys.executable, "-m", "pytest", "-n2", "-v", *arguments])


def ran(answer: Answer) -> dict[str, list[tuple[str, str]]]:
    """Return worker -> (node id, outcome) in the order in which the worker told of them."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in answer.lines:
        if match := re.fullmatch(r"\[(gw\d+)\] \[ *\d+%\] ([A-Z]+) (\S+)", line):
            found[match[1]].append((match[3], match[2]))
    return dict(found)


def in_runs(names: Iterable[str]) -> list[str]:
    """Return names without those that follow an equal one."""
    kept: list[str] = []
    for name in names:
        if not kept or kept[-1] != name:
            kept.append(name)
    return kept


@pytest.mark.parametrize("mode", SCHEDULERS)
def test_each_test_runs_once_and_where_the_mode_says(mode: str, tmp_path: Path) -> None:
    _, answer = run(tmp_path, SUITE, f"--dist={mode}")
    assert answer.status == 0, answer.output
    assert f"scheduling tests via {SCHEDULERS[mode]}" in answer.lines
    assert f"{COUNT} passed" in answer.lines[-1]
    workers = ran(answer)
    node_ids = [node_id for told in workers.values() for node_id, _ in told]
    assert len(set(node_ids)) == len(node_ids) == COUNT
    if mode in SCOPES:
        scopes = [
            scope
            for told in workers.values()
            for scope in in_runs(SCOPES[mode](node_id) for node_id, _ in told)
        ]
        assert len(set(scopes)) == len(scopes), "a scope was torn apart"


@pytest.mark.parametrize("mode", ["loadscope", "loadfile", "loadgroup"])
def test_after_a_crash_the_rest_of_the_scope_runs_on_one_other_worker(
    mode: str, tmp_path: Path
) -> None:
    _, answer = run(tmp_path, CRASHING, f"--dist={mode}")
    assert answer.status == 1, answer.output
    assert re.search(r"= 1 failed, 23 passed in ", answer.lines[-1])
    workers = ran(answer)
    lost = ("test_b.py::test_it[2]", "FAILED")
    of_scope = {
        worker: [(node_id, outcome) for node_id, outcome in told if node_id.startswith("test_b")]
        for worker, told in workers.items()
    }
    (crashed,) = (worker for worker, told in of_scope.items() if lost in told)
    assert of_scope.pop(crashed) == [
        ("test_b.py::test_it[0]", "PASSED"),
        ("test_b.py::test_it[1]", "PASSED"),
        lost,
    ]
    assert [told for told in of_scope.values() if told] == [
        [(f"test_b.py::test_it[{number}]", "PASSED") for number in range(3, 8)]
    ]


def test_worksteal_loses_nothing_in_a_crash(tmp_path: Path) -> None:
    _, answer = run(tmp_path, CRASHING, "--dist=worksteal")
    assert answer.status == 1, answer.output
    assert re.search(r"= 1 failed, 23 passed in ", answer.lines[-1])


def test_who_is_done_takes_over_from_a_slow_one(tmp_path: Path) -> None:
    """The first half waits for the second: only if some of it moves does anything end."""
    suite = {
        "pytest.ini": "[pytest]\n",
        "test_it.py": """
            import pathlib
            import time

            import pytest

            @pytest.mark.parametrize("number", range(20))
            def test_it(number):
                pathlib.Path(f"done{number}").touch()
                while number == 0 and not pathlib.Path("done9").exists():
                    time.sleep(0.01)
            """,
    }
    _, answer = run(tmp_path, suite, "--dist=worksteal")
    assert answer.status == 0, answer.output
    workers = {node_id: worker for worker, told in ran(answer).items() for node_id, _ in told}
    assert workers["test_it.py::test_it[0]"] != workers["test_it.py::test_it[9]"]


def test_a_group_changes_no_node_id(tmp_path: Path) -> None:
    project, answer = run(tmp_path, CRASHING, "--dist=loadgroup")
    assert answer.status == 1
    project.write({"test_b.py": CRASHING["test_b.py"].replace("number == 2", "number == 9")})
    again = run_again(project, "--dist=loadgroup", "--lf")
    assert again.status == 0, again.output
    assert ran(again).popitem()[1] == [("test_b.py::test_it[2]", "PASSED")]


def test_a_scheduler_of_other_people_sees_the_groups(tmp_path: Path) -> None:
    conftest = """
        from xdist.scheduler import LoadGroupScheduling

        def pytest_xdist_make_scheduler(config, log):
            return LoadGroupScheduling(config, log)
        """
    _, answer = run(tmp_path, {**SUITE, "conftest.py": conftest}, "--dist=loadgroup")
    assert answer.status == 0, answer.output
    grouped = [
        {node_id for node_id, _ in told if "grouped" in node_id} for told in ran(answer).values()
    ]
    assert max(map(len, grouped)) == 8


def test_the_command_line_overrides_the_mode_of_the_config_file(tmp_path: Path) -> None:
    suite = {
        **CRASHING,
        "pytest.ini": "[pytest]\naddopts = --dist=load\n",
        "test_b.py": "def test_it():\n    pass\n",
    }
    _, answer = run(tmp_path, suite, "--dist=loadgroup")
    workers = ran(answer)
    torn = [{node_id[:6] for node_id, _ in told} for told in workers.values()]
    assert sum("test_a" in files for files in torn) == 1


def test_workers_that_differ_run_what_each_has_and_the_summary_tells(tmp_path: Path) -> None:
    _, answer = run(tmp_path, DIFFERING)
    assert answer.status == 0, answer.output
    assert "3 passed" in answer.lines[-1]
    told = ran(answer)
    assert ("test_it.py::test_it[first]", "PASSED") in told["gw0"]
    section = answer.section("tests that not every worker collected")
    assert re.fullmatch(r"gw1 \[\S+\] did not collect 1 test", section[0])
    assert section[1] == "    test_it.py::test_it[first]"


def test_a_strict_run_refuses_workers_that_differ(tmp_path: Path) -> None:
    _, answer = run(tmp_path, DIFFERING, "--strict-collection")
    assert answer.status == 1, answer.output
    assert ran(answer) == {}
    assert answer.section("ERROR collecting gw1") == [
        "Different tests were collected between gw0 and gw1.",
        "The difference is:",
        "--- gw0",
        "+++ gw1",
        "-test_it.py::test_it[first]",
    ]


@pytest.mark.slow
def test_more_workers_than_tests_end_at_once(tmp_path: Path) -> None:
    suite = {"pytest.ini": "[pytest]\n", "test_it.py": "def test_it():\n    pass\n"}
    for mode in SCHEDULERS:
        _, answer = run(tmp_path / mode, suite, f"--dist={mode}", "-n3")
        assert "1 passed" in answer.lines[-1]
        assert answer.status == 0


UNEVEN: Final = {
    "pytest.ini": "[pytest]\n",
    "test_it.py": """
        import time

        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_it(number):
            time.sleep(0.05 * number)
        """,
}


def test_what_took_longest_runs_first_in_the_next_run(tmp_path: Path) -> None:
    project, first = run(tmp_path, UNEVEN, "--schedule=duration")
    assert "scheduling tests via WorkStealingScheduling" in first.output
    second = run_again(project, "--schedule=duration", "--durations=1")
    assert second.status == 0, second.output
    assert "scheduling tests via DurationScheduling" in second.output
    begun = {tests[0][0] for tests in ran(second).values()}
    assert begun == {"test_it.py::test_it[7]", "test_it.py::test_it[6]"}
