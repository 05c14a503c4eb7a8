"""``--dist=each``: every worker runs the whole of its own collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remotest.run.commands import FinishWorker, RunItems
from remotest.scheduling.base import Scheduler, SchedulingCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remotest.scheduling.catalogue import Collection


@dataclass(eq=False)
class _Member:
    """A worker, what it still holds (a flag by position), and what was done before it came."""

    collection: Collection
    held: bytearray
    held_count: int
    done_before: frozenset[int]


class EachScheduler(Scheduler):
    """Gives each worker everything at once; a replacement goes on where its predecessor stopped.

    Nothing moves between workers, so a member needs no queue: a flag for each position is small
    enough for many environments with long collections.
    """

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._done_by_lost: dict[str, frozenset[int]] = {}
        self._started = False

    def add_worker(
        self, worker: str, collection: Collection, *, replaces: str | None = None
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        done = self._done_by_lost.pop(replaces, frozenset()) if replaces else frozenset[int]()
        held = bytearray(item not in done for item in collection.items)
        self._members[worker] = _Member(collection, held, held.count(1), done)
        return self._give_all(worker) if self._started else []

    def start(self) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        self._started = True
        return [command for worker in self._members for command in self._give_all(worker)]

    def can_start_early(self, item_count: int, worker_count: int) -> bool:  # noqa: ARG002  as there
        """See ``Scheduler``: nobody here waits for anybody."""
        return True

    def finish_item(
        self,
        worker: str,
        position: int,
        *,
        duration_s: float,  # noqa: ARG002  of no use here: all is given out
    ) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members[worker]
        member.held[position] = False
        member.held_count -= 1
        return []

    def remove_worker(self, worker: str, *, begun: frozenset[int]) -> list[SchedulingCommand]:
        """See ``Scheduler``."""
        member = self._members.pop(worker)
        done = {
            item
            for position, item in enumerate(member.collection.items)
            if not member.held[position] or position in begun
        }
        self._done_by_lost[worker] = member.done_before | done
        return []

    def close(self) -> list[SchedulingCommand]:
        """See ``Scheduler``: no item here may go to *any* worker, so there is nothing to close."""
        return []

    def holds(self, worker: str, position: int) -> bool:
        """See ``Scheduler``."""
        held = self._members[worker].held
        return self._started and 0 <= position < len(held) and bool(held[position])

    def held(self, worker: str) -> Sequence[int]:
        """See ``Scheduler``."""
        held = self._members[worker].held if self._started else b""
        return [position for position, flag in enumerate(held) if flag]

    def held_count(self, worker: str) -> int:
        """See ``Scheduler``."""
        return self._members[worker].held_count if self._started else 0

    def wants_replacement(self, worker: str, *, begun: frozenset[int]) -> bool:
        """See ``Scheduler``: only the items that this worker left can go to a replacement."""
        return self._members[worker].held_count > len(begun)

    def stranded_count(self) -> int:
        """See ``Scheduler``: an item here waits for one environment, which another cannot help."""
        return 0

    def _give_all(self, worker: str) -> list[SchedulingCommand]:
        held = self._members[worker].held
        positions = tuple(position for position, flag in enumerate(held) if flag)
        finish = FinishWorker(worker=worker)
        return [RunItems(worker=worker, positions=positions), finish] if positions else [finish]
