"""A scheduler of somebody else, in pytest-xdist's protocol, as a scheduler of the run machine.

What it tells nodes becomes commands, what happens becomes calls of it. Which worker is replaced,
what a crash means and that nothing is lost stay the machine's business.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from remotest.run.commands import FinishWorker, ReclaimItems, RunItems
from remotest.scheduling.holding import LOOK_AHEAD, Holder, HoldingScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remotest.compat.node import WorkerController
    from remotest.scheduling.base import SchedulingCommand
    from remotest.scheduling.catalogue import Collection


class BadScheduleError(Exception):
    """A scheduler commands what cannot be done."""


@dataclass(eq=False)
class _Member(Holder):
    """A worker, with what it holds and, if it was asked for some of that, those positions."""

    node: WorkerController
    collection: Collection
    asked: frozenset[int] | None = None


class AdaptedScheduler(HoldingScheduler[_Member]):
    """See ``Scheduler``.

    A worker is shown to the other scheduler when all have collected, as are late ones then: it
    never hears of a worker that did not come so far.

    ``theirs`` is the other scheduler, ``node_of`` returns the node of a worker, ``is_each`` says
    that each environment runs every item.
    """

    def __init__(
        self, theirs: Any, *, node_of: Callable[[str], WorkerController], is_each: bool
    ) -> None:
        super().__init__()
        self._theirs = theirs
        self._node_of = node_of
        self._is_each = is_each
        self._given: set[tuple[str, int]] = set()
        self._commands: list[SchedulingCommand] = []

    # -- what the machine says -----------------------------------------------------------------

    def add_worker(
        self,
        worker: str,
        collection: Collection,
        *,
        replaces: str | None = None,  # noqa: ARG002  a replacement is a worker like any other
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker] = _Member(self._node_of(worker), collection)
        member.node.orders = self
        if self._closed:
            member.node.shutdown()
        elif self._started:
            self._show([member])
        return self._take_commands()

    def start(self) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        self._started = True
        if not self._closed:
            with contextlib.suppress(AttributeError):  # a property of theirs, or none
                self._theirs.numnodes = len(self._members)
            self._show(list(self._members.values()))
        return self._take_commands()

    def finish_item(
        self, worker: str, position: int, *, duration_s: float
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker]
        del member.held[position]
        if not self._closed:
            self._theirs.mark_test_complete(member.node, position, duration_s)
        return self._take_commands()

    def has_asked(self, worker: str, positions: Sequence[int]) -> bool:
        """See ``Scheduler``."""
        asked = self._members[worker].asked
        return asked is not None and asked.issuperset(positions)

    def return_items(self, worker: str, positions: Sequence[int]) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker]
        member.asked = None
        for position in positions:
            del member.held[position]
            self._given.discard(self._key(member, position))
        if not self._closed:
            self._theirs.remove_pending_tests_from_node(member.node, list(positions))
        return self._take_commands()

    def remove_worker(self, worker: str, *, begun: frozenset[int]) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members.pop(worker)
        member.is_open = False
        for position in member.held:
            if position not in begun:
                self._given.discard(self._key(member, position))
        if self._started and not self._closed and member.node in self._theirs.nodes:
            # So that it gives the node nothing more, however the worker came to its end.
            member.node.is_down = True
            for position in sorted(begun.intersection(member.held)):
                self._theirs.mark_test_complete(member.node, position, 0.0)
            # The first that the node still had: by the protocol it is out of the schedule now.
            not_begun = self._theirs.remove_node(member.node)
            if not_begun is not None:
                # Schedulers by scope of pytest-xdist have no such method: they keep the item.
                with contextlib.suppress(NotImplementedError):
                    self._theirs.mark_test_pending(not_begun)
            self._schedule()
        return self._take_commands()

    def close(self) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        self._closed = True
        self._finish_open()
        return self._take_commands()

    def stranded_count(self) -> int:
        """See ``Scheduler``: only the other scheduler knows, and it says whether, not how many."""
        is_served = self._closed or any(member.is_open for member in self._members.values())
        return int(not is_served and bool(self._theirs.has_pending))

    # -- what the other scheduler commands, as nodes pass it on ----------------------------------

    def run(self, worker: str, positions: Sequence[int]) -> None:
        """See ``Orders``.

        Raises:
            BadScheduleError: there is no such item, or somebody has it already.
        """
        member = self._members.get(worker)
        if member is None or not member.is_open or self._closed:
            return
        for position in positions:
            if not 0 <= position < len(member.collection.items):
                self._refuse(f"{worker} has not collected an item {position}")
            key = self._key(member, position)
            if key in self._given:
                node_id = member.collection.ids[position]
                self._refuse(
                    f"{node_id} goes to {worker} and was given out before (to run every test on "
                    "every worker use --dist=each)"
                )
            self._given.add(key)
            member.held[position] = None
        if positions:
            self._commands.append(RunItems(worker=worker, positions=tuple(positions)))

    def run_all(self, worker: str) -> None:
        """See ``Orders``."""
        member = self._members.get(worker)
        if member is not None:
            self.run(worker, range(len(member.collection.items)))

    def steal(self, worker: str, positions: Sequence[int]) -> None:
        """See ``Orders``."""
        member = self._members.get(worker)
        if member is not None and member.is_open and member.asked is None and not self._closed:
            member.asked = frozenset(positions).intersection(member.held)
            self._commands.append(ReclaimItems(worker=worker, positions=tuple(positions)))

    def finish(self, worker: str) -> None:
        """See ``Orders``."""
        member = self._members.get(worker)
        if member is not None and member.is_open:
            member.is_open = False
            self._commands.append(FinishWorker(worker=worker))

    # -- inside --------------------------------------------------------------------------------

    def _may_give(self) -> bool:
        return True  # Only the other scheduler knows.

    def _refuse(self, what: str) -> None:
        raise BadScheduleError(f"the scheduler {type(self._theirs).__name__} is wrong: {what}")

    def _key(self, member: _Member, position: int) -> tuple[str, int]:
        return (
            member.node.environment if self._is_each else "",
            member.collection.items[position],
        )

    def _show(self, members: list[_Member]) -> None:
        """Tell the other scheduler of workers that have collected, and let it go on."""
        for member in members:
            self._theirs.add_node(member.node)
        for member in members:
            self._theirs.add_node_collection(member.node, member.collection.marked_ids())
        self._schedule()

    def _schedule(self) -> None:
        if self._theirs.collection_is_completed:
            self._theirs.schedule()

    def _finish_open(self) -> None:
        for member in self._members.values():
            member.node.shutdown()

    def _take_commands(self) -> list[SchedulingCommand]:
        """Return what was commanded; see to it that the run comes to an end.

        When nothing is left, and when each worker waits for another item and none comes, workers
        are told to finish: what was left out then shows in the result.
        """
        if self._started:
            is_waiting = all(
                len(member.held) < LOOK_AHEAD and member.asked is None
                for member in self._members.values()
                if member.is_open
            )
            if is_waiting or self._theirs.tests_finished:
                self._finish_open()
        commands, self._commands = self._commands, []
        return commands
