"""Notes of processes that a test has forked and that returned into pytest, before they are ended.

Such a process must not write to the worker's pipe, where its messages would mix with the worker's.
It writes to shared memory instead, which no test can close.
"""

import mmap
import os
from typing import List

MEMORY_BYTES = 4096  # Some forty notes; with more of them, all have the same cause.


class ForkNotes:
    """Created by a worker before any test. Notes written at the same moment may be lost."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, MEMORY_BYTES)
        self._get_pid = os.getpid

    def note(self, node_id: str) -> None:
        """Note that this process has come back from a test. Called in the child."""
        line = ("%d %s\n" % (self._get_pid(), node_id)).encode("utf-8", "replace")
        start = self._memory.find(b"\0")
        if 0 <= start < MEMORY_BYTES - len(line):
            self._memory[start : start + len(line)] = line

    def take(self) -> List[List[str]]:
        """Return the notes as rows [process id, node id], and clear them."""
        if self._memory[:1] == b"\0":
            return []
        text = self._memory[:].rstrip(b"\0")
        self._memory[: len(text)] = bytes(len(text))
        return [line.split(" ", 1) for line in text.decode("utf-8", "replace").splitlines()]
