"""Whoever stops without a word is noticed, on both sides of a link, and nothing stays behind."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Final

import interpreters
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from projects import Project

WAIT_S: Final = 30

STOPPING: Final = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import os

        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                config.pluginmanager.register(Controller())

        class Controller:
            def pytest_runtest_logstart(self, nodeid):
                if nodeid.endswith("test_that_stops_its_host"):
                    open(os.environ["SEEN"], "w").close()
        """,
    "test_it.py": """
        import os
        import signal
        import time

        def parent_of(pid):
            with open("/proc/%d/stat" % pid) as file:
                return int(file.read().rpartition(")")[2].split()[1])

        def test_that_ends():
            pass

        def test_that_stops_its_host():
            held = open(os.environ["FIFO"], "w")  # Its reader sees when this process is gone.
            open(os.environ["SEEN"]).close()  # The controller knows what runs here.
            pid = os.getppid()
            for _ in range(int(os.environ["LEVELS"])):
                pid = parent_of(pid)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(1000)
        """,
}

SILENT: Final = (
    "no sign of life for 1 s: its machine, the network on the way or its agent has stopped"
)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[int]:
    """A FIFO at ``tmp_path / "fifo"``, open for reading."""
    os.mkfifo(tmp_path / "fifo")
    descriptor = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def ends(descriptor: int) -> bool:
    """Wait until whoever writes to a FIFO is gone."""
    poller = select.poll()
    poller.register(descriptor, 0)  # Nothing but the end is looked for.
    return poller.poll(WAIT_S * 1000) == [(descriptor, select.POLLHUP)]


@pytest.mark.parametrize(
    ("spec", "levels"),
    [
        pytest.param("popen", 0, id="the agent here"),
        pytest.param("ssh=myhost", 0, id="the agent on a host"),
        pytest.param("ssh=myhost", 2, id="the connection of a host"),
    ],
)
def test_what_stops_is_noticed_and_given_up(
    project: Project, tmp_path: Path, fifo: int, spec: str, levels: int
) -> None:
    project.write(STOPPING)
    python = interpreters.with_pytest("3.9")
    os.mkfifo(tmp_path / "seen")
    project = project.with_variables({"SEEN": f"{tmp_path}/seen"})
    variables = f"env:FIFO={tmp_path}/fifo//env:LEVELS={levels}//env:SEEN"

    tx = f"--tx={spec}//python={python}//heartbeat=1//{variables}"
    answer = project.pytest("-d", "--reconnect=0", tx)

    assert answer.status == 1
    assert f"{spec}//python={python}: lost: {SILENT}" in answer.lines
    label = "local-py39" if spec == "popen" else "myhost-py39"
    assert f"{label} did not run to its end: {SILENT}" in answer.lines
    test = "test_it.py::test_that_stops_its_host"
    assert f"worker 'gw0' was lost with its host while running {test!r}" in answer.lines
    assert " 1 failed, 1 passed in " in answer.lines[-1]
    assert ends(fifo)
