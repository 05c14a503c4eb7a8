"""``--dist=loadscope``, ``loadfile`` and ``loadgroup``: what belongs together stays together."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from remotest.scheduling.holding import LOOK_AHEAD
from remotest.scheduling.sharing import (
    FIRST_SHARE,
    Lane,
    Member,
    SharingScheduler,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remotest.scheduling.base import SchedulingCommand
    from remotest.scheduling.catalogue import Collection
    from remotest.scheduling.estimates import Estimates
    from remotest.scheduling.scopes import Scope, ScopeOf


@dataclass(eq=False)
class _Unit:
    """Items of one scope that wait to be given to one worker, all at once.

    ``able`` are the lanes that have all of them. ``serial`` is different for each unit.
    """

    items: list[int]
    serial: int
    able: list[ScopeLane] = field(default_factory=list)
    is_waiting: bool = True

    def is_stuck(self) -> bool:
        """Return whether no open worker has all of it."""
        return not any(lane.open_count for lane in self.able)


@dataclass(eq=False)
class ScopeLane(Lane):
    """The waiting units of which one distinct collection has all items, and those it has some of.

    ``whole`` is a heap, first to give first; units that went elsewhere meanwhile stay in both
    until they are met.
    """

    whole: list[tuple[float, int, int, _Unit]] = field(default_factory=list)
    partial: list[_Unit] = field(default_factory=list)

    def has(self, item: int) -> bool:
        """Return whether the collection has an item."""
        return self.collection.position(item) is not None


class ScopeScheduler(SharingScheduler[ScopeLane]):
    """Gives each scope, whole, to one worker that collected all of it.

    The first scopes to go are those with the most items, or those that will take longest where that
    is known, so that none that takes long is left for the end; or, where the user wants that, those
    collected first. What a lost worker had not begun
    of a scope is a smaller scope to be given, whole again, to one worker.

    Where no worker has collected all of a scope, it is cut into as few parts as are needed. Where
    those that have are all gone or finishing, another one runs what it has of it.

    Each call costs time for the items that it gives or takes back, a logarithm for each scope
    among them, and none for the number of workers, but for the number of distinct collections.
    """

    def __init__(
        self, scope_of: ScopeOf, *, reorder: bool, estimates: Estimates | None = None
    ) -> None:
        """Make a scheduler.

        Args:
            scope_of: from a node id and its group to the scope.
            reorder: whether the largest scope goes first.
            estimates: make the largest the one that takes longest, else the one of most items.
        """
        super().__init__()
        self._scope_of = scope_of
        self._reorder = reorder
        self._estimates = estimates
        self._sizes: dict[int, float] = {}
        self._scopes: dict[int, Scope] = {}
        self._fresh: list[int] = []
        self._waiting: dict[int, _Unit] = {}
        self._unit_count = 0

    def can_start_early(self, item_count: int, worker_count: int) -> bool:  # noqa: ARG002  see there
        """See ``Scheduler``: how many scopes there are for how many, only all can tell."""
        return False

    def finish_item(
        self, worker: str, position: int, *, duration_s: float
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker]
        del member.held[position]
        if not member.is_open:
            return []
        member.ahead.note(duration_s)
        share = self._free_count() // self._open_count
        return self._refill(member, min(member.ahead.count(), share // FIRST_SHARE))

    def _make_lane(self, collection: Collection) -> ScopeLane:
        """Take in a collection; once all have started, offer what it has that nobody had."""
        lane = ScopeLane(collection)
        if self._estimates:
            seconds = self._estimates.anywhere(collection.ids)
            self._sizes.update(zip(collection.items, seconds, strict=True))
        for position, item in enumerate(collection.items):
            if item not in self._scopes:
                group = collection.groups.get(position)
                self._scopes[item] = self._scope_of(collection.ids[position], group)
                self._fresh.append(item)
        if self._started:
            for unit in {self._waiting[i]: None for i in collection.items if i in self._waiting}:
                self._enlist(unit, lane)
            self._offer(self._fresh, [*self._lanes.values(), lane])
            self._fresh.clear()
        return lane

    def _begin(self) -> list[SchedulingCommand]:
        """Give each worker one scope first, then a second one if it needs it to go on."""
        self._offer(self._fresh, list(self._lanes.values()))
        self._fresh.clear()
        commands: list[SchedulingCommand] = []
        for member in self._members.values():
            commands += self._give_one(member)
        for member in self._members.values():
            if len(member.held) < LOOK_AHEAD:
                commands += self._give_one(member)
        for member in self._members.values():
            commands += self._refill(member)
        return commands

    def _refill(self, member: Member[ScopeLane], ahead: int = 0) -> list[SchedulingCommand]:
        """Give a worker scopes while it holds no more than it needs, or tell it to finish.

        ``ahead`` is how many items it shall hold at least, as long as there are whole scopes.
        """
        commands: list[SchedulingCommand] = []
        while len(member.held) <= max(LOOK_AHEAD, ahead):
            given = self._give_one(member)
            commands += given
            if not given and len(member.held) <= LOOK_AHEAD:
                return [*commands, self._finish(member)]
            if not given:
                break
        return commands

    def _put_back(self, items: list[int]) -> None:
        self._offer(items, list(self._lanes.values()))

    def _free_count(self) -> int:
        return len(self._fresh) + len(self._waiting)

    # -- waiting units -------------------------------------------------------------------------

    def _offer(self, items: Iterable[int], lanes: list[ScopeLane]) -> None:
        """Let items wait, by scope, for workers of these lanes, which are all there are."""
        by_scope: dict[Scope, list[int]] = {}
        for item in items:
            by_scope.setdefault(self._scopes[item], []).append(item)
        for together in by_scope.values():
            for part in _parts(together, lanes):
                unit = _Unit(part, serial=self._unit_count)
                self._unit_count += 1
                self._waiting.update(dict.fromkeys(part, unit))
                for lane in lanes:
                    self._enlist(unit, lane)

    def _enlist(self, unit: _Unit, lane: ScopeLane) -> None:
        """Let a lane know of a waiting unit if it has something of it."""
        common_count = sum(map(lane.has, unit.items))
        if common_count == len(unit.items):
            unit.able.append(lane)
            size = sum(self._sizes.get(i, 1.0) for i in unit.items) if self._reorder else 0.0
            heapq.heappush(lane.whole, (-size, min(unit.items), unit.serial, unit))
        elif common_count:
            lane.partial.append(unit)

    def _give_one(self, member: Member[ScopeLane]) -> list[SchedulingCommand]:
        """Give a worker the next scope, or what it has of one that nobody else can run whole."""
        items = self._take_whole(member.lane)
        if not items and len(member.held) <= LOOK_AHEAD:
            items = self._take_part(member.lane)
        positions = map(member.lane.collection.position, items)
        return self._run(member, sorted(place for place in positions if place is not None))

    def _take_whole(self, lane: ScopeLane) -> list[int]:
        while lane.whole:
            unit = heapq.heappop(lane.whole)[-1]
            if unit.is_waiting:
                self._withdraw(unit)
                return unit.items
        return []

    def _take_part(self, lane: ScopeLane) -> list[int]:
        lane.partial = [unit for unit in lane.partial if unit.is_waiting]
        for unit in lane.partial:
            if unit.is_stuck():
                self._withdraw(unit)
                rest = [item for item in unit.items if not lane.has(item)]
                self._offer(rest, list(self._lanes.values()))
                return [item for item in unit.items if lane.has(item)]
        return []

    def _withdraw(self, unit: _Unit) -> None:
        unit.is_waiting = False
        for item in unit.items:
            del self._waiting[item]


def _parts(items: list[int], lanes: list[ScopeLane]) -> Iterator[list[int]]:
    """Cut items into as few parts as are near at hand, each of which some lane has whole."""
    while items:
        part: list[int] = []
        for lane in lanes:
            common = [item for item in items if lane.has(item)]
            if len(common) > len(part):
                part = common
            if len(part) == len(items):
                break
        yield part
        taken = set(part)
        items = [item for item in items if item not in taken]
