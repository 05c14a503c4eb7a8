"""Which workers may begin now: while the CPUs are busy with some that do, others wait for a turn.

Eight workers on two CPUs would all have collected after eight times half of what it takes; where
two begin at a time, the first run tests after a quarter of that, and the last come no later.
"""

import os
from typing import Dict, Optional

LOOK_S = 0.05  # Between two looks at those that begin.
# So many looks in a row at which it did not run: it waits for something else than a CPU.
IDLE_LOOKS = 2
# Then nobody is held back any more: the controller gives each worker 5 minutes to begin.
HOLD_S = 30.0

RUNNING = "R"  # In /proc: what runs, or waits for nothing but a CPU.


class Turns:
    """The workers that begin, each of which takes a CPU until it has collected. It has no clock.

    A worker that waits, for a server or for a program that it has started, needs none meanwhile.
    """

    def __init__(self, cpu_count: int, proc: str = "/proc") -> None:
        """Start with nobody.

        Args:
            cpu_count: how many may begin at once.
            proc: where the kernel tells of processes; where there is none nobody waits for long.
        """
        self._cpu_count = cpu_count
        self._proc = proc
        self._idle_looks: Dict[str, int] = {}
        self._pids: Dict[str, int] = {}
        self._held_s: Optional[float] = None

    @property
    def is_free(self) -> bool:
        """Whether one more may begin."""
        return len(self._pids) < self._cpu_count

    def take(self, worker: str, pid: int) -> None:
        """Take note of a worker that begins."""
        self._pids[worker] = pid
        self._idle_looks[worker] = 0

    def give_back(self, worker: str) -> None:
        """Take note of a worker that has collected; nothing where it has no turn."""
        self._pids.pop(worker, None)
        self._idle_looks.pop(worker, None)

    def hold(self, now_s: float) -> None:
        """Look after those that begin; called every ``LOOK_S`` while somebody waits for a turn.

        Args:
            now_s: a time that never goes back.
        """
        if self._held_s is None:
            self._held_s = now_s
        is_long = now_s - self._held_s >= HOLD_S
        for worker, pid in list(self._pids.items()):
            letter = self._letter_of(pid)
            self._idle_looks[worker] = 0 if letter == RUNNING else self._idle_looks[worker] + 1
            if is_long or not letter or self._idle_looks[worker] >= IDLE_LOOKS:
                self.give_back(worker)

    def nobody_waits(self) -> None:
        """Take note that all have begun who were to."""
        self._held_s = None

    def _letter_of(self, pid: int) -> str:
        """Return what a process does, in the kernel's letter; nothing where it has ended."""
        try:
            with open(os.path.join(self._proc, str(pid), "stat"), errors="replace") as stream:
                return stream.read().rpartition(") ")[2][:1]
        except OSError:
            return ""
