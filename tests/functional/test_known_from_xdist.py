"""What users know from pytest-xdist: without distribution, with workers here, and on a host."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import machine
import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from projects import Answer, Project

TWO_ON_HOST: Final = ("-d", "--tx=2*ssh=myhost//python=python3.9")
TWO_INTERPRETERS: Final = (
    "--dist=each",
    "--tx=ssh=myhost//python=python3.9",
    "--tx=ssh=myhost//python=python3.6",
)
WAYS: Final = {
    "undistributed": (),
    "workers here": ("-n2",),
    "workers on a host": TWO_ON_HOST,
    "two interpreters of a host": TWO_INTERPRETERS,
}
near_and_far = pytest.mark.parametrize(
    "arguments", [("-n2",), TWO_ON_HOST], ids=["workers here", "workers on a host"]
)
HEX_UID: Final = re.compile(r"[0-9a-f]{32}")

TELLING: Final = {
    "conftest.py": """
        import json
        import os


        def note(**facts):
            with open("notes.txt", "a") as stream:
                stream.write(json.dumps(facts) + "\\n")


        def pytest_configure_node(node):
            node.workerinput["color"] = "blue"


        def pytest_testnodedown(node, error):
            note(down=node.gateway.id, error=error, answer=node.workeroutput["answer"])


        def pytest_runtest_logreport(report):
            if "PYTEST_XDIST_WORKER" not in os.environ:
                note(
                    when=report.when,
                    on=getattr(report, "worker_id", None),
                    run=getattr(report, "testrun_uid", None),
                    **dict(report.user_properties)
                )


        def pytest_sessionfinish(session):
            if hasattr(session.config, "workerinput"):
                worker = session.config.workerinput["workerid"]
                session.config.workeroutput["answer"] = {"from": worker}
        """,
    "test_telling.py": """
        import os

        import pytest
        import remotest
        import xdist


        @pytest.mark.parametrize("number", range(4))
        def test_tell(number, worker_id, testrun_uid, request, tmp_path_factory, record_property):
            def roles(module):
                return [
                    module.is_xdist_worker(request),
                    module.is_xdist_worker(request.session),
                    module.is_xdist_controller(request),
                    module.is_xdist_master(request),
                    module.get_xdist_worker_id(request),
                ]

            worker_input = getattr(request.config, "workerinput", {})
            record_property("worker_id", worker_id)
            record_property("testrun_uid", testrun_uid)
            for name in ("WORKER", "WORKER_COUNT", "TESTRUNUID"):
                record_property(name, os.environ.get("PYTEST_XDIST_" + name))
            record_property("xdist", roles(xdist))
            record_property("remotest", roles(remotest))
            record_property("mainargv", worker_input.get("mainargv", [])[1:])
            record_property("color", worker_input.get("color"))
            record_property("base", str(tmp_path_factory.getbasetemp()))
        """,
}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with machine.running(tmp_path_factory.mktemp("machine"), ["3.9", "3.6"]) as environment:
        yield environment


@pytest.fixture
def project(tmp_path: Path, shell: Mapping[str, str]) -> Project:
    return projects.make(tmp_path / "project", shell, {"pytest.ini": "[pytest]\n"})


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def notes(
    way: str, shell: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What the hooks on the controller have seen of one run."""
    directory = tmp_path_factory.mktemp("telling") / "project"
    project = projects.make(directory, shell, TELLING)
    answer = project.pytest(*WAYS[way])
    assert answer.status == 0, answer.output
    return [json.loads(line) for line in (directory / "notes.txt").read_text().splitlines()]


