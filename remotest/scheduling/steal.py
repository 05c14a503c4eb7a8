"""``--dist=worksteal``: everything is given out at once, and who is idle takes from others."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from remotest.run.commands import ReclaimItems
from remotest.scheduling.holding import LOOK_AHEAD
from remotest.scheduling.pool import Pool, PoolLane
from remotest.scheduling.queues import Lengths
from remotest.scheduling.sharing import Member, SharingScheduler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remotest.scheduling.base import SchedulingCommand
    from remotest.scheduling.catalogue import Collection

STEAL_SHARE: Final = 2
"""A worker is asked for its queue's length divided by this."""

MOST_STOLEN: Final = 5000
"""Items asked for in one message, whatever the length of the queue: keeps messages small."""


class StealScheduler(SharingScheduler[PoolLane]):
    """Gives each worker an equal run of neighbours; later moves the ends of long queues.

    A worker that holds less than it needs to go on is *idle*. It gets items that nobody holds;
    else the one with the longest queue is asked (``ReclaimItems``) for the last half of it, but for
    the two that it may have begun. What it answers (``ItemsReturned``) is shared out among those
    that are idle by then. A worker is told to finish when nobody has anything for it.

    A call takes time for the items that it moves, and for the idle workers when something has come
    that they wait for; only where workers have collected different items it may look at more
    queues than the longest.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pool = Pool()
        self._asked: dict[str, dict[int, None]] = {}
        self._idle: dict[str, None] = {}
        self._queues = Lengths()
        self._has_removed = False

    def _make_lane(self, collection: Collection) -> PoolLane:
        return self._pool.add_lane(collection)

    def _free_count(self) -> int:
        return self._pool.free_count

    def _put_back(self, items: list[int]) -> None:
        self._pool.put_back(items)

    def _begin(self) -> list[SchedulingCommand]:
        """Share everything out, in the order of the workers."""
        commands: list[SchedulingCommand] = []
        members = list(self._members.values())
        for index, member in enumerate(members):
            waiting_count = len(members) - index + self._expected_count
            commands += self._give(member, -(-self._pool.free_count // waiting_count))
        for member in members:
            commands += self._refill(member)
        return commands

    def has_asked(self, worker: str, positions: Sequence[int]) -> bool:
        """See ``Scheduler``."""
        asked = self._asked.get(worker)
        return (
            asked is not None
            and len(set(positions)) == len(positions)
            and all(position in asked for position in positions)
        )

    def return_items(self, worker: str, positions: Sequence[int]) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker]
        del self._asked[worker]
        for position in positions:
            del member.held[position]
        self._pool.put_back([member.item(position) for position in positions])
        self._measure(member)
        return self._feed(list(self._idle))

    def finish_item(
        self, worker: str, position: int, *, duration_s: float
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        self._asked.get(worker, {}).pop(position, None)
        return super().finish_item(worker, position, duration_s=duration_s)

    def remove_worker(self, worker: str, *, begun: frozenset[int]) -> list[SchedulingCommand]:
        """See ``Scheduler``. What it was asked for is free with the rest of what it held."""
        self._asked.pop(worker, None)
        self._has_removed = True
        return super().remove_worker(worker, begun=begun)

    def redistribute(self) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        if not self._has_removed:
            return []
        self._has_removed = False
        return self._feed(list(self._idle))

    # -- who is idle ---------------------------------------------------------------------------

    def _refill(self, member: Member[PoolLane]) -> list[SchedulingCommand]:
        """See that an open worker can go on: give to it, steal for it, let it wait, or end it."""
        self._measure(member)
        if self._sure_count(member) < LOOK_AHEAD:
            self._idle[member.name] = None
            return self._feed([member.name])
        is_near_its_end = len(member.held) == LOOK_AHEAD
        if is_near_its_end and not self._may_get_more() and not self._pool.has_free(member.lane):
            return [self._finish(member)]
        return []

    def _feed(self, names: list[str]) -> list[SchedulingCommand]:
        """Do for idle workers what can be done, first with what nobody holds."""
        commands: list[SchedulingCommand] = []
        for index, name in enumerate(names):
            member = self._members[name]
            waiting_count = len(names) - index + self._expected_count
            share = -(-self._pool.free_count // waiting_count)
            # What is left for others must not keep one from going on that is here.
            commands += self._give(member, max(share, LOOK_AHEAD - self._sure_count(member)))
            if self._sure_count(member) >= LOOK_AHEAD:
                del self._idle[name]
        for name in names:
            if name in self._idle:
                commands += self._help(self._members[name])
        return commands

    def _help(self, member: Member[PoolLane]) -> list[SchedulingCommand]:
        """Steal for a worker, let it wait for what somebody was asked for, or let it finish."""
        if len(self._asked) < len(self._idle):
            for name in self._queues.longest_first():
                positions = self._loot(self._members[name], member.lane)
                if positions:
                    self._asked[name] = dict.fromkeys(positions)
                    self._measure(self._members[name])
                    return [ReclaimItems(worker=name, positions=positions)]
        return [] if self._asked else [self._finish(member)]

    @staticmethod
    def _loot(victim: Member[PoolLane], lane: PoolLane) -> tuple[int, ...]:
        """Return the positions to ask for of the end of a queue, of items that a lane has."""
        held_count = len(victim.held)
        has = lane.collection.position
        tail = islice(reversed(victim.held), held_count - LOOK_AHEAD)
        usable = (position for position in tail if has(victim.item(position)) is not None)
        return tuple(islice(usable, min(held_count // STEAL_SHARE, MOST_STOLEN)))[::-1]

    def _may_give(self) -> bool:
        return super()._may_give() or self._may_get_more()

    def _may_get_more(self) -> bool:
        """Return whether a queue is long enough to be stolen from, or is being stolen from."""
        return bool(self._asked) or self._queues.any()

    def _sure_count(self, member: Member[PoolLane]) -> int:
        """Return how many items a worker holds that it was not asked for."""
        return len(member.held) - len(self._asked.get(member.name, ()))

    def _give(self, member: Member[PoolLane], count: int) -> list[SchedulingCommand]:
        commands = self._run(member, self._pool.take(member.lane, count))
        self._measure(member)
        return commands

    def _measure(self, member: Member[PoolLane]) -> None:
        """Note how much can be stolen from a worker."""
        can_lose = member.is_open and member.name not in self._asked
        length = max(0, len(member.held) - LOOK_AHEAD) if can_lose else 0
        self._queues.set(member.name, length)

    def _shut(self, member: Member[PoolLane]) -> None:
        super()._shut(member)
        self._idle.pop(member.name, None)
        self._measure(member)
