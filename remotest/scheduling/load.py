"""``--dist=load``: every item once, on whichever worker is ready for it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from remotest.run.commands import FinishWorker, RunItems
from remotest.scheduling.base import Scheduler, SchedulingCommand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.scheduling.catalogue import Collection

LOOK_AHEAD: Final = 2
"""Items a worker must hold to go on: the one it runs, and the next one, which pytest must know."""

LONG_ITEM_S: Final = 0.1
"""A worker whose last item took longer is not given more before it needs it: the rest of the
suite may be as slow, and the trip of a message is short against such an item."""

FIRST_SHARE: Final = 4
"""The first chunk of a worker is its fair share divided by this, and a worker that holds less
than such a part of what is left is filled up."""

REFILL_SHARE: Final = 2
"""A worker is filled up to its fair share of what is left divided by this: chunks halve towards
the end, so workers end at about the same time."""

_UNKNOWN, _FREE, _GIVEN = range(3)


@dataclass(eq=False)
class _Lane:
    """What is left of one distinct collection for the workers that announced it.

    Lanes share items, so what lies ahead of the cursor may have gone to a worker of another
    lane: only the scheduler's status of an item tells.
    """

    collection: Collection
    cursor: int = 0
    returned: deque[int] = field(default_factory=deque)
    open_count: int = 0

    def left_count(self) -> int:
        """Return an upper bound of the free items, in time independent of their number."""
        return len(self.collection.items) - self.cursor + len(self.returned)

    def next_free(self, status: bytearray) -> int | None:
        """Return the first free position, without taking it."""
        while self.returned:
            if status[self.collection.items[self.returned[0]]] == _FREE:
                return self.returned[0]
            self.returned.popleft()
        items = self.collection.items
        while self.cursor < len(items):
            if status[items[self.cursor]] == _FREE:
                return self.cursor
            self.cursor += 1
        return None

    def put_back(self, items: Iterable[int]) -> None:
        """Offer items again that the cursor has passed."""
        positions = [self.collection.position(item) for item in items]
        passed = [place for place in positions if place is not None and place < self.cursor]
        self.returned.extend(sorted(passed))


@dataclass(eq=False)
class _Member:
    """A worker, its lane, and the positions it holds, in the order given."""

    lane: _Lane
    held: dict[int, None] = field(default_factory=dict)
    is_open: bool = True


class LoadScheduler(Scheduler):
    """Deals contiguous runs of items, in the order of the worker's collection.

    As pytest-xdist does: a part of the fair share to begin with, then refills that get smaller
    as the end comes near. Each call costs time for the items that it gives or takes back, and
    none for the number of workers; only ``start`` and ``close`` name every worker.

    A worker stays open, able to take over what another leaves, as long as it can: it is told to
    finish when nothing is left for it and it holds no more than it needs the telling for.
    """

    def __init__(self, *, max_chunk: int | None = None) -> None:
        """Make a scheduler that gives at most ``max_chunk`` items at once (``maxschedchunk``)."""
        self._max_chunk = max_chunk
        self._lanes: dict[Collection, _Lane] = {}
        self._members: dict[str, _Member] = {}
        self._status = bytearray()
        self._free_count = 0
        self._open_count = 0
        self._started = False
        self._closed = False

    def add_worker(
        self,
        worker: str,
        collection: Collection,
        *,
        replaces: str | None = None,  # noqa: ARG002  a replacement is a worker like any other
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        lane = self._lanes.get(collection) or self._open_lane(collection)
        member = self._members[worker] = _Member(lane)
        lane.open_count += 1
        self._open_count += 1
        if self._closed:
            return [self._finish(worker, member)]
        return self._refill(worker, member) if self._started else []

    def start(self) -> list[SchedulingCommand]:
        """See ``Scheduler``: first a chunk for each worker, then what else it needs to go on.

        Where there are fewer than two items for each worker, the chunk is one item, so that all
        workers have something before any has two.
        """
        self._started = True
        commands: list[SchedulingCommand] = []
        if self._closed:
            return commands
        shares = {lane: self._fair_share(lane) for lane in self._lanes.values() if lane.open_count}
        for worker, member in self._members.items():
            share = shares[member.lane]
            count = max(LOOK_AHEAD, share // FIRST_SHARE) if share >= LOOK_AHEAD else 1
            commands += self._give(worker, member, self._capped(count, member))
        for worker, member in self._members.items():
            commands += self._give(worker, member, LOOK_AHEAD - len(member.held))
            commands += self._settle(worker, member)
        return commands

    def finish_item(
        self, worker: str, position: int, *, duration_s: float
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker]
        del member.held[position]
        if not member.is_open:
            return []
        if duration_s >= LONG_ITEM_S and len(member.held) >= LOOK_AHEAD:
            return self._settle(worker, member)
        return self._refill(worker, member)

    def remove_worker(self, worker: str, *, begun: frozenset[int]) -> list[SchedulingCommand]:
        """See ``Scheduler``. Open workers hold at least two and ask for more by themselves."""
        member = self._members.pop(worker)
        self._shut(member)
        items = member.lane.collection.items
        returned = [items[position] for position in member.held if position not in begun]
        for item in returned:
            self._status[item] = _FREE
        self._free_count += len(returned)
        for lane in self._lanes.values():
            lane.put_back(returned)
        return []

    def close(self) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        self._closed = True
        return [
            self._finish(worker, member)
            for worker, member in self._members.items()
            if member.is_open
        ]

    def holds(self, worker: str, position: int) -> bool:
        """See ``Scheduler``."""
        return position in self._members[worker].held

    def held_count(self, worker: str) -> int:
        """See ``Scheduler``."""
        return len(self._members[worker].held)

    def wants_replacement(
        self,
        worker: str,
        *,
        begun: frozenset[int],  # noqa: ARG002  what was begun shows that the worker was in use
    ) -> bool:
        """See ``Scheduler``: even with nothing left now, the next loss may leave something."""
        return not self._started or bool(self._members[worker].held)

    def stranded_count(self) -> int:
        """See ``Scheduler``."""
        return 0 if self._open_count or self._closed else self._free_count

    def _open_lane(self, collection: Collection) -> _Lane:
        """Make the lane of a collection that no worker announced before."""
        highest = max(collection.items, default=-1)
        self._status.extend(bytes(max(0, highest + 1 - len(self._status))))
        for item in collection.items:
            if self._status[item] == _UNKNOWN:
                self._status[item] = _FREE
                self._free_count += 1
        lane = self._lanes[collection] = _Lane(collection)
        return lane

    def _fair_share(self, lane: _Lane) -> int:
        """Return how many of the free items a worker of a lane may take, if all take as many.

        The smaller of its part of its lane and its part of everything: the first alone would be
        far too much where lanes share most items, the second where a lane is short.
        """
        of_lane = lane.left_count() // lane.open_count
        return min(of_lane, self._free_count // self._open_count)

    def _capped(self, count: int, member: _Member) -> int:
        """Return a count within ``max_chunk``, but never so small that the worker must wait."""
        if self._max_chunk is None:
            return count
        return min(count, max(LOOK_AHEAD - len(member.held), self._max_chunk))

    def _refill(self, worker: str, member: _Member) -> list[SchedulingCommand]:
        """Fill an open worker up if it holds little, or tell it to finish if nothing is left."""
        share = self._fair_share(member.lane)
        held_count = len(member.held)
        commands: list[SchedulingCommand] = []
        if held_count < max(LOOK_AHEAD, share // FIRST_SHARE):
            count = max(LOOK_AHEAD, share // REFILL_SHARE) - held_count
            commands += self._give(worker, member, self._capped(count, member))
        return commands + self._settle(worker, member)

    def _give(self, worker: str, member: _Member, count: int) -> list[SchedulingCommand]:
        """Give a worker up to ``count`` free items of its lane."""
        positions = self._take(member, count)
        return [RunItems(worker=worker, positions=tuple(positions))] if positions else []

    def _take(self, member: _Member, count: int) -> list[int]:
        lane = member.lane
        positions: list[int] = []
        while len(positions) < count:
            position = lane.next_free(self._status)
            if position is None:
                break
            self._status[lane.collection.items[position]] = _GIVEN
            member.held[position] = None
            positions.append(position)
        self._free_count -= len(positions)
        return positions

    def _settle(self, worker: str, member: _Member) -> list[SchedulingCommand]:
        """Tell a worker to finish if it is near its end and nothing is left for it."""
        if len(member.held) <= LOOK_AHEAD and member.lane.next_free(self._status) is None:
            return [self._finish(worker, member)]
        return []

    def _finish(self, worker: str, member: _Member) -> FinishWorker:
        self._shut(member)
        return FinishWorker(worker=worker)

    def _shut(self, member: _Member) -> None:
        if member.is_open:
            member.is_open = False
            member.lane.open_count -= 1
            self._open_count -= 1
