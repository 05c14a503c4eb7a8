"""What the schedulers have in common that give each item to one worker of many."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from remotest.run.commands import FinishWorker, RunItems
from remotest.scheduling.ahead import Ahead
from remotest.scheduling.holding import Holder, HoldingScheduler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.scheduling.base import SchedulingCommand
    from remotest.scheduling.catalogue import Collection

EARLY_SHARE: Final = 16
"""Items for each worker, from which on those that are there begin while others come: where there
are fewer, and they are short, the first worker would run them all."""

LONG_ITEM_S: Final = 0.1
"""A worker whose last item took longer is not given more before it needs it: the rest of the
suite may be as slow, and the trip of a message is short against such an item."""

FIRST_SHARE: Final = 4
"""The first chunk of a worker is its fair share divided by this, and a worker that holds less
than such a part of what is left is filled up."""


@dataclass(eq=False)
class Lane:
    """One distinct collection, and how many open workers announced it."""

    collection: Collection
    open_count: int = 0


LaneT = TypeVar("LaneT", bound=Lane)


@dataclass(eq=False)
class Member(Holder, Generic[LaneT]):
    """A worker, its lane, what it holds, and how far ahead it is to be kept."""

    name: str
    lane: LaneT
    ahead: Ahead

    def item(self, position: int) -> int:
        """Return the item number at a position of the worker's collection."""
        return self.lane.collection.items[position]


class SharingScheduler(HoldingScheduler[Member[LaneT]], Generic[LaneT]):
    """Keeps the workers, what they hold and which are open; the rest is the subclass's.

    A worker stays open, able to take over what another leaves, as long as it can: it is told to
    finish when nothing is left for it and it holds no more than it needs the telling for.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lanes: dict[Collection, LaneT] = {}
        self._open_count = 0
        self._expected_count = 0
        self._round_trips_s: dict[str, float] = {}

    # -- what a subclass decides ---------------------------------------------------------------

    @abstractmethod
    def _make_lane(self, collection: Collection) -> LaneT:
        """Return the lane of a collection that no worker announced before."""

    @abstractmethod
    def _begin(self) -> list[SchedulingCommand]:
        """Give every worker its first items."""

    @abstractmethod
    def _refill(self, member: Member[LaneT]) -> list[SchedulingCommand]:
        """Give an open worker what it needs, or tell it to finish if nothing is left for it."""

    @abstractmethod
    def _put_back(self, items: list[int]) -> None:
        """Offer the items again that a removed worker held and had not begun."""

    @abstractmethod
    def _free_count(self) -> int:
        """Return how many items no worker holds and none has finished."""

    # -- Scheduler -----------------------------------------------------------------------------

    def add_worker(
        self,
        worker: str,
        collection: Collection,
        *,
        replaces: str | None = None,
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        lane = self._lanes.get(collection)
        if lane is None:
            lane = self._lanes[collection] = self._make_lane(collection)
        ahead = Ahead(self._round_trips_s.pop(worker, 0.0))
        member = self._members[worker] = Member(worker, lane, ahead)
        if self._expected_count and replaces is None:
            self._expected_count -= 1
        lane.open_count += 1
        self._open_count += 1
        if self._closed:
            return [self._finish(member)]
        return self._refill(member) if self._started else []

    def can_start_early(self, item_count: int, worker_count: int) -> bool:
        """See ``Scheduler``: where there is so much to do that first shares are parts of it."""
        return item_count >= worker_count * EARLY_SHARE

    def set_round_trip(self, worker: str, round_trip_s: float) -> None:
        """See ``Scheduler``."""
        self._round_trips_s[worker] = round_trip_s

    def expect(self, worker_count: int) -> None:
        """See ``Scheduler``."""
        self._expected_count = worker_count

    def start(self) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        self._started = True
        return [] if self._closed else self._begin()

    def finish_item(
        self,
        worker: str,
        position: int,
        *,
        duration_s: float,  # noqa: ARG002  one that looks at it overrides this
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker]
        del member.held[position]
        return self._refill(member) if member.is_open else []

    def remove_worker(self, worker: str, *, begun: frozenset[int]) -> list[SchedulingCommand]:
        """See ``Scheduler``. Open workers hold at least two and ask for more by themselves."""
        member = self._members.pop(worker)
        self._shut(member)
        self._put_back([member.item(place) for place in member.held if place not in begun])
        return []

    def close(self) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        self._closed = True
        return [self._finish(member) for member in self._members.values() if member.is_open]

    def stranded_count(self) -> int:
        """See ``Scheduler``."""
        return 0 if self._open_count or self._closed else self._free_count()

    def _may_give(self) -> bool:
        return self._free_count() > 0

    # -- tools for subclasses ------------------------------------------------------------------

    @staticmethod
    def _run(member: Member[LaneT], positions: Iterable[int]) -> list[SchedulingCommand]:
        """Let a worker hold positions and tell it so."""
        given = tuple(positions)
        member.held.update(dict.fromkeys(given))
        return [RunItems(worker=member.name, positions=given)] if given else []

    def _finish(self, member: Member[LaneT]) -> FinishWorker:
        self._shut(member)
        return FinishWorker(worker=member.name)

    def _shut(self, member: Member[LaneT]) -> None:
        """Count a worker as open no longer."""
        if member.is_open:
            member.is_open = False
            member.lane.open_count -= 1
            self._open_count -= 1
