"""What a tree of processes uses: CPU seconds, memory, threads. Linux only.

The program that measures adopts what its children leave behind, so that the CPU seconds of a
daemon's child are counted like any other's.
"""

from __future__ import annotations

import abc
import contextlib
import ctypes
import os
import resource
import threading
import time
from pathlib import Path
from typing import Final

from bench.measure import NotMeasuredError

PR_SET_CHILD_SUBREAPER: Final = 36
"""From linux/prctl.h."""

PROC: Final = Path("/proc")

END_TIMEOUT_S: Final = 30.0
"""For what a run leaves behind to end."""

ORPHAN_LOOK_S: Final = 0.01
"""Between two looks at what is left: to wait for any child would take those of others, too."""

LOOK_INTERVAL_S: Final = 0.1
"""Between two looks at processes: peaks that matter last longer."""

LOOK_SHARE: Final = 0.05
"""Of a CPU that looking may take: with many processes a look takes long."""


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process; call it once, at the start."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def wait_for_orphans(but: set[int]) -> None:
    """Wait for adopted processes: what they have used is known only then.

    Args:
        but: children that somebody else waits for.
    """
    deadline = time.monotonic() + END_TIMEOUT_S
    while orphans := set(children_of(os.getpid())) - but:
        for pid in orphans:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            raise NotMeasuredError(f"processes that were left behind do not end: {orphans}")
        time.sleep(ORPHAN_LOOK_S)


def cpu_s() -> float:
    """Return the CPU seconds of all descendants that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def whole_cpu_s() -> float:
    """As ``cpu_s``, and those of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return cpu_s() + usage.ru_utime + usage.ru_stime


def machine_cpu_s() -> tuple[float, float]:
    """Return the seconds that all CPUs have worked, and those that passed, since the boot."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    ticks = [int(field) for field in fields]
    idle = ticks[3] + ticks[4]  # idle, and waiting for a disk
    per_s = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - idle) / per_s, sum(ticks) / per_s


def children_of(pid: int) -> list[int]:
    """Return the children of all threads of a process; none if it has ended."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in (PROC / str(pid) / "task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def tree_of(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found, to_visit = [], [pid]
    while to_visit:
        found.append(to_visit.pop())
        to_visit += children_of(found[-1])
    return found


def value_of(pid: int, name: str, field: str) -> int:
    """Return a number of ``/proc/PID/NAME``, such as (``status``, ``VmHWM``); 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / name).read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0


class Watch(abc.ABC):
    """Looks at a process and its descendants until it is told to stop, in a thread."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peaks: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """Return the most that each figure was."""
        self._over.set()
        self._thread.join()
        return self._peaks

    @abc.abstractmethod
    def look(self, pids: list[int]) -> dict[str, float]:
        """Return what the figures are now.

        Args:
            pids: the process and all its descendants.
        """

    def _look_again(self) -> None:
        wait_s = LOOK_INTERVAL_S
        while not self._over.wait(wait_s):
            before_s = time.thread_time()
            for name, value in self.look(tree_of(self._pid)).items():
                self._peaks[name] = max(value, self._peaks.get(name, 0.0))
            wait_s = max(LOOK_INTERVAL_S, (time.thread_time() - before_s) / LOOK_SHARE)


class TreeMemory(Watch):
    """``pss_mb``: memory of all processes together; what they share is counted once."""

    def look(self, pids: list[int]) -> dict[str, float]:
        return {"pss_mb": sum(value_of(pid, "smaps_rollup", "Pss") for pid in pids) / 1024}


class Sizes(Watch):
    """``threads`` and ``own_mb`` of the first process; ``other_mb`` of the largest other one.

    The megabytes are the most resident memory (RSS) that it had so far.
    """

    def look(self, pids: list[int]) -> dict[str, float]:
        peaks_kb = [value_of(pid, "status", "VmHWM") for pid in pids]
        return {
            "threads": value_of(self._pid, "status", "Threads"),
            "own_mb": peaks_kb[0] / 1024,
            "other_mb": max(peaks_kb[1:], default=0) / 1024,
        }
