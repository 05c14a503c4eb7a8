"""The modes of ``--dist`` and the scheduler of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from remotest.scheduling.each import EachScheduler
from remotest.scheduling.load import LoadScheduler
from remotest.scheduling.scope import ScopeScheduler
from remotest.scheduling.scopes import SCOPES
from remotest.scheduling.steal import StealScheduler

if TYPE_CHECKING:
    from remotest.scheduling.base import Scheduler

DistMode: TypeAlias = Literal["each", "load", "loadscope", "loadfile", "loadgroup", "worksteal"]


def make_scheduler(mode: DistMode, *, max_chunk: int | None, reorder_scopes: bool) -> Scheduler:
    """Return a new scheduler of a mode.

    Args:
        mode: the value of ``--dist``.
        max_chunk: most items that ``load`` gives at once; None for no limit.
        reorder_scopes: whether the modes that keep scopes together begin with the largest.
    """
    if mode == "each":
        return EachScheduler()
    if mode == "load":
        return LoadScheduler(max_chunk=max_chunk)
    if mode == "worksteal":
        return StealScheduler()
    return ScopeScheduler(SCOPES[mode], reorder=reorder_scopes)
