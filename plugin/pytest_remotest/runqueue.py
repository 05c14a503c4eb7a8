"""The items that a worker was given and has not begun.

pytest must know an item's successor before it runs the item, to decide which fixtures live on.
So an item is run only when the next one is known, or when it is known that none comes.
"""

import threading
from collections import deque
from typing import Callable, Deque, Iterable, List, Optional

# How long one wait for more items lasts before it looks again. There is no limit to the whole:
# the agent ends this process when the run is over or its link is gone.
WAIT_SLICE_S = 3600.0


class RunQueue:
    """A queue filled by the reader thread and emptied by the main thread.

    ``take`` calls ``set_awaiting`` with True when it begins to wait, with False afterwards.
    """

    def __init__(self, set_awaiting: Callable[[bool], None]) -> None:
        self._set_awaiting = set_awaiting
        self._positions: Deque[int] = deque()
        self._ended = False
        self._changed = threading.Condition()
        self.stop_reason = ""

    def append(self, positions: Iterable[int]) -> None:
        """Append items. What comes after ``finish`` or ``stop`` is dropped."""
        with self._changed:
            if not self._ended:
                self._positions.extend(positions)
                self._changed.notify_all()

    def reclaim(self, positions: Iterable[int]) -> List[int]:
        """Take back those of these items that are still queued, and return them."""
        with self._changed:
            wanted = set(positions)
            returned = [position for position in self._positions if position in wanted]
            self._positions = deque(
                position for position in self._positions if position not in wanted
            )
            return returned

    def finish(self) -> None:
        """Nothing more comes: what is queued is still run."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self, reason: str) -> None:
        """Begin nothing more: what is queued is dropped."""
        with self._changed:
            self.stop_reason = reason
            self._ended = True
            self._positions.clear()
            self._changed.notify_all()

    def take(self) -> Optional[int]:
        """Return the next item, waiting for it, or None when there will be none."""
        with self._changed:
            if not self._positions and not self._ended:
                self._set_awaiting(True)
                while not self._positions and not self._ended:
                    self._changed.wait(WAIT_SLICE_S)
                self._set_awaiting(False)
            return self._positions.popleft() if self._positions else None

    def pause(self, duration_s: float) -> None:
        """Wait, but not when nothing is to be begun any more."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self.stop_reason), duration_s)
