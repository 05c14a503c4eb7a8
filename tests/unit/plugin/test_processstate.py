"""What real processes are doing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

import freezer
import pytest

from pytest_remotest import processstate
from pytest_remotest.processstate import FROZEN, MOVING, STOPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S: Final = 30.0


@pytest.fixture
def child() -> Iterator[int]:
    """A process that sleeps."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process.pid
    process.kill()
    process.wait()


def await_state(pid: int, what: str, proc: str = "/proc") -> processstate.ProcessState:
    """Look until a process does something: what a signal asks for takes a moment."""
    deadline = time.monotonic() + WAIT_S
    while True:
        state = processstate.look_at([pid], proc)[pid]
        if state.what == what or time.monotonic() > deadline:
            return state


@pytest.mark.parametrize("proc", ["/proc", "/no/proc"], ids=["proc", "ps"])
def test_a_process_is_stopped_and_goes_on(child: int, proc: str) -> None:
    assert await_state(child, MOVING, proc).signal == ""
    os.kill(child, signal.SIGSTOP)
    state = await_state(child, STOPPED, proc)
    assert (state.what, state.signal) == (STOPPED, "SIGSTOP")
    assert processstate.look_at([child], proc)[child] == state
    os.kill(child, signal.SIGCONT)
    state = await_state(child, MOVING, proc)
    assert (state.what, state.signal) == (MOVING, "")


def test_that_a_process_has_run_is_seen(child: int) -> None:
    os.kill(child, signal.SIGSTOP)
    before = await_state(child, STOPPED)
    os.kill(child, signal.SIGCONT)
    await_state(child, MOVING)
    os.kill(child, signal.SIGSTOP)
    after = await_state(child, STOPPED)
    assert (after.what, after.signal) == (before.what, before.signal)
    assert after.moves != before.moves


@pytest.mark.parametrize("proc", ["/proc", "/no/proc"], ids=["proc", "ps"])
def test_who_is_gone_is_not_told_of(proc: str) -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert processstate.look_at([process.pid], proc) == {}


def test_where_there_is_no_ps_nothing_is_told(child: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/no/bin")
    assert processstate.look_at([child], "/no/proc") == {}


def test_a_process_is_frozen() -> None:
    with freezer.group() as group:
        process = subprocess.Popen(["sleep", "1000"])
        try:
            (group / "cgroup.procs").write_text(str(process.pid))
            (group / "freezer.state").write_text("FROZEN")
            assert await_state(process.pid, FROZEN).what == FROZEN
        finally:
            (group / "freezer.state").write_text("THAWED")
            process.kill()
            process.wait()
