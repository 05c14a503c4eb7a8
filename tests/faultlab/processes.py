"""Who is still there after a run: processes are known by a variable in their environment."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

GONE_WITHIN_S: Final = 10.0
"""After the controller's end: the promise to users."""


KILL_TIMEOUT_S: Final = 20.0
"""A killed process that is not gone by then hangs in the kernel."""


def with_variable(name: str, value: str) -> list[int]:
    """Return the ids of living processes that were started with ``name=value``."""
    wanted = f"{name}={value}".encode()
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It has ended, or is another user's.
            if wanted in (directory / "environ").read_bytes().split(b"\0"):
                found.append(int(directory.name))
    return found


def is_alive(process_id: int) -> bool:
    """Return whether there is such a process, and it is not dead and only not collected yet."""
    try:
        stat = Path(f"/proc/{process_id}/stat").read_bytes()
    except OSError:
        return False
    return stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def left_after(find: Callable[[], list[int]], within_s: float = GONE_WITHIN_S) -> list[int]:
    """Return the processes that are still found when the time that they have is over."""
    deadline = time.monotonic() + within_s
    while alive := find():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        _await_end(alive[0], left_s)
    return alive


def describe(process_id: int) -> str:
    """Return the command line of a process; nothing if it is gone."""
    try:
        words = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(word.decode("utf-8", "replace") for word in words[:3])


def kill_all(find: Callable[[], list[int]]) -> None:
    """End every process that is found; wait until they are gone.

    Raises:
        AssertionError: one of them cannot be ended.
    """
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while alive := find():
        assert time.monotonic() < deadline, f"cannot be killed: {alive}"
        for process_id in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        _await_end(alive[0], KILL_TIMEOUT_S)


def _await_end(process_id: int, within_s: float) -> None:
    """Wait until a process is gone, or for so long."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(process_id)
        select.select([handle], [], [], within_s)
        os.close(handle)
