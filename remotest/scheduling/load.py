"""``--dist=load``: every item once, on whichever worker is ready for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from remotest.scheduling.holding import LOOK_AHEAD
from remotest.scheduling.pool import Pool, PoolLane
from remotest.scheduling.sharing import (
    FIRST_SHARE,
    LONG_ITEM_S,
    Member,
    SharingScheduler,
)

if TYPE_CHECKING:
    from remotest.scheduling.base import SchedulingCommand
    from remotest.scheduling.catalogue import Collection

REFILL_SHARE: Final = 2
"""A worker is filled up to its fair share of what is left divided by this: chunks halve towards
the end, so workers end at about the same time."""


class LoadScheduler(SharingScheduler[PoolLane]):
    """Deals contiguous runs of items, in the order of the worker's collection.

    As pytest-xdist does: a part of the fair share to begin with, then refills that get smaller
    as the end comes near. Each call costs time for the items that it gives or takes back, and
    none for the number of workers; only ``start`` and ``close`` name every worker.
    """

    def __init__(self, *, max_chunk: int | None = None) -> None:
        """Make a scheduler that gives at most ``max_chunk`` items at once (``maxschedchunk``)."""
        super().__init__()
        self._max_chunk = max_chunk
        self._pool = Pool()

    def finish_item(
        self, worker: str, position: int, *, duration_s: float
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker]
        del member.held[position]
        member.ahead.note(duration_s)
        if not member.is_open:
            return []
        if duration_s >= LONG_ITEM_S and len(member.held) >= member.ahead.count():
            return self._settle(member)
        return self._refill(member)

    def _make_lane(self, collection: Collection) -> PoolLane:
        return self._pool.add_lane(collection)

    def _begin(self) -> list[SchedulingCommand]:
        """Give each worker a chunk first, then what else it needs to go on.

        Where there are fewer than two items for each worker, the chunk is one item, so that all
        workers have something before any has two.
        """
        commands: list[SchedulingCommand] = []
        shares = {lane: self._fair_share(lane) for lane in self._lanes.values() if lane.open_count}
        for member in self._members.values():
            share = shares[member.lane]
            count = max(LOOK_AHEAD, share // FIRST_SHARE) if share >= LOOK_AHEAD else 1
            commands += self._give(member, self._capped(count, member))
        for member in self._members.values():
            commands += self._give(member, LOOK_AHEAD - len(member.held))
            commands += self._settle(member)
        return commands

    def _refill(self, member: Member[PoolLane]) -> list[SchedulingCommand]:
        """Fill an open worker up if it holds little, or tell it to finish if nothing is left."""
        share = self._fair_share(member.lane)
        held_count = len(member.held)
        # Not more than its share: it would keep others waiting at the end, to save itself that.
        ahead = max(LOOK_AHEAD, min(member.ahead.count(), share))
        commands: list[SchedulingCommand] = []
        if held_count < max(ahead, share // FIRST_SHARE):
            count = max(ahead, share // REFILL_SHARE) - held_count
            commands += self._give(member, self._capped(count, member))
        return commands + self._settle(member)

    def _put_back(self, items: list[int]) -> None:
        self._pool.put_back(items)

    def _free_count(self) -> int:
        return self._pool.free_count

    def _fair_share(self, lane: PoolLane) -> int:
        """Return how many of the free items a worker of a lane may take, if all take as many.

        The smaller of its part of its lane and its part of everything: the first alone would be
        far too much where lanes share most items, the second where a lane is short.
        """
        expected = self._expected_count
        of_lane = lane.left_count() // (lane.open_count + expected)
        return min(of_lane, self._pool.free_count // (self._open_count + expected))

    def _capped(self, count: int, member: Member[PoolLane]) -> int:
        """Return a count within ``max_chunk``, but never so small that the worker must wait."""
        if self._max_chunk is None:
            return count
        return min(count, max(LOOK_AHEAD - len(member.held), self._max_chunk))

    def _give(self, member: Member[PoolLane], count: int) -> list[SchedulingCommand]:
        """Give a worker up to ``count`` free items of its lane."""
        return self._run(member, self._pool.take(member.lane, count))

    def _settle(self, member: Member[PoolLane]) -> list[SchedulingCommand]:
        """Tell a worker to finish if it is near its end and nothing is left for it."""
        if len(member.held) <= LOOK_AHEAD and not self._pool.has_free(member.lane):
            return [self._finish(member)]
        return []
