"""Workers that are stopped, frozen or say nothing are ended and named; others never are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import freezer
import projects
import pytest

if TYPE_CHECKING:
    from projects import Project

# Each lasts three times as long as one that is stopped has: only time shows that it is left alone.
HARMLESS: Final = """
    import ctypes
    import os
    import signal
    import subprocess
    import time

    def test_that_holds_the_lock():
        ctypes.PyDLL(None).sleep(3)

    def test_that_sleeps():
        time.sleep(3)

    def test_that_is_continued():
        subprocess.Popen(["sh", "-c", "kill -STOP $0; sleep 0.5; kill -CONT $0", str(os.getpid())])
        time.sleep(3)

    def test_whose_child_is_stopped():
        child = subprocess.Popen(["sleep", "1000"])
        child.send_signal(signal.SIGSTOP)
        time.sleep(3)
        child.kill()
    """

HANGING: Final = """
    import subprocess
    import time

    import pytest

    @pytest.mark.parametrize("number", range(4))
    def test_that_passes(number):
        pass

    def wait_for_a_lock_that_nobody_lets_go_of():
        time.sleep(1000)

    def test_that_hangs():
        for separate in (False, True):
            child = subprocess.Popen(["sleep", "1000"], start_new_session=separate)
            with open("children", "a") as file:
                print(child.pid, file=file)
        wait_for_a_lock_that_nobody_lets_go_of()
    """


def make(tmp_path: Path, body: str, *, ini: str = "") -> Project:
    files = {"pytest.ini": "[pytest]\n" + ini, "test_it.py": body}
    return projects.make(tmp_path / "project", os.environ, files)


def test_a_worker_that_is_stopped_is_ended_and_replaced(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        """
    import os
    import signal

    def test_that_stops_its_worker():
        os.kill(os.getpid(), signal.SIGSTOP)

    def test_that_passes():
        pass
    """,
    )

    answer = project.pytest("-d", "--tx=popen//heartbeat=1", "--junitxml=junit.xml")

    assert answer.status == 1
    words = "was stopped (SIGSTOP) for 1 s and was killed"
    test = "test_it.py::test_that_stops_its_worker"
    assert f"[gw0] node down: {words}" in answer.lines
    assert f"worker 'gw0' {words} while running {test!r}" in answer.lines
    assert " 1 failed, 1 passed in " in answer.lines[-1]
    (suite,) = project.junit().values()
    assert suite == {
        "test_it.test_that_stops_its_worker": "error",
        "test_it.test_that_passes": "passed",
    }


def test_who_computes_sleeps_or_goes_on_is_left_alone(tmp_path: Path) -> None:
    project = make(tmp_path, HARMLESS)

    answer = project.pytest("-d", "--tx=4*popen//heartbeat=1", "--worker-timeout=60")

    assert " 4 passed in " in answer.lines[-1], answer.output


def test_a_worker_that_says_nothing_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    project = make(tmp_path, HANGING)

    answer = project.pytest("-n1", "--worker-timeout=3s")  # It must have time to start.

    assert answer.status == 1
    words = "said nothing for 3 s (--worker-timeout) and was killed"
    first = f"worker 'gw0' {words} while running 'test_it.py::test_that_hangs'"
    dump = answer.lines[answer.lines.index(first) + 1 :]
    assert dump[0].startswith("Current thread ")
    assert [line.rpartition(" in ")[2] for line in dump[1:3]] == [
        "wait_for_a_lock_that_nobody_lets_go_of",
        "test_that_hangs",
    ]
    assert " 1 failed, 4 passed in " in answer.lines[-1]
    for pid in (project.directory / "children").read_text().split():
        assert not Path("/proc", pid).exists()


def test_who_prints_or_has_no_test_to_run_has_time(tmp_path: Path) -> None:
    """One worker prints now and then, the other is long since at the end of its session."""
    body = """
    import os
    import time

    def test_that_prints():
        for _ in range(10):
            time.sleep(0.4)
            os.write(2, b".")

    def test_that_passes():
        pass
    """
    project = make(tmp_path, body, ini="worker_timeout = 2\n")
    project.write(
        {
            "conftest.py": """
            import os
            import time

            def pytest_sessionfinish():
                if os.environ.get("PYTEST_XDIST_WORKER") == "gw1":
                    time.sleep(4)
            """
        }
    )

    answer = project.pytest("-n2", "-s")

    assert (answer.status, answer.lines[-1].split()[1:3]) == (0, ["2", "passed"]), answer.output


@pytest.mark.parametrize("letter", ["~", pytest.param("\\0", marks=pytest.mark.slow)])
def test_a_worker_whose_pipe_a_test_writes_to_is_ended_and_named(
    tmp_path: Path, letter: str
) -> None:
    body = """
    import os
    import stat
    import time

    def test_that_passes():
        pass

    def test_that_writes_to_all_pipes():
        with open("runs", "a") as file:
            file.write("x")
        for descriptor in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                    os.write(descriptor, b"LETTER" * 100)
            except OSError:
                pass
        time.sleep(1000)
    """.replace("LETTER", letter)
    project = make(tmp_path, body)

    answer = project.pytest("-n1")

    assert (
        "worker 'gw0' wrote to its agent what is no message, and was killed while running "
        "'test_it.py::test_that_writes_to_all_pipes'"
    ) in answer.lines, answer.output
    assert " 1 failed, 1 passed in " in answer.lines[-1]
    assert (project.directory / "runs").read_text() == "x"


def test_a_worker_timeout_that_is_none(tmp_path: Path) -> None:
    project = make(tmp_path, HANGING, ini="worker_timeout = soon\n")

    answer = project.pytest("-n2")

    assert answer.status == pytest.ExitCode.USAGE_ERROR
    assert "worker_timeout = soon: it must be a duration, as 90, 90s, 10m or 1h" in answer.output


@pytest.mark.slow  # Twice 5 s pass until a process counts as one that cannot be killed.
def test_a_worker_that_cannot_even_be_killed_is_given_up(tmp_path: Path) -> None:
    body = """
    import os

    def test_that_freezes():
        with open(os.environ["GROUP"] + "/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))
        with open(os.environ["GROUP"] + "/freezer.state", "w") as file:
            file.write("FROZEN")

    def test_that_passes():
        pass
    """
    with freezer.group() as group:
        project = make(tmp_path, body).with_variables({"GROUP": str(group)})
        answer = project.pytest("-d", "--tx=popen//heartbeat=1")

    assert answer.status == 1
    words = "was frozen by a control group for 1 s and was killed, but does not go away"
    test = "test_it.py::test_that_freezes"
    assert f"worker 'gw0' {words} while running {test!r}" in answer.lines
    assert " 1 failed, 1 passed in " in answer.lines[-1]