@pytest.fixture
def told(notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each test has told, in the report of its call."""
    return [note for note in notes if note.get("when") == "call"]


def workers_of(way: str) -> set[str]:
    return {"master"} if way == "undistributed" else {"gw0", "gw1"}


# -- what a test sees ------------------------------------------------------------------------


def test_worker_id_names_the_worker(way: str, told: list[dict[str, Any]]) -> None:
    assert {note["worker_id"] for note in told} == workers_of(way)


def test_testrun_uid_is_one_for_the_run(told: list[dict[str, Any]]) -> None:
    (uid,) = {note["testrun_uid"] for note in told}
    assert HEX_UID.fullmatch(uid)


def test_variables_say_what_the_fixtures_say(way: str, told: list[dict[str, Any]]) -> None:
    for note in told:
        variables = (note["WORKER"], note["WORKER_COUNT"], note["TESTRUNUID"])
        if way == "undistributed":
            assert variables == (None, None, None)
        else:
            assert variables == (note["worker_id"], "2", note["testrun_uid"])


def test_functions_know_the_role(way: str, told: list[dict[str, Any]]) -> None:
    is_worker = way != "undistributed"
    for note in told:
        assert note["xdist"] == [is_worker, is_worker, False, False, note["worker_id"]]
        assert note["remotest"] == note["xdist"]


def test_mainargv_is_the_command_line_here(way: str, told: list[dict[str, Any]]) -> None:
    assert all(note["mainargv"] == list(WAYS[way]) for note in told)


def test_worker_input_reaches_the_worker(way: str, told: list[dict[str, Any]]) -> None:
    colors = {note["color"] for note in told}
    assert colors == ({None} if way == "undistributed" else {"blue"})


def test_workers_share_the_parent_of_their_base_folders(
    way: str, told: list[dict[str, Any]]
) -> None:
    bases = {note["base"] for note in told}
    assert len(bases) == len(workers_of(way))
    assert len({base.rpartition("/")[0] for base in bases}) == 1


# -- what hooks on the controller see --------------------------------------------------------


def test_each_report_names_its_worker_and_run(way: str, notes: list[dict[str, Any]]) -> None:
    reports = [note for note in notes if "when" in note]
    copies = 2 if way == "two interpreters of a host" else 1
    assert len(reports) == 4 * 3 * copies
    for note in reports:
        if way == "undistributed":
            assert (note["on"], note["run"]) == (None, None)
        elif note["when"] == "call":
            assert (note["on"], note["run"]) == (note["worker_id"], note["testrun_uid"])
        else:
            assert note["on"] in workers_of(way)


def test_worker_output_comes_back(way: str, notes: list[dict[str, Any]]) -> None:
    down = sorted((note for note in notes if "down" in note), key=lambda note: str(note["down"]))
    workers = [] if way == "undistributed" else ["gw0", "gw1"]
    assert down == [{"down": name, "error": None, "answer": {"from": name}} for name in workers]


# -- options -----------------------------------------------------------------------------------

FIVE: Final = {
    "test_a.py": """
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_good(number):
            pass

        def test_bad():
            assert [1] == [2]
        """
}


def counted_workers(answer: Answer) -> str:
    return next(line for line in answer.lines if line.startswith("created: "))


def test_n0_runs_here(project: Project) -> None:
    project.write({"pytest.ini": "[pytest]\naddopts = -n3\n", "test_a.py": "def test_a(): pass\n"})
    assert counted_workers(project.pytest()) == "created: 3/3 workers"
    answer = project.pytest("-n0")
    assert "collected 1 item" in answer.lines


@pytest.mark.parametrize("number", ["2", "auto"])
def test_maxprocesses_limits(project: Project, number: str) -> None:
    project.write({"test_a.py": "def test_a(): pass\n"})
    answer = project.pytest("-n", number, "--maxprocesses=1")
    assert counted_workers(answer) == "created: 1/1 worker"


def test_maxprocesses_below_0_leaves_no_worker(project: Project) -> None:
    project.write({"test_a.py": "def test_a(): pass\n"})
    answer = project.pytest("-n2", "--maxprocesses=-1")
    assert answer.status == 0
    assert "collected 1 item" in answer.lines


def test_specs_in_addopts_wait_for_dist(project: Project) -> None:
    project.write(
        {
            "pytest.ini": f"[pytest]\naddopts = {' '.join(TWO_INTERPRETERS[1:])}\n",
            "test_a.py": "def test_a(): pass\n",
        }
    )
    assert "1 passed" in project.pytest().lines[-1]
    assert "2 passed" in project.pytest("--dist=each").lines[-1]


@near_and_far
def test_testrunuid_can_be_given(project: Project, arguments: tuple[str, ...]) -> None:
    project.write(
        {"test_a.py": "def test_a(testrun_uid):\n    assert testrun_uid == 'nightly-17'\n"}
    )
    assert project.pytest(*arguments, "--testrunuid=nightly-17").status == 0


@near_and_far
@pytest.mark.parametrize("option", ["-x", pytest.param("--maxfail=1", marks=pytest.mark.slow)])
def test_x_stops(project: Project, arguments: tuple[str, ...], option: str) -> None:
    project.write(FIVE)
    answer = project.pytest(*arguments, option)
    assert answer.status == 2
    assert any(re.fullmatch(r"!+ stopping after 1 failures !+", line) for line in answer.lines)
    assert "1 failed" in answer.lines[-1]


def test_maxfail_that_is_not_reached_stops_nothing(project: Project) -> None:
    project.write(FIVE)
    answer = project.pytest("-n2", "--maxfail=2")
    assert answer.status == 1
    assert "1 failed, 4 passed" in answer.lines[-1]


# -- the screen --------------------------------------------------------------------------------


def progress(answer: Answer) -> list[tuple[str, str, str]]:
    """Return worker, word and test of each ``-v`` line, whose percentages are checked."""
    pattern = re.compile(r"\[(gw\d)\] \[ *(\d+)%\] ([A-Z]+) (\S+)")
    found = [match.groups() for line in answer.lines if (match := pattern.fullmatch(line))]
    steps = [100 * (number + 1) // len(found) for number in range(len(found))]
    assert [int(percentage) for _, percentage, _, _ in found] == steps, answer.output
    return [(worker, word, test) for worker, _, word, test in found]


@near_and_far
def test_verbose_lines_name_worker_progress_and_outcome(
    project: Project, arguments: tuple[str, ...]
) -> None:
    project.write(FIVE)
    answer = project.pytest(*arguments, "-v")
    assert "scheduling tests via LoadScheduling" in answer.lines
    lines = progress(answer)
    assert sorted((word, test) for _, word, test in lines) == [
        ("FAILED", "test_a.py::test_bad"),
        *[("PASSED", f"test_a.py::test_good[{number}]") for number in range(4)],
    ]
    assert {worker for worker, _, _ in lines} == {"gw0", "gw1"}


def test_progress_counts_each_test_in_each_environment(project: Project) -> None:
    project.write(FIVE)
    lines = progress(project.pytest(*TWO_INTERPRETERS, "-v"))
    assert len(lines) == 10
    assert len(set(lines)) == 10


def test_progress_leaves_room_for_an_environment_that_is_still_to_collect(
    project: Project,
) -> None:
    os.mkfifo(project.directory / "begun")
    project.write(
        {
            "conftest.py": """
                import os
                if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
                    open("begun").close()
                """,
            "test_a.py": """
                def test_a(worker_id):
                    if worker_id == "gw0":
                        open("begun", "w").close()
                """,
        }
    )
    assert progress(project.pytest("--dist=each", "--tx=2*popen", "-v")) == [
        ("gw0", "PASSED", "test_a.py::test_a"),
        ("gw1", "PASSED", "test_a.py::test_a"),
    ]


def test_dots_end_at_a_hundred_per_cent_of_all_environments(project: Project) -> None:
    project.write({"test_a.py": "def test_a(): pass\n"})
    answer = project.pytest("--dist=each", "--tx=3*popen")
    assert [line.split() for line in answer.lines if "%]" in line] == [["...", "[100%]"]]


def test_quiet_is_quiet(project: Project) -> None:
    project.write({"test_a.py": "def test_a(): pass\n"})
    dots, summary = project.pytest("-n2", "-q").lines
    assert dots.split() == [".", "[100%]"]
    assert re.fullmatch(r"1 passed in .*s", summary)


@near_and_far
def test_no_terminal_says_nothing(project: Project, arguments: tuple[str, ...]) -> None:
    project.write(FIVE)
    answer = project.pytest(*arguments, "-p", "no:terminal")
    assert (answer.status, answer.output) == (1, "")


@near_and_far
def test_a_failure_names_worker_and_interpreter_and_explains(
    project: Project, arguments: tuple[str, ...]
) -> None:
    project.write(FIVE)
    report = project.pytest(*arguments).section("test_bad")
    assert re.fullmatch(r"\[gw\d\] linux -- Python 3\.\d+\.\d+ /.*", report[0])
    assert ">       assert [1] == [2]" in report
    assert "E       assert [1] == [2]" in report
    assert "E         At index 0 diff: 1 != 2" in report


def test_junit_of_workers_here_is_that_of_no_workers(project: Project) -> None:
    project.write(FIVE)

    def cases(*arguments: str) -> tuple[dict[str, str | None], list[tuple[str, ...]]]:
        project.pytest(*arguments, "--junitxml=junit.xml")
        (suite,) = ET.parse(project.directory / "junit.xml").getroot().findall("testsuite")
        counts = {key: suite.get(key) for key in ("name", "tests", "failures", "errors", "skipped")}
        found = [
            (
                str(case.get("classname")),
                str(case.get("name")),
                *(str(child.get("message")) for child in case.findall("failure")),
            )
            for case in suite.iter("testcase")
        ]
        return counts, sorted(found)

    assert cases("-n2") == cases()
