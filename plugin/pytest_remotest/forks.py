"""What a test forks and lets come back into pytest, told by that child before it is ended.

It must not write to our pipe, where its words would stand among ours. It writes to memory that
both share, which no test can close.
"""

import mmap
import os
from typing import List

MEMORY_BYTES = 4096  # Some forty notes; a suite with more has the same mistake in all of them.


class ForkNotes:
    """Made by a worker before any test. Notes of children at the same moment may be lost."""

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
        """Return rows [process id, node id] of what was noted, and forget it."""
        if self._memory[:1] == b"\0":
            return []
        text = self._memory[:].rstrip(b"\0")
        self._memory[: len(text)] = bytes(len(text))
        return [line.split(" ", 1) for line in text.decode("utf-8", "replace").splitlines()]
