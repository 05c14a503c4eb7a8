"""However a run ends, nothing of it is left: no process on any host, this machine included."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final

import interpreters
import leftovers
import pytest
import sshd
from leftovers import COOKIE

from pytest_remotest import holders

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from leftovers import Leftovers
    from sshd import SshServer

END_TIMEOUT_S: Final = 60.0
"""For a run that was told to end: 10 s are promised."""


class Place:
    """Where a run has its workers.

    Attributes:
        left: the project.
        options: what makes pytest run there.
        server: the ssh server, where there is one.
        cache: the cache directory that a host has.
    """

    def __init__(self, left: Leftovers, options: list[str], server: SshServer | None) -> None:
        self.left = left
        self.options = options
        self.server = server
        self.cache = left.temporary.parent / "home" / ".cache"

    def leases(self) -> list[str]:
        """Return what is still held in the cache by a process that lives."""
        names = [
            path
            for path in self.cache.rglob("*")
            if path.name.startswith(("owner.", "holder.")) or ".lease." in path.name
        ]
        return [str(path) for path in names if holders.is_alive(os.fsencode(path))]


@contextlib.contextmanager
def placed(directory: Path, name: str, *, waits: str) -> Iterator[Place]:
    """Give a run of ``here``, of an interpreter ``here 3.6``, or of one on a host: ``ssh 3.6``."""
    kind, _, version = name.partition(" ")
    with contextlib.ExitStack() as stack:
        left = stack.enter_context(
            leftovers.leaving(directory, os.environ, {"test_it.py": leftovers.SUITE}, waits=waits)
        )
        if not version:
            yield Place(left, ["-n2"], None)
            return
        server, spec = None, "popen"
        if kind == "ssh":
            (directory / "home").mkdir()
            variables = {COOKIE: left.cookie, "TMPDIR": str(left.temporary)}
            server = stack.enter_context(
                sshd.running(directory, home=directory / "home", environment=variables)
            )
            spec = f"{server.spec}//env:FIFO//env:WAITS"
        python = interpreters.with_pytest(version)
        yield Place(left, ["-d", f"--tx={spec}//python={python}"], server)


def ctrl_c(_: Place, process: subprocess.Popen[str]) -> None:
    """Do what a terminal does: signal all processes of its foreground group."""
    os.killpg(process.pid, signal.SIGINT)


def ctrl_c_twice(place: Place, process: subprocess.Popen[str]) -> None:
    """The test does not end by the first one, which has come to it when the file is there."""
    ctrl_c(place, process)
    assert leftovers.comes(place.left.fifo), "the first has not come to the test"
    ctrl_c(place, process)


def signalled(number: signal.Signals) -> Callable[[Place, subprocess.Popen[str]], None]:
    return lambda _, process: process.send_signal(number)


def cut_link(place: Place, process: subprocess.Popen[str]) -> None:
    if place.server is None:  # The link is a pair of sockets, which ends with either process.
        process.kill()
    else:
        place.server.cut_links()


def kill_agent(place: Place, _: subprocess.Popen[str]) -> None:
    for pid in place.left.agents():
        os.kill(pid, signal.SIGKILL)


def freeze_agent(place: Place, process: subprocess.Popen[str]) -> None:
    for pid in place.left.agents():
        os.kill(pid, signal.SIGSTOP)
    process.kill()


LOST: Final = {pytest.ExitCode.OK, -signal.SIGKILL}
"""A host that comes back runs the test once more; a controller that was killed runs nothing."""
ENDS: Final = {
    "Ctrl-C": (ctrl_c, {pytest.ExitCode.INTERRUPTED}),
    "Ctrl-C twice": (ctrl_c_twice, {pytest.ExitCode.INTERRUPTED}),
    "SIGTERM": (signalled(signal.SIGTERM), {128 + signal.SIGTERM}),
    "SIGHUP": (signalled(signal.SIGHUP), {128 + signal.SIGHUP}),
    "SIGKILL": (signalled(signal.SIGKILL), {-signal.SIGKILL}),
    "a cut link": (cut_link, LOST),
    "a killed agent": (kill_agent, LOST),
    "a frozen agent": (freeze_agent, LOST),
}
UNTIDY: Final = {"a killed agent", "a frozen agent"}
"""Ends after which the next run removes the temporary folder: nobody else is there."""

QUICK: Final = {
    *(("here", "Ctrl-C"), ("here", "SIGTERM"), ("here pypy3", "a killed agent")),
    *(("ssh 3.6", "Ctrl-C twice"), ("ssh 3.6", "SIGKILL"), ("ssh 3.6", "a cut link")),
}
"""What is tried whenever tests run; the slow tests have the rest."""


@pytest.mark.parametrize(
    "place",
    [
        *("here", "ssh 3.6", f"ssh {interpreters.PYPY}"),
        pytest.param("ssh 3.13", marks=pytest.mark.slow),
    ],
)
def test_a_normal_end(tmp_path: Path, place: str) -> None:
    with placed(tmp_path, place, waits="") as run:
        answer = run.left.project.pytest(*run.options)

        assert answer.status == 0, answer.output
        assert run.left.survivors() == []
        assert run.left.files() == []
        assert run.leases() == []


@pytest.mark.parametrize(
    ("place", "end"),
    [
        pytest.param(place, end, marks=[] if (place, end) in QUICK else pytest.mark.slow)
        for place in ("here", "here 3.6", f"here {interpreters.PYPY}", "ssh 3.6", "ssh 3.13")
        for end in ENDS
    ],
)
def test_a_sudden_end(tmp_path: Path, place: str, end: str) -> None:
    end_it, statuses = ENDS[end]
    with placed(tmp_path, place, waits="twice" if end == "Ctrl-C twice" else "once") as run:
        with run.left.started(run.options) as process:
            run.left.await_start()
            end_it(run, process)
            output, _ = process.communicate(timeout=END_TIMEOUT_S)

        assert run.left.survivors() == [], output
        assert process.returncode in statuses, output
        assert run.leases() == []
        if end in UNTIDY:
            assert run.left.project.with_variables({"WAITS": ""}).pytest("-n1").status == 0
        assert run.left.files() == []


def test_a_controller_that_stops_for_longer_than_its_host_waits(tmp_path: Path) -> None:
    """As a laptop does that is suspended: no end of the connection is seen."""
    with placed(tmp_path, "ssh 3.9", waits="once") as run:
        options = [option.replace("--tx=ssh=", "--tx=heartbeat=1//ssh=") for option in run.options]
        with run.left.started(options) as process:
            run.left.await_start()
            process.send_signal(signal.SIGSTOP)
            assert run.left.survivors(besides=process.pid) == []
            process.send_signal(signal.SIGCONT)
            output, _ = process.communicate(timeout=END_TIMEOUT_S)

        assert run.left.survivors() == []
    assert process.returncode == 0, output
    assert "connected again" in output
    assert "it runs again elsewhere" in output


def test_a_run_that_is_stopped_by_maxfail(tmp_path: Path) -> None:
    with placed(tmp_path, "ssh 3.9", waits="") as run:
        run.left.project.write({"test_a.py": "def test_failing():\n    assert 0\n"})
        answer = run.left.project.pytest(*run.options, "-x", "test_it.py", "test_a.py")

        assert run.left.survivors() == []
    assert answer.status == pytest.ExitCode.INTERRUPTED
    assert "stopping after 1 failures" in answer.output
