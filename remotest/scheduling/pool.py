"""The items that no worker holds, to be taken as runs of neighbours in a worker's own order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from remotest.scheduling.sharing import Lane

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.scheduling.catalogue import Collection

_UNKNOWN, _FREE, _GIVEN = range(3)


@dataclass(eq=False)
class PoolLane(Lane):
    """What is left of one distinct collection for the workers that announced it.

    Lanes share items, so what lies ahead of the cursor may have gone to a worker of another
    lane: only the pool's status of an item tells.
    """

    cursor: int = 0
    returned: deque[int] = field(default_factory=deque)

    def left_count(self) -> int:
        """Return an upper bound of the free items, in time independent of their number."""
        return len(self.collection.items) - self.cursor + len(self.returned)


class Pool:
    """Free items. Taking and putting back cost time for the items moved, amortised."""

    def __init__(self) -> None:
        self._status = bytearray()
        self._lanes: list[PoolLane] = []
        self.free_count = 0

    def add_lane(self, collection: Collection) -> PoolLane:
        """Take in a distinct collection; what nobody announced before is free."""
        highest = max(collection.items, default=-1)
        self._status.extend(bytes(max(0, highest + 1 - len(self._status))))
        for item in collection.items:
            if self._status[item] == _UNKNOWN:
                self._status[item] = _FREE
                self.free_count += 1
        lane = PoolLane(collection)
        self._lanes.append(lane)
        return lane

    def take(self, lane: PoolLane, count: int) -> list[int]:
        """Take up to ``count`` free items of a lane; return their positions in it."""
        positions: list[int] = []
        while len(positions) < count:
            position = self._next_free(lane)
            if position is None:
                break
            self._status[lane.collection.items[position]] = _GIVEN
            positions.append(position)
        self.free_count -= len(positions)
        return positions

    def put_back(self, items: Iterable[int]) -> None:
        """Make items free that were taken."""
        returned = list(items)
        for item in returned:
            self._status[item] = _FREE
        self.free_count += len(returned)
        for lane in self._lanes:
            positions = map(lane.collection.position, returned)
            passed = [place for place in positions if place is not None and place < lane.cursor]
            lane.returned.extend(sorted(passed))

    def has_free(self, lane: PoolLane) -> bool:
        """Return whether a lane has a free item."""
        return self._next_free(lane) is not None

    def _next_free(self, lane: PoolLane) -> int | None:
        """Return the first free position of a lane, without taking it."""
        items = lane.collection.items
        while lane.returned:
            if self._status[items[lane.returned[0]]] == _FREE:
                return lane.returned[0]
            lane.returned.popleft()
        while lane.cursor < len(items):
            if self._status[items[lane.cursor]] == _FREE:
                return lane.cursor
            lane.cursor += 1
        return None
