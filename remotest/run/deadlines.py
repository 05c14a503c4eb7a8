"""The time limits of the machine, and a collection of named deadlines."""

from __future__ import annotations

import heapq
from typing import Final

WORKER_START_TIMEOUT_S: Final = 300.0
"""From StartWorker to WorkerReady. Interpreters on a cold network file system take a minute, and
a conftest may bring up a container first."""

COLLECT_TIMEOUT_S: Final = 1800.0
"""From WorkerReady to WorkerCollected. Importing the largest suites takes many minutes on a slow
host; after half an hour nothing is to be expected."""

FINISH_TIMEOUT_S: Final = 300.0
"""From the last item, or from the order to finish, to WorkerFinished. Session fixtures are torn
down by then; what is left is pytest_sessionfinish, with coverage data and reports to write."""

ORDER_TIMEOUT_S: Final = 300.0
"""From an order to an idle worker to any further message of it. The worker only has to wake up, but
its message may be queued behind all others of its host while a plugin here takes long for each
report. Links lose messages only on purpose (``REMOTEST_FAULTS``)."""


class Deadlines:
    """At most one deadline for each name. Each call takes O(log n) amortised."""

    def __init__(self) -> None:
        self._when: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def set(self, name: str, when: float) -> None:
        """Set the deadline of a name, replacing an earlier one."""
        self._when[name] = when
        heapq.heappush(self._heap, (when, name))

    def shorten(self, name: str, when: float) -> None:
        """Set the deadline of a name, unless it already has an earlier one."""
        if when < self._when.get(name, float("inf")):
            self.set(name, when)

    def drop(self, name: str) -> None:
        """Remove the deadline of a name."""
        self._when.pop(name, None)

    def next(self) -> float | None:
        """Return the earliest deadline, or None if there is none."""
        while self._heap:
            when, name = self._heap[0]
            if self._when.get(name) == when:
                return when
            heapq.heappop(self._heap)  # Dropped or replaced meanwhile.
        return None

    def pop_due(self, now: float) -> list[str]:
        """Remove the deadlines that are due, and return their names, earliest first."""
        due = []
        while (when := self.next()) is not None and when <= now:
            name = heapq.heappop(self._heap)[1]
            del self._when[name]
            due.append(name)
        return due
