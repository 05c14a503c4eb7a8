"""``--schedule=duration``: the longest items first, by what they took in earlier runs."""

from __future__ import annotations

import heapq
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from remotest.scheduling.holding import LOOK_AHEAD
from remotest.scheduling.sharing import Lane, Member, SharingScheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remotest.scheduling.base import SchedulingCommand
    from remotest.scheduling.catalogue import Collection
    from remotest.scheduling.estimates import Estimates

AHEAD_S: Final = 0.1
"""What a worker holds beyond the item that it runs shall last so long, if items are left, and twice
as long as a message takes there and back: those of a batch wait for each other."""

AHEAD: Final = LOOK_AHEAD + 1
"""Items that a worker shall hold, if there are as many: with ``LOOK_AHEAD`` alone it would wait, at
the end of each item, for a message that answers its own."""

SHORTEST_S: Final = 0.0005
"""No item is expected to take less: pytest itself needs about 1 ms for one that does nothing."""

PACE_PRIOR_S: Final = 1.0
"""So much work of a new kind of worker is taken to have been as expected: the first few items shall
not upset what is known from earlier runs."""

Planned = tuple[float, int]
"""(expected seconds, item number)."""


@dataclass(eq=False)
class _Pace:
    """How long the items of one kind of worker took beside what was expected."""

    actual_s: float = PACE_PRIOR_S
    expected_s: float = PACE_PRIOR_S

    @property
    def ratio(self) -> float:
        return self.actual_s / self.expected_s

    def note(self, actual_s: float, expected_s: float) -> None:
        self.actual_s += actual_s
        self.expected_s += expected_s


@dataclass(eq=False)
class _Plan:
    """What one open worker is to run.

    Attributes:
        seconds: what each item that it collected is expected to take on it.
        pace: of its kind of worker.
        waiting: what is planned for it and was not given to it, the shortest first.
        waiting_s: how long that will take.
        held_s: how long what it was given will take.
        ahead_s: for how long it shall have something to run beyond what it runs.
    """

    seconds: dict[int, float]
    pace: _Pace
    waiting: list[Planned] = field(default_factory=list)
    waiting_s: float = 0.0
    held_s: float = 0.0
    ahead_s: float = AHEAD_S

    @property
    def left_s(self) -> float:
        """What it is to run, as long as it will take if it goes on as it went."""
        return (self.held_s + self.waiting_s) * self.pace.ratio

    def add(self, item: int) -> None:
        """Plan an item for the worker."""
        insort(self.waiting, (self.seconds[item], -item))
        self.waiting_s += self.seconds[item]

    def take(self, index: int) -> int:
        """Plan an item for the worker no more; return its number."""
        seconds, minus_item = self.waiting.pop(index)
        self.waiting_s -= seconds
        return -minus_item

    def is_ahead(self, running: int) -> bool:
        """Return whether what the worker holds beyond its running item lasts long enough."""
        return (self.held_s - self.seconds[running]) * self.pace.ratio >= self.ahead_s

    def fair(self, other: _Plan) -> int | None:
        """Return the index of the longest that leaves another worker with no more than this one."""
        fair_s = (self.left_s - other.left_s) / 2 / self.pace.ratio
        end = bisect_right(self.waiting, (fair_s, 0))
        return next((i for i in reversed(range(end)) if other.can_run(self.waiting[i])), None)

    def shortest(self, other: _Plan) -> int | None:
        """Return the index of the shortest that another worker can run."""
        return next((i for i, each in enumerate(self.waiting) if other.can_run(each)), None)

    def can_run(self, planned: Planned) -> bool:
        """Return whether the worker has collected an item."""
        return -planned[1] in self.seconds


