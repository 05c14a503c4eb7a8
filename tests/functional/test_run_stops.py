"""Runs that are stopped: by Ctrl-C, by a failure with ``-x``, by a path that is not there."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
from typing import TYPE_CHECKING, Final

import projects
import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from projects import Project

EVENT_TIMEOUT_S: Final = 60.0

TELLING: Final = """
    import os
    import time

    import pytest

    def tell(what):
        with open(os.environ["FIFO"], "w") as stream:
            stream.write(what + "\\n")
    """


class Fifo:
    """What the tests of a run have told so far, one word a line."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.told: list[str] = []

    def await_words(self, *words: str) -> None:
        """Wait until these were told."""
        while set(words) - set(self.told):
            readable, _, _ = select.select([self._handle], [], [], EVENT_TIMEOUT_S)
            assert readable, f"only {self.told} of {words}"
            self.told += os.read(self._handle, 4096).decode().split()

    def rest(self) -> list[str]:
        """Return all that was told. Called when the run is over."""
        with contextlib.suppress(BlockingIOError):
            self.told += os.read(self._handle, 4096).decode().split()
        return self.told

    def close(self) -> None:
        os.close(self._handle)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Fifo]:
    made = Fifo(tmp_path / "fifo")
    yield made
    made.close()


def make(tmp_path: Path, body: str) -> Project:
    files = {"pytest.ini": "[pytest]\n", "test_it.py": TELLING + body}
    project = projects.make(tmp_path / "project", os.environ, files)
    return project.with_variables({"FIFO": str(tmp_path / "fifo")})


def ctrl_c(process: subprocess.Popen[str]) -> None:
    """Do what a terminal does: signal all processes of its foreground group."""
    os.killpg(process.pid, signal.SIGINT)


