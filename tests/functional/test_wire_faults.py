"""Whatever goes wrong on a wire, no run hangs, and no green one has lost or doubled a test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import interpreters
import projects
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Answer

COUNT: Final = 8
SUITE: Final = f"""
    import pytest

    @pytest.mark.parametrize("number", range({COUNT}))
    def test_it(number):
        pass
    """


def run(tmp_path: Path, faults: str, *arguments: str) -> tuple[Answer, dict[str, dict[str, str]]]:
    """Run a suite that passes on a wire with faults; return what it said, and suite -> outcomes."""
    files = {"pytest.ini": "[pytest]\n", "test_it.py": SUITE}
    project = projects.make(tmp_path / "project", os.environ, files)
    project = project.with_variables({"REMOTEST_FAULTS": faults})
    answer = project.pytest("--junitxml=junit.xml", *arguments)
    return answer, project.junit()


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("report:3:drop", "it broke the protocol: a report of a test is missing"),
        ("ItemFinished:1:drop", "it broke the protocol: the end of a test is missing"),
    ],
)
def test_a_test_of_which_something_is_lost_is_named(
    tmp_path: Path, faults: str, words: str
) -> None:
    answer, suites = run(tmp_path, faults, "-n2")

    assert answer.status == 1
    assert "REMOTEST_FAULTS is set: things will go wrong" in answer.lines
    (outcomes,) = suites.values()
    (lost,) = (name for name, outcome in outcomes.items() if outcome != "passed")
    assert len(outcomes) == COUNT
    place = answer.output.index(f"crashed while running '{lost.replace('.', '.py::', 1)}'")
    assert answer.output[place:].splitlines()[1].startswith(words)


def test_what_comes_twice_is_counted_once(tmp_path: Path) -> None:
    answer, suites = run(tmp_path, "report:2:double,LogFinish:2:double", "-n2")

    assert (answer.status, answer.lines[-1].split()[1:3]) == (0, [str(COUNT), "passed"])
    (outcomes,) = suites.values()
    assert outcomes == {f"test_it.test_it[{number}]": "passed" for number in range(COUNT)}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("any:6:corrupt", "the host broke the protocol: unknown kind of frame b'?'"),
        ("any:6:cut", "the connection was cut, as REMOTEST_FAULTS says"),
        pytest.param(
            "RunItems:1:corrupt",
            "the agent failed: pytest_remotest.messages.ProtocolError: unknown kind of frame b'?'",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_broken_wire_costs_its_own_host_only(tmp_path: Path, fault: str, words: str) -> None:
    pythons = [interpreters.with_pytest(name) for name in ("3.9", "3.13")]
    specs = (f"--tx=popen//python={python}" for python in pythons)

    answer, suites = run(tmp_path, fault, "--dist=each", *specs)

    assert answer.status in (1, 6)  # 1 where a test ran just then.
    (lost,) = (line for line in answer.lines if ": lost: " in line)
    assert lost.partition(": lost: ")[2] == words
    passed_counts = [
        sum(outcome == "passed" for outcome in outcomes.values()) for outcomes in suites.values()
    ]
    assert max(passed_counts) == COUNT
    assert min(passed_counts) < COUNT


def test_a_tree_is_brought_by_the_next_interpreter_where_the_first_is_lost(tmp_path: Path) -> None:
    pythons = [interpreters.with_pytest(name) for name in ("3.9", "3.13")]
    specs = (f"--tx=popen//chdir={tmp_path / 'there'}//python={python}" for python in pythons)

    answer, suites = run(tmp_path, "SyncCommit:1:cut", "--dist=each", "--rsyncdir=.", *specs)

    assert answer.status == 6
    assert sorted(list(outcomes.values()) for outcomes in suites.values()) == [
        ["error"],
        ["passed"] * COUNT,
    ]
    cause = "the connection was cut, as REMOTEST_FAULTS says"
    told = [line.partition(": ")[2] for line in answer.lines if line.startswith("popen//")]
    assert [line for line in told if "lost: " in line or " failed: " in line] == [f"lost: {cause}"]


def test_a_fault_that_is_none(tmp_path: Path) -> None:
    files = {"test_it.py": SUITE}
    project = projects.make(tmp_path / "project", os.environ, files)
    answer = project.with_variables({"REMOTEST_FAULTS": "report:drop"}).pytest("-n2")
    assert answer.status == pytest.ExitCode.USAGE_ERROR
    assert "REMOTEST_FAULTS: 'report:drop': 'drop' is none of 1, 2, 3...; " in answer.output


def test_tests_do_not_see_the_faults_of_their_own_run(tmp_path: Path) -> None:
    files = {
        "pytest.ini": "[pytest]\n",
        "test_it.py": "import os\ndef test_it():\n    assert not os.environ['REMOTEST_FAULTS']\n",
    }
    project = projects.make(tmp_path / "project", os.environ, files)
    answer = project.with_variables({"REMOTEST_FAULTS": "Pong:9:drop"}).pytest("-n1")
    assert answer.status == 0


KINDS: Final = (
    *("SessionStarted", "Collected", "LogStart", "TestReport", "LogFinish", "ItemFinished"),
    *(
        "Idle",
        "Busy",
        "SessionOutput",
        "SessionFinished",
        "WorkerExited",
        "WatchWorkers",
        "SpawnWorker",
    ),
    *("RunItems", "Finish", "Goodbye"),
)
SLOW_TO_NOTICE: Final = {
    # Deadlines of minutes: what a worker may need to start, to end, or to begin a test.
    ("SessionStarted", "drop"),
    ("SessionFinished", "drop"),
    ("SpawnWorker", "drop"),
    ("Finish", "drop"),
    ("RunItems", "drop"),
}


@pytest.mark.slow  # Some 70 runs.
@pytest.mark.parametrize("mode", ["load", "loadscope", "worksteal"])
@pytest.mark.parametrize("action", ["drop", "double", "cut", "corrupt"])
@pytest.mark.parametrize("kind", KINDS)
def test_green_means_that_all_ran_once(tmp_path: Path, kind: str, action: str, mode: str) -> None:
    if (kind, action) in SLOW_TO_NOTICE:
        pytest.skip("nobody notices that before minutes have passed")
    answer, suites = run(tmp_path, f"{kind}:1:{action}", f"--dist={mode}", "--tx=2*popen")

    if answer.status == 0:
        assert answer.lines[-1].split()[1:3] == [str(COUNT), "passed"]
        (outcomes,) = suites.values()
        assert outcomes == {f"test_it.test_it[{number}]": "passed" for number in range(COUNT)}
    else:
        assert answer.status in (1, 6)
