"""What a tree of processes uses: CPU seconds, memory, threads. Linux only.

The program that measures adopts what its children leave behind, so that the CPU seconds of a
daemon's child are counted like any other's.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Final

PR_SET_CHILD_SUBREAPER: Final = 36
"""From linux/prctl.h."""

PROC: Final = Path("/proc")

END_TIMEOUT_S: Final = 30.0
"""For what a run leaves behind to end."""

LOOK_INTERVAL_S: Final = 0.1
"""Between two looks at the memory: peaks that matter last longer, and a look costs about 10 ms."""


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
            sys.exit(f"processes that a run has left behind do not end: {orphans}")
        time.sleep(0.01)


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


class Watch:
    """Looks at a process and its descendants until they end, in a thread.

    Attributes:
        peak_pss_mb: the most memory all of them had at a time, shared pages counted once.
        peak_threads: the most threads the first one had.
        own_peak_mb: the most memory (RSS) the first one had.
        largest_peak_mb: the most memory (RSS) any of the others had.
    """

    def __init__(self, pid: int) -> None:
        self.peak_pss_mb = 0.0
        self.peak_threads = 0
        self.own_peak_mb = 0.0
        self.largest_peak_mb = 0.0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def figures(self) -> dict[str, float]:
        """Return what it has seen."""
        return {
            "peak_pss_mb": self.peak_pss_mb,
            "threads": self.peak_threads,
            "controller_mb": self.own_peak_mb,
            "worker_mb": self.largest_peak_mb,
        }

    def _look_again(self) -> None:
        while not self._over.wait(LOOK_INTERVAL_S):
            self._look()

    def _look(self) -> None:
        pids = tree_of(self._pid)
        pss_kb = sum(value_of(pid, "smaps_rollup", "Pss") for pid in pids)
        peaks_kb = [value_of(pid, "status", "VmHWM") for pid in pids]
        self.peak_pss_mb = max(self.peak_pss_mb, pss_kb / 1024)
        self.peak_threads = max(self.peak_threads, value_of(self._pid, "status", "Threads"))
        self.own_peak_mb = max(self.own_peak_mb, peaks_kb[0] / 1024)
        largest_kb = max(peaks_kb[1:], default=0)
        self.largest_peak_mb = max(self.largest_peak_mb, largest_kb / 1024)
