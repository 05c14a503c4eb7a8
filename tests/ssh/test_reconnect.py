"""Hosts that are lost in the middle of a run, and come back or do not."""

from __future__ import annotations

import contextlib
import os
import select
from typing import IO, TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import interpreters
import projects
import pytest
import sshd
from faultlab import proxy

from remotest.run.agents import FAULTS_TO_QUARANTINE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from projects import Answer
    from sshd import SshServer

START_TIMEOUT_S: Final = 60.0

WAITING: Final = {
    "pytest.ini": "[pytest]\n",
    "test_it.py": """
        import time

        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_number(number, worker_id):
            if number == 2 and worker_id == "doomed":
                time.sleep(1000)
        """,
    "conftest.py": """
        import os

        class Controller:
            def pytest_runtest_logstart(self, nodeid):
                if nodeid.endswith("[2]"):
                    fifo = os.open(os.environ["FIFO"], os.O_RDWR)
                    os.write(fifo, b"here")
                    os.close(fifo)

        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                config.pluginmanager.register(Controller())
        """,
}
"""The worker of the name of ``id=`` does not come beyond its third test; those after it do.

It is the controller that tells that this test has begun: only then it knows, and can say, what ran
there.
"""


class Run:
    """A run on the host ``myhost`` that has come to the test on which it is to be lost."""

    def __init__(self, tmp_path: Path, server: SshServer) -> None:
        self.server = server
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        environment = {**os.environ, "FIFO": str(fifo)}
        self.project = projects.make(tmp_path / "project", environment, WAITING)
        self._fifo = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self._lines: list[str] = []
        self._output: IO[str]

    @contextlib.contextmanager
    def doing(self, *arguments: str) -> Iterator[None]:
        """Begin the run; wait until the test runs, and at the end for the end of the run."""
        python = interpreters.with_pytest("3.9")
        spec = f"{self.server.spec}//python={python}//id=doomed//heartbeat=2"
        command = ["pytest", "-d", "--junitxml=junit.xml", f"--tx={spec}", *arguments]
        with self.project.start(command) as process:
            assert process.stdout is not None
            self._output = process.stdout
            readable, _, _ = select.select([self._fifo], [], [], START_TIMEOUT_S)
            os.close(self._fifo)
            assert readable, "no test has begun"
            yield
            self._lines += self._output.readlines()
        self.answer: Answer = projects.Answer(
            status=process.returncode, output="".join(self._lines)
        )

    def wait_for(self, text: str) -> None:
        """Wait until the run has printed a text."""
        while not self._lines or text not in self._lines[-1]:
            line = self._output.readline()
            assert line, f"the run has ended without {text!r}:\n{''.join(self._lines)}"
            self._lines.append(line)

    def outcomes(self) -> list[str]:
        """Return the outcomes of the tests in the JUnit file."""
        root = ET.parse(self.project.directory / "junit.xml").getroot()
        return [
            "passed" if len(case) == 0 or case.find("properties") is not None else case[0].tag
            for case in root.iter("testcase")
        ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with sshd.running(tmp_path, name="myhost") as server:
        yield server


@pytest.fixture
def run(tmp_path: Path, server: SshServer) -> Run:
    return Run(tmp_path, server)


def test_a_host_that_is_restarted_goes_on(run: Run, server: SshServer) -> None:
    with run.doing():
        server.stop()
        run.wait_for(": connecting again, for up to 120 s")
        server.start()

    answer = run.answer
    assert answer.status == 0, answer.output
    assert run.outcomes() == ["passed"] * 8
    assert " 8 passed in " in answer.lines[-1]
    (line,) = answer.section("hosts that were lost and came back")
    assert ": lost once, the last time: " in line
    moved = "doomed was lost while running test_it.py::test_number[2]: it runs again elsewhere"
    assert moved in answer.lines
    junit = (run.project.directory / "junit.xml").read_text()
    # Beside the one that ran, those that it was kept ahead may have begun: how many is the link's.
    assert 1 <= junit.count('name="remotest_moved"') <= 6


def test_a_host_that_does_not_come_back_is_named(run: Run, server: SshServer) -> None:
    with run.doing("--reconnect=2"):
        server.stop()

    answer = run.answer
    assert answer.status == 6, answer.output
    refused = f"127.0.0.1:{server.port} refused the connection; tried"
    (given_up,) = [line for line in answer.lines if ": given up: not back " in line]
    assert refused in given_up
    (ended,) = [line for line in answer.lines if "did not run to its end: not back " in line]
    assert refused in ended
    assert len(answer.section("tests without an outcome")) == 6
    assert "connect failed" not in answer.output
    assert run.outcomes() == ["passed"] * 2 + ["error"]


@pytest.mark.slow
def test_a_host_that_comes_back_as_another_is_not_tried_again(run: Run, server: SshServer) -> None:
    with run.doing():
        server.stop()
        run.wait_for(": connecting again, ")
        server.new_host_key()

    answer = run.answer
    assert answer.status == 6, answer.output
    assert "the machine was reinstalled, or somebody is in between" in answer.output
    server.stop()  # The log is complete then.
    assert server.log().count("Connection from") == 1


@pytest.mark.slow
def test_a_host_that_goes_without_a_word_is_connected_anew(run: Run, server: SshServer) -> None:
    with through_proxy(server) as link, run.doing():
        link.blackhole()
        run.wait_for(": connecting again, ")
        link.heal()

    answer = run.answer
    assert answer.status == 0, answer.output
    assert run.outcomes() == ["passed"] * 8


@pytest.mark.slow
def test_a_host_that_goes_again_and_again_is_quarantined(run: Run, server: SshServer) -> None:
    with through_proxy(server) as link, run.doing():
        for number in range(FAULTS_TO_QUARANTINE):  # Each time before the next agent has begun.
            link.after(proxy.TO_HOST, 20_000 * number, link.cut)
        link.cut()

    answer = run.answer
    assert answer.status == 6, answer.output
    assert f"quarantined: lost or not started {FAULTS_TO_QUARANTINE} times; " in answer.output


@contextlib.contextmanager
def through_proxy(server: SshServer) -> Iterator[proxy.Proxy]:
    """Let the configuration of a server's clients lead through a proxy."""
    with proxy.running(server.port) as link:
        for path in (server.ssh_config_path, server.known_hosts):
            path.write_text(path.read_text().replace(str(server.port), str(link.port)))
        yield link