def end_of(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Wait for the end of a run, and return its status and lines."""
    output, _ = process.communicate(timeout=EVENT_TIMEOUT_S)
    return process.returncode, output.splitlines()


def test_ctrl_c_interrupts_the_tests_and_tears_their_fixtures_down(
    tmp_path: Path, fifo: Fifo
) -> None:
    project = make(
        tmp_path,
        """
    @pytest.fixture(scope="module")
    def database(worker_id):
        yield
        tell("closed-" + worker_id)

    @pytest.mark.parametrize("number", range(6))
    def test_it(database, number, worker_id):
        if number not in (0, 2):  # Each worker begins with one of these.
            tell("began-" + worker_id)
            time.sleep(1000)
    """,
    )
    with project.start(["pytest", "-n2", "-v"]) as process:
        fifo.await_words("began-gw0", "began-gw1")
        ctrl_c(process)
        status, lines = end_of(process)
    assert status == pytest.ExitCode.INTERRUPTED
    assert [line for line in lines if "!! KeyboardInterrupt !!" in line], lines
    assert re.match(r"=+ 2 passed in ", lines[-1]), lines
    assert sorted(fifo.rest()) == ["began-gw0", "began-gw1", "closed-gw0", "closed-gw1"]
    running = sorted(line.partition("] was running ")[2] for line in lines if " was " in line)
    assert running == ["test_it.py::test_it[1]", "test_it.py::test_it[3]"], lines


def test_a_second_ctrl_c_does_not_wait_for_tests_that_go_on(tmp_path: Path, fifo: Fifo) -> None:
    project = make(
        tmp_path,
        """
    @pytest.mark.parametrize("number", range(4))
    def test_it(number, worker_id):
        try:
            tell("began-" + worker_id)
            time.sleep(1000)
        except KeyboardInterrupt:
            tell("goes-on-" + worker_id)
        time.sleep(1000)
    """,
    )
    with project.start(["pytest", "-n2"]) as process:
        fifo.await_words("began-gw0", "began-gw1")
        ctrl_c(process)
        fifo.await_words("goes-on-gw0", "goes-on-gw1")
        ctrl_c(process)
        status, lines = end_of(process)
    assert status == pytest.ExitCode.INTERRUPTED
    assert [line for line in lines if "!! KeyboardInterrupt !!" in line], lines
    assert re.match(r"=+ no tests ran in ", lines[-1]), lines


@pytest.mark.slow
def test_a_deadline_comes_although_events_have_no_end(tmp_path: Path, fifo: Fifo) -> None:
    """The tests go on after Ctrl-C, so they are killed when their time is over."""
    project = make(
        tmp_path,
        """
    @pytest.mark.parametrize("number", range(2))
    def test_it(number):
        try:
            tell("began")
            time.sleep(1000)
        except KeyboardInterrupt:
            time.sleep(1000)
    """,
    )
    project.write(
        {
            "conftest.py": """
        import os
        import threading

        def pytest_sessionstart(session):
            if "PYTEST_XDIST_WORKER" not in os.environ:
                dsession = session.config.pluginmanager.get_plugin("dsession")
                threading.Thread(target=flood, args=(dsession,), daemon=True).start()

        def flood(dsession):
            while True:
                if dsession.queue.qsize() < 10_000:
                    dsession._wake()
        """
        }
    )
    with project.start(["pytest", "-n1"]) as process:
        fifo.await_words("began")
        ctrl_c(process)
        status, lines = end_of(process)
    assert status == pytest.ExitCode.INTERRUPTED
    assert re.match(r"=+ no tests ran in ", lines[-1]), lines


def test_ctrl_c_while_workers_collect_ends_the_run(tmp_path: Path, fifo: Fifo) -> None:
    project = make(tmp_path, "\n    tell('collects')\n    time.sleep(1000)\n")
    with project.start(["pytest", "-n1"]) as process:
        fifo.await_words("collects")
        ctrl_c(process)
        status, lines = end_of(process)
    assert status == pytest.ExitCode.INTERRUPTED
    assert re.match(r"=+ no tests ran in ", lines[-1]), lines


def test_a_failure_with_x_lets_begin_nothing_on_other_workers(tmp_path: Path, fifo: Fifo) -> None:
    """The other worker's test ends when that worker was told to stop."""
    project = make(
        tmp_path,
        """
    @pytest.mark.parametrize("number", range(16))
    def test_it(number, pytestconfig, worker_id):
        tell("began-" + worker_id)
        if worker_id == "gw0":
            open("other-began").close()  # Waits for the other one.
            assert 0
        open("other-began", "w").close()
        pytestconfig.pluginmanager.get_plugin("remotest").queue.pause(60.0)
    """,
    )
    os.mkfifo(project.directory / "other-began")
    answer = project.pytest("-n2", "-x")
    assert answer.status == pytest.ExitCode.INTERRUPTED
    assert re.match(r"=+ 1 failed, 1 passed in ", answer.lines[-1]), answer.output
    assert sorted(fifo.rest()) == ["began-gw0", "began-gw1"]


def test_a_stop_that_is_asked_for_as_the_last_worker_ends_counts(tmp_path: Path) -> None:
    """As that of ``-x`` by the last test, whose report may come together with the end."""
    project = make(tmp_path, "def test_it(): pass")
    conftest = """
        def pytest_testnodedown(node, error):
            node.config.pluginmanager.getplugin("dsession").shouldstop = "enough"
        """
    project.write({"conftest.py": conftest})
    answer = project.pytest("-n1")
    assert answer.status == 2
    assert "xdist.dsession.Interrupted: enough" in answer.output
    assert "1 passed in" in answer.lines[-1]


def test_a_plugin_that_fails_at_the_end_does_not_keep_a_run_from_its_own(tmp_path: Path) -> None:
    project = make(tmp_path, "def test_it(): pass")
    conftest = """
        import signal
        import pytest

        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure(config):
            if not hasattr(config, "workerinput"):
                print("before:", is_given_back())
                raise OSError("no room for my report")

        def is_given_back():
            return signal.getsignal(signal.SIGINT) is signal.default_int_handler
        """
    script = """
        import conftest, pytest

        try:
            pytest.main(["-n1"])
        finally:
            print("after:", conftest.is_given_back())
        """
    project.write({"conftest.py": conftest, "run.py": script})
    answer = project.type_command([sys.executable, "run.py"])
    assert [line for line in answer.lines if line.startswith(("before: ", "after: "))] == [
        "before: False",
        "after: True",
    ]
    assert answer.lines[-1] == "OSError: no room for my report"


def test_a_path_that_is_not_there_ends_with_4(tmp_path: Path) -> None:
    answer = make(tmp_path, "").pytest("-n2", "no_such_file.py")
    assert answer.status == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: file or directory not found: no_such_file.py" in answer.output
