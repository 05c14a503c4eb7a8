"""However a run ends, no process of it is left on the host."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interpreters
import projects
import pytest
import sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projects import Project
    from sshd import SshServer

GONE_WITHIN_S: Final = 10.0
"""After the controller's end: the promise to users."""

START_TIMEOUT_S: Final = 60.0

SUITE: Final = """
    import os
    import signal
    import subprocess
    import time

    STUBBORN = "trap '' HUP INT TERM; while :; do sleep 1000; done"

    def test_children():
        subprocess.Popen(["sleep", "1000"])
        subprocess.Popen(["sh", "-c", STUBBORN])
        subprocess.Popen(["sh", "-c", STUBBORN], preexec_fn=os.setsid)
        # A daemon as of old: its parent is gone, and so is its session.
        subprocess.Popen(["sh", "-c", "setsid sh -c \\"%s\\" &" % STUBBORN]).wait()

    def test_the_end():
        with open(os.environ["FIFO"], "w") as stream:
            stream.write("here\\n")
        if os.environ["WAITS"] == "yes":
            time.sleep(1000)
    """


@contextlib.contextmanager
def host(tmp_path: Path) -> Iterator[tuple[SshServer, str]]:
    """Run a host; whatever its sessions start has a cookie in its environment."""
    cookie = f"REMOTEST_COOKIE={uuid.uuid4().hex}"
    home = tmp_path / "home"
    home.mkdir()
    name, _, value = cookie.partition("=")
    with sshd.running(tmp_path, home=home, environment={name: value}) as server:
        yield server, cookie


def processes_with(cookie: str) -> list[int]:
    """Return the ids of living processes that have ``NAME=value`` in their environment."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It has ended, or is another user's.
            if cookie.encode() in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


def survivors(cookie: str) -> list[int]:
    """Return the processes that are still there when the time that they have is over."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while alive := processes_with(cookie):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(alive[0])
            select.select([handle], [], [], left_s)
            os.close(handle)
    return alive


def make_suite(tmp_path: Path, *, waits: bool) -> Project:
    os.mkfifo(tmp_path / "fifo")
    project = projects.make(
        tmp_path / "project", os.environ, {"pytest.ini": "[pytest]\n", "test_it.py": SUITE}
    )
    return project.with_variables(
        {"FIFO": str(tmp_path / "fifo"), "WAITS": "yes" if waits else "no"}
    )


@contextlib.contextmanager
def listening(project: Project) -> Iterator[int]:
    """Open the FIFO of a suite for reading, so that its tests can write to it."""
    handle = os.open(project.environment["FIFO"], os.O_RDWR | os.O_NONBLOCK)
    try:
        yield handle
    finally:
        os.close(handle)


def command(server: SshServer, name: str = "3.9") -> list[str]:
    python = interpreters.with_pytest(name)
    return ["pytest", "-d", f"--tx={server.spec}//python={python}//env:FIFO//env:WAITS"]


@pytest.mark.parametrize("name", ["3.6", "3.13", interpreters.PYPY])
def test_a_normal_end(tmp_path: Path, name: str) -> None:
    project = make_suite(tmp_path, waits=False)
    with host(tmp_path) as (server, cookie), listening(project):
        answer = project.type_command(command(server, name))

        assert answer.status == 0, answer.output
        assert survivors(cookie) == []


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, pytest.ExitCode.INTERRUPTED),
        (signal.SIGTERM, None),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_sudden_end(tmp_path: Path, number: signal.Signals, status: int | None) -> None:
    project = make_suite(tmp_path, waits=True)
    with host(tmp_path) as (server, cookie), listening(project) as fifo:
        with project.start(command(server)) as process:
            readable, _, _ = select.select([fifo], [], [], START_TIMEOUT_S)
            assert readable, "no test has begun"
            assert len(processes_with(cookie)) > 4
            os.killpg(process.pid, number)
            output, _ = process.communicate(timeout=START_TIMEOUT_S)

        assert survivors(cookie) == []
    assert process.returncode == status if status is not None else process.returncode != 0
    if number is signal.SIGINT:
        assert "!! KeyboardInterrupt !!" in output


def test_a_run_that_is_stopped_by_maxfail(tmp_path: Path) -> None:
    project = make_suite(tmp_path, waits=True)
    project.write({"test_a.py": "def test_failing():\n    assert 0\n"})
    project.write({"test_it.py": SUITE.replace("def test_the_end", "def leave_out")})
    with host(tmp_path) as (server, cookie):
        answer = project.type_command([*command(server), "-x", "test_it.py", "test_a.py"])

        assert survivors(cookie) == []
    assert answer.status == pytest.ExitCode.INTERRUPTED
    assert "stopping after 1 failures" in answer.output