class DurationScheduler(SharingScheduler[Lane]):
    """Plans like the longest-processing-time rule (Graham 1969), and corrects the plan as it goes.

    At the start each item, the longest first, is planned for the worker that would have finished it
    first. A worker is given of its plan what lasts for a while, the longest first. When its plan is
    done it takes from the plan of the worker that has the most left: of what leaves that one with
    no less than itself, the longest. One that must hold an item behind a long one takes the
    shortest.

    What a lost worker leaves is planned for nobody: whoever can run it takes it in the place of
    what is shorter in its own plan.

    A call takes time for the items that it moves and a logarithm of the number of workers. Only
    where workers have collected different items it may look at more plans than the longest.
    """

    def __init__(self, estimates: Estimates) -> None:
        """Make a scheduler; ``estimates`` tell how long items will take on a worker."""
        super().__init__()
        self._estimates = estimates
        self._plans: dict[str, _Plan] = {}
        self._seconds: dict[tuple[str, Collection], dict[int, float]] = {}
        self._paces: dict[str, _Pace] = {}
        self._known: set[int] = set()
        self._unplanned: dict[int, None] = {}
        self._left_behind: list[Planned] = []  # Of what is unplanned, the longest first.
        self._waiting_count = 0
        self._most_left: list[tuple[float, str]] = []

    def add_worker(
        self, worker: str, collection: Collection, *, replaces: str | None = None
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        kind = self._estimates.kind_of(worker)
        if (kind, collection) not in self._seconds:
            expected = self._estimates.seconds(kind, collection.ids)
            lasting = [max(each, SHORTEST_S) for each in expected]
            self._seconds[kind, collection] = dict(zip(collection.items, lasting, strict=True))
        pace = self._paces.setdefault(kind, _Pace())
        ahead_s = AHEAD_S + 2 * self._round_trips_s.get(worker, 0.0)
        self._plans[worker] = _Plan(self._seconds[kind, collection], pace, ahead_s=ahead_s)
        return super().add_worker(worker, collection, replaces=replaces)

    def can_start_early(self, item_count: int, worker_count: int) -> bool:  # noqa: ARG002  see there
        """See ``Scheduler``: who is first would get the longest items, one behind the other."""
        return False

    def finish_item(
        self, worker: str, position: int, *, duration_s: float
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        plan = self._plans.get(worker)
        if plan is not None:
            expected_s = plan.seconds[self._members[worker].item(position)]
            plan.held_s -= expected_s
            plan.pace.note(duration_s, expected_s)
        return super().finish_item(worker, position, duration_s=duration_s)

    def _make_lane(self, collection: Collection) -> Lane:
        fresh = dict.fromkeys(item for item in collection.items if item not in self._known)
        self._known.update(fresh)
        self._unplanned.update(fresh)
        return Lane(collection)

    def _begin(self) -> list[SchedulingCommand]:
        self._plan()
        commands: list[SchedulingCommand] = []
        members = list(self._members.values())
        for member in members:  # Nobody takes anything over from one that has not begun.
            commands += self._give(member, alone=True)
        for member in members:
            commands += self._refill(member)
        return commands

    def _put_back(self, items: list[int]) -> None:
        self._unplanned.update(dict.fromkeys(items))
        for item in items if self._started else ():
            heapq.heappush(self._left_behind, (-self._longest_s(item), item))

    def _free_count(self) -> int:
        return self._waiting_count + len(self._unplanned)

    def _shut(self, member: Member[Lane]) -> None:
        """Plan for others what was planned for a worker that is open no longer."""
        super()._shut(member)
        plan = self._plans.pop(member.name, None)
        if plan is not None and plan.waiting:
            self._waiting_count -= len(plan.waiting)
            self._put_back([-minus_item for _, minus_item in plan.waiting])

    # -- planning ------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Plan each item for the worker that would have finished it first, the longest first.

        Of workers that are alike only the one with the least left comes into question.
        """
        alike: dict[int, list[tuple[float, int, _Plan]]] = {}
        for number, plan in enumerate(self._plans.values()):
            alike.setdefault(id(plan.seconds), []).append((plan.left_s, number, plan))
        for heap in alike.values():
            heapq.heapify(heap)
        longest_s = {item: self._longest_s(item) for item in self._unplanned}
        for item in sorted(longest_s, key=lambda item: (-longest_s[item], item)):
            ends = [
                (left_s + plan.seconds[item] * plan.pace.ratio, number, heap)
                for heap in alike.values()
                for left_s, number, plan in heap[:1]
                if item in plan.seconds
            ]
            if ends:
                end_s, number, heap = min(ends)
                plan = heap[0][2]
                plan.add(item)
                heapq.heapreplace(heap, (end_s, number, plan))
                del self._unplanned[item]
                self._waiting_count += 1
        for name in self._plans:
            self._rank(name)

    def _longest_s(self, item: int) -> float:
        """Return how long an item is expected to take where it takes longest."""
        return max(seconds.get(item, 0.0) for seconds in self._seconds.values())

    def _rank(self, name: str) -> None:
        """Let a worker be found as one with much left."""
        heapq.heappush(self._most_left, (-self._plans[name].left_s, name))

    # -- giving --------------------------------------------------------------------------------

    def _refill(self, member: Member[Lane]) -> list[SchedulingCommand]:
        """Give a worker what keeps it busy for a while; let it finish when nothing is left."""
        commands = self._give(member)
        if len(member.held) <= LOOK_AHEAD and not self._has_left(self._plans[member.name]):
            commands.append(self._finish(member))
        return commands

    def _give(self, member: Member[Lane], *, alone: bool = False) -> list[SchedulingCommand]:
        """Give a worker what keeps it busy: of its own plan and, unless ``alone``, of others'."""
        plan = self._plans[member.name]
        given: list[int] = []
        while True:
            count = len(member.held) + len(given)
            if count >= AHEAD:
                running = member.item(next(iter(member.held))) if member.held else given[0]
                if plan.is_ahead(running):
                    break
            item = self._own(plan)
            if item is None and not alone:
                item = self._of_others(plan, must=count < LOOK_AHEAD)
            if item is None:
                break
            plan.held_s += plan.seconds[item]
            given.append(item)
        positions = map(member.lane.collection.position, given)
        return self._run(member, [place for place in positions if place is not None])

    def _own(self, plan: _Plan) -> int | None:
        """Take the longest item of a worker's own plan, or a longer one that was left behind."""
        while self._left_behind and self._left_behind[0][1] not in self._unplanned:
            heapq.heappop(self._left_behind)
        own_s = plan.waiting[-1][0] if plan.waiting else 0.0
        left = self._left_behind[0][1] if self._left_behind else None
        if left is not None and plan.seconds.get(left, 0.0) > own_s:
            heapq.heappop(self._left_behind)
            del self._unplanned[left]
            return left
        return self._take(plan, len(plan.waiting) - 1) if plan.waiting else None

    def _of_others(self, plan: _Plan, *, must: bool) -> int | None:
        """Take an item for a worker out of another's plan.

        One that cannot go on without, and has more left than all others, takes the shortest of all.
        """
        for item in self._unplanned:
            if item in plan.seconds:
                del self._unplanned[item]
                return item
        shortest: tuple[float, int, _Plan] | None = None
        for other in self._others(plan):
            index = other.fair(plan)
            if index is not None:
                return self._take(other, index)
            if not must:
                return None
            index = other.shortest(plan)
            if index is not None and (not shortest or other.waiting[index][0] < shortest[0]):
                shortest = (other.waiting[index][0], index, other)
        return self._take(shortest[2], shortest[1]) if shortest else None

    def _take(self, plan: _Plan, index: int) -> int:
        self._waiting_count -= 1
        return plan.take(index)

    def _has_left(self, plan: _Plan) -> bool:
        """Return whether anything that waits could run on a worker."""
        if plan.waiting or any(item in plan.seconds for item in self._unplanned):
            return True
        return any(
            other.seconds is plan.seconds
            or any(-minus_item in plan.seconds for _, minus_item in other.waiting)
            for other in self._others(plan)
        )

    def _others(self, plan: _Plan) -> Iterator[_Plan]:
        """Yield the plans of other workers with something waiting, those with the most left first.

        What a rank says is brought up to date when it is met: what is left only grows where a
        worker is ranked anew. A change of pace may put workers in a slightly other order.
        """
        met: dict[str, _Plan] = {}
        try:
            while self._most_left:
                rank, name = heapq.heappop(self._most_left)
                other = self._plans.get(name)
                if other is None or not other.waiting or name in met:
                    continue
                if rank < -other.left_s:
                    heapq.heappush(self._most_left, (-other.left_s, name))
                    continue
                met[name] = other
                if other is not plan:
                    yield other
        finally:
            for name in met:
                if name in self._plans:
                    self._rank(name)
