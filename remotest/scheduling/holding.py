"""What the schedulers have in common that keep in a table what each worker holds."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from remotest.scheduling.base import Scheduler

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOK_AHEAD: Final = 2
"""Items a worker must hold to go on: the one it runs, and the next one, which pytest must know."""


@dataclass(eq=False, kw_only=True)
class Holder:
    """A worker with the positions that it holds, in the order given.

    It is open until it is told to finish.
    """

    held: dict[int, None] = field(default_factory=dict)
    is_open: bool = True


HolderT = TypeVar("HolderT", bound=Holder)


class HoldingScheduler(Scheduler, Generic[HolderT]):
    """Keeps the workers and how far the run is; what they hold changes in the subclass."""

    def __init__(self) -> None:
        self._members: dict[str, HolderT] = {}
        self._started = False
        self._closed = False

    @abstractmethod
    def _may_give(self) -> bool:
        """Return whether a worker that came now might get what none holds, or another can spare."""

    def holds(self, worker: str, position: int) -> bool:
        """See ``Scheduler``."""
        return position in self._members[worker].held

    def held(self, worker: str) -> Sequence[int]:
        """See ``Scheduler``."""
        return tuple(self._members[worker].held)

    def held_count(self, worker: str) -> int:
        """See ``Scheduler``."""
        return len(self._members[worker].held)

    def wants_replacement(self, worker: str, *, begun: frozenset[int]) -> bool:
        """See ``Scheduler``: of a worker that was in use, if there is something left to run."""
        held_count = self.held_count(worker)
        return not self._started or held_count > len(begun) or (held_count > 0 and self._may_give())
