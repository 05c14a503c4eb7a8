"""Which workers were lost, and what is said of the items that they were running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remotest.run.commands import ReportItemMoved, ReportLostItem
from remotest.run.result import WorkerLoss

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.run.fleet import WorkerState


class Losses:
    """The losses of one run, in the order in which they happened."""

    def __init__(self, runs_again: Callable[[str, str, str], bool] | None) -> None:
        """Take what decides by (worker, node id, reason) whether an item runs once more."""
        self._runs_again = runs_again
        self._moved: set[int] = set()
        self.all: list[WorkerLoss] = []

    def blame(
        self, worker: WorkerState, reason: str, *, with_host: bool = False, can_move: bool = False
    ) -> tuple[list[ReportLostItem | ReportItemMoved], frozenset[int]]:
        """Note the loss of a worker that had collected.

        Args:
            worker: the worker.
            reason: why it was lost.
            with_host: its host was lost.
            can_move: that is so, and others may come to run what it was running. Each item
                is moved once: what takes a second host down is the item's own fault.

        Returns:
            The reports of what it was running, and the positions that have failed by that; the
            others run again.
        """
        running = {position: worker.node_id(position) for position in sorted(worker.running)}
        moved = {
            position
            for position in running
            if can_move and worker.item(position) not in self._moved
        }
        self._moved.update(worker.item(position) for position in moved)
        again = moved | {
            position
            for position, node_id in running.items()
            if position not in moved
            and self._runs_again is not None
            and self._runs_again(worker.name, node_id, reason)
        }
        environment = worker.environment.name
        self.all.append(
            WorkerLoss(
                worker=worker.name,
                environment=environment,
                reason=reason,
                node_ids=tuple(running.values()),
                is_excused=bool(running) and not moved and len(again) == len(running),
                with_host=with_host,
            )
        )
        reports: list[ReportLostItem | ReportItemMoved] = [
            ReportItemMoved(
                worker=worker.name, environment=environment, node_id=node_id, reason=reason
            )
            if position in moved
            else ReportLostItem(
                worker=worker.name,
                environment=environment,
                node_id=node_id,
                reason=reason,
                runs_again=position in again,
            )
            for position, node_id in running.items()
        ]
        return reports, frozenset(running.keys() - again)
