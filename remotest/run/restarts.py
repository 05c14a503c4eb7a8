"""How often a lost worker is replaced."""

from __future__ import annotations

from typing import Final

RESTARTS_PER_WORKER: Final = 4
"""How many lost workers are replaced by default, for each declared worker: pytest-xdist's number
for ``-n``; here for every run, so that no run starts workers for ever."""


class Restarts:
    """Counts the crashes of one run and finds the words for them, which are pytest-xdist's."""

    def __init__(self, limit: int | None) -> None:
        """Take ``--max-worker-restart``, or None for so many for each declared worker."""
        self._limit = limit
        self._crash_count = 0

    def crash(self, worker: str, *, declared_count: int) -> tuple[bool, str]:
        """Count a crash; return whether the worker may be replaced, and what to tell the user."""
        limit = RESTARTS_PER_WORKER * declared_count if self._limit is None else self._limit
        self._crash_count += 1
        if self._crash_count <= limit:
            return True, f"replacing crashed worker {worker}"
        if limit == 0:
            return False, f"worker {worker} crashed and worker restarting disabled"
        return False, f"maximum crashed workers reached: {limit}"
