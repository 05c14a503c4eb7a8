"""What every scheduler is: worker names and positions in, commands out. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeAlias

from remotest.run.commands import FinishWorker, ReclaimItems, RunItems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remotest.scheduling.catalogue import Collection

SchedulingCommand: TypeAlias = RunItems | ReclaimItems | FinishWorker


class Scheduler(ABC):
    """Decides which worker runs what. The run machine is its only caller.

    A worker *holds* the positions that it was given and has not finished. It begins an item only
    when it knows the one after it, or was told that none comes (``FinishWorker``): fixtures are
    torn down by what comes next. So after each call, once ``start`` was called, each worker
    either holds at least two positions, or was told to finish, or waits for what another one was
    asked to give back.

    Callers keep to this: workers are added once, after they have collected; only workers that
    were added and not removed are named afterwards; ``finish_item`` names a held position.
    """

    @abstractmethod
    def add_worker(
        self, worker: str, collection: Collection, *, replaces: str | None = None
    ) -> list[SchedulingCommand]:
        """Take in a worker that has collected; before ``start`` it is given nothing yet.

        ``replaces`` names the removed worker in whose place it was started.
        """

    @abstractmethod
    def start(self) -> list[SchedulingCommand]:
        """Give out items from now on. Called once."""

    def can_start_early(
        self,
        item_count: int,  # noqa: ARG002  most schedulers wait for all workers
        worker_count: int,  # noqa: ARG002  as above
    ) -> bool:
        """Return whether to start with those workers that are there, before the others are.

        That must take nothing away from these: each begins with what it would have begun with.

        Args:
            item_count: known so far.
            worker_count: of the whole run.
        """
        return False

    def set_round_trip(self, worker: str, round_trip_s: float) -> None:  # noqa: B027  as below
        """Take in how long a message to a worker and its answer take; before it is added."""

    def expect(self, worker_count: int) -> None:  # noqa: B027  most schedulers have all at the start
        """Take in how many workers are still to be added: shares are left for them."""

    @abstractmethod
    def finish_item(
        self, worker: str, position: int, *, duration_s: float
    ) -> list[SchedulingCommand]:
        """Note that a worker is done with a position that it held."""

    def has_asked(
        self,
        worker: str,  # noqa: ARG002  most schedulers ask nobody
        positions: Sequence[int],  # noqa: ARG002  as above
    ) -> bool:
        """Return whether a worker owes an answer that may return these positions."""
        return False

    def return_items(self, worker: str, positions: Sequence[int]) -> list[SchedulingCommand]:
        """Take back what a worker was asked for (``ReclaimItems``) and had not begun.

        Only called where ``has_asked`` says yes.
        """
        raise NotImplementedError(f"{type(self).__name__} asks for nothing back: {worker}")

    @abstractmethod
    def remove_worker(self, worker: str, *, begun: frozenset[int]) -> list[SchedulingCommand]:
        """Forget a worker that ended or was lost.

        ``begun`` are the held positions that must not run again; the others it held shall be
        run by somebody else.
        """

    def redistribute(self) -> list[SchedulingCommand]:
        """Give what removed workers left to those that wait for items.

        Called after one or more removals, when all workers that go together have been removed.
        """
        return []

    @abstractmethod
    def close(self) -> list[SchedulingCommand]:
        """Give out nothing that may go to any worker: each runs what it holds and finishes."""

    @abstractmethod
    def holds(self, worker: str, position: int) -> bool:
        """Return whether a worker was given a position and has not finished it."""

    @abstractmethod
    def held(self, worker: str) -> Sequence[int]:
        """Return the positions that a worker holds, in the order in which it was given them."""

    @abstractmethod
    def held_count(self, worker: str) -> int:
        """Return how many positions a worker holds."""

    @abstractmethod
    def wants_replacement(self, worker: str, *, begun: frozenset[int]) -> bool:
        """Return whether another worker in the place of this one may have something to run.

        Asked before ``remove_worker``, with the same ``begun``.
        """

    @abstractmethod
    def stranded_count(self) -> int:
        """Return how many items wait although every worker known so far was told to finish."""
