"""The lost workers, and what is reported about the items that they ran or may have run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from remotest.run.commands import ReportItemMoved, ReportItemsInDoubt, ReportLostItem
from remotest.run.fleet import Phase
from remotest.run.result import WorkerLoss

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from remotest.run.fleet import WorkerState

LossReport: TypeAlias = ReportLostItem | ReportItemMoved | ReportItemsInDoubt


class Losses:
    """The losses of one run, in the order in which they happened.

    Where only the worker died, all that it said has arrived: what it was running is known. With
    its host what it said last is lost too: each item that it was given may have begun meanwhile,
    and all before that one have ended. Those are *in doubt*. The first of them, where the worker
    was not known to run anything, is dealt with as if it had run: if an item took the host
    down, it is this one.
    """

    def __init__(
        self, runs_again: Callable[[str, str, str], bool] | None, *, requeue: bool
    ) -> None:
        """Take what decides by (worker, node id, reason) whether an item runs once more.

        With ``requeue`` an item that was lost with a host does so by itself, once: what takes a
        second host down is the item's own fault.
        """
        self._runs_again = runs_again
        self._requeue = requeue
        self._moved: set[int] = set()
        self.all: list[WorkerLoss] = []

    def blame(self, worker: WorkerState, reason: str) -> tuple[list[LossReport], frozenset[int]]:
        """Note the loss of a worker that had collected, and nothing else.

        Returns:
            The reports of what it was running, and the positions that have failed by that; the
            others run again.
        """
        running = sorted(worker.running)
        again = self._ask(worker, running, reason)
        self._note(worker, reason, is_excused=bool(running) and len(again) == len(running))
        reports: list[LossReport] = [*_lost_reports(worker, running, reason, again)]
        return reports, frozenset(worker.running - again)

    def blame_host(
        self, worker: WorkerState, reason: str, *, held: Sequence[int], has_others: bool
    ) -> tuple[list[LossReport], frozenset[int]]:
        """Note the loss of a worker that had collected, and of its host.

        Args:
            worker: the worker.
            reason: why its host was lost.
            held: the positions that it was given and had not finished, in that order.
            has_others: others may come to run them.

        Returns:
            As ``blame``.
        """
        self._note(worker, reason, with_host=True)
        running = sorted(worker.running)
        in_doubt = _in_doubt(worker, held) if has_others else []
        suspects = running or in_doubt[:1]
        moved = {
            position
            for position in suspects
            if has_others and self._requeue and worker.item(position) not in self._moved
        }
        self._moved.update(worker.item(position) for position in moved)
        lost = [position for position in suspects if position not in moved]
        again = self._ask(worker, lost, reason)
        name, environment = worker.name, worker.environment.name
        reports: list[LossReport] = [
            ReportItemMoved(
                worker=name, environment=environment, node_id=worker.node_id(p), reason=reason
            )
            for p in running
            if p in moved
        ]
        reports += _lost_reports(worker, lost, reason, again)
        told = tuple(worker.node_id(position) for position in in_doubt if position not in lost)
        if told:
            reports.append(
                ReportItemsInDoubt(
                    worker=name, environment=environment, node_ids=told, reason=reason
                )
            )
        return reports, frozenset(lost) - again

    def _ask(self, worker: WorkerState, positions: Sequence[int], reason: str) -> frozenset[int]:
        """Return which of these items a plugin lets run once more."""
        if self._runs_again is None:
            return frozenset()
        return frozenset(
            position
            for position in positions
            if self._runs_again(worker.name, worker.node_id(position), reason)
        )

    def _note(
        self,
        worker: WorkerState,
        reason: str,
        *,
        is_excused: bool = False,
        with_host: bool = False,
    ) -> None:
        self.all.append(
            WorkerLoss(
                worker=worker.name,
                environment=worker.environment.name,
                reason=reason,
                node_ids=tuple(worker.node_id(position) for position in sorted(worker.running)),
                is_excused=is_excused,
                with_host=with_host,
            )
        )


def _in_doubt(worker: WorkerState, held: Sequence[int]) -> list[int]:
    """Return, in order, what a worker may have begun without anybody knowing.

    The last item cannot be among that: it is begun only when the worker knows that none follows.
    """
    knows_end = worker.phase is not Phase.RUNNING
    candidates = held if knows_end else held[:-1]
    return [position for position in candidates if position not in worker.running]


def _lost_reports(
    worker: WorkerState, positions: Sequence[int], reason: str, again: Collection[int]
) -> list[ReportLostItem]:
    return [
        ReportLostItem(
            worker=worker.name,
            environment=worker.environment.name,
            node_id=worker.node_id(position),
            reason=reason,
            runs_again=position in again,
        )
        for position in positions
    ]
