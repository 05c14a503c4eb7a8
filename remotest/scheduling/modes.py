"""The modes of ``--dist`` and the scheduler of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from remotest.scheduling.duration import DurationScheduler
from remotest.scheduling.each import EachScheduler
from remotest.scheduling.load import LoadScheduler
from remotest.scheduling.scope import ScopeScheduler
from remotest.scheduling.scopes import SCOPES
from remotest.scheduling.steal import StealScheduler

if TYPE_CHECKING:
    from remotest.scheduling.base import Scheduler
    from remotest.scheduling.estimates import Estimates

DistMode: TypeAlias = Literal["each", "load", "loadscope", "loadfile", "loadgroup", "worksteal"]


def make_scheduler(
    mode: DistMode,
    *,
    max_chunk: int | None,
    reorder_scopes: bool,
    estimates: Estimates | None = None,
) -> Scheduler:
    """Return a new scheduler of a mode.

    Args:
        mode: the value of ``--dist``.
        max_chunk: most items that ``load`` gives at once; None for no limit.
        reorder_scopes: whether the modes that keep scopes together begin with the largest.
        estimates: how long items will take, where the longest shall run first; None for the order
            of the mode.
    """
    if mode == "each":
        return EachScheduler()
    if mode not in ("load", "worksteal"):
        return ScopeScheduler(SCOPES[mode], reorder=reorder_scopes, estimates=estimates)
    if estimates:
        return DurationScheduler(estimates)
    # The best that can be done where nothing is known of how long items take.
    if mode == "worksteal" or estimates is not None:
        return StealScheduler()
    return LoadScheduler(max_chunk=max_chunk)
