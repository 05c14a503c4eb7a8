"""The scheduler of a run, with what is known of earlier runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from remotest.durations import Durations
from remotest.reporting.idletail import IdleTail
from remotest.scheduling.duration import DurationScheduler
from remotest.scheduling.estimates import Estimates
from remotest.scheduling.modes import make_scheduler
from remotest.scheduling.steal import StealScheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from remotest.run.plan import RunPlan
    from remotest.scheduling.base import Scheduler

NAMES: Final = {
    "each": "EachScheduling",
    "load": "LoadScheduling",
    "loadscope": "LoadScopeScheduling",
    "loadfile": "LoadFileScheduling",
    "loadgroup": "LoadGroupScheduling",
    "worksteal": "WorkStealingScheduling",
}
"""What ``-v`` calls the schedulers: pytest-xdist's names, which tools look for."""


def prepare_scheduler(
    config: pytest.Config,
    plan: RunPlan,
    *,
    longest_first: bool,
    kind_of: Callable[[str], str],
) -> Scheduler:
    """Return the scheduler of a run; register what remembers how long its tests take.

    Args:
        config: of the run.
        plan: of the run.
        longest_first: ``--schedule=duration``.
        kind_of: from the name of a worker to its kind: an interpreter on a host.
    """
    durations = Durations(getattr(config, "cache", None), kind_of)
    if plan.dist != "each":
        config.pluginmanager.register(durations)
        shown = config.getoption("durations", None)
        if shown is not None:
            config.pluginmanager.register(IdleTail(shown))
    return make_scheduler(
        plan.dist,
        max_chunk=plan.max_chunk,
        reorder_scopes=plan.reorder_scopes,
        estimates=Estimates(durations.known(), kind_of) if longest_first else None,
    )


def name_scheduler(scheduler: Scheduler, dist: str) -> str:
    """Return what to call a scheduler of ours."""
    if isinstance(scheduler, DurationScheduler):
        return "DurationScheduling"
    return NAMES["worksteal" if isinstance(scheduler, StealScheduler) else dist]
