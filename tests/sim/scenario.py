"""What a simulated run is asked to be: its plan, its hosts, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.run.plan import RunPlan


@dataclass(frozen=True, kw_only=True)
class Host:
    """What one agent's host is like."""

    cpu_count: int = 1
    latency_s: float = 0.01
    ready_at_s: float = 1.0
    fails: bool = False
    lost_at_s: float | None = None  # For ever.
    outages: tuple[tuple[float, float], ...] = ()  # When it is lost, and for how long.
    silence_s: float = 0.0  # For so long a loss is not noticed, and its workers go on.
    bad_starts: int = 0  # So many attempts to connect again reach it, and it does not start.
    is_changed: bool = False  # Its key is another one after it was lost.
    ids: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)  # ``xdist_group`` by node id.
    shuffles: bool = False  # Each worker collects in an order of its own.
    drops: float = 0.0  # Each worker does not collect about so many of the items.
    start_s: float = 1.0
    collect_s: float = 1.0
    item_s: float = 0.05
    slow_item_share: float = 0.1  # So many items take a hundred times as long.


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How likely each thing is to go wrong: by worker, or by item begun."""

    crash_in_item: float = 0.0
    crash_between_items: float = 0.0
    crash_at_start: float = 0.0
    crash_anywhere: float = 0.0  # At some time after collecting.
    hang: float = 0.0  # At start, while collecting or at the end of the session.
    early_end: float = 0.0
    no_outcome: float = 0.0
    lost_order: float = 0.0  # An order to it, or its answer, does not arrive.
    hostile: float = 0.0  # Says something at random before an item.


@dataclass(frozen=True, kw_only=True)
class Scenario:
    plan: RunPlan
    hosts: dict[str, Host]
    faults: Faults = Faults()
    seed: int = 0
    stop_at_s: float | None = None
    stop_grace_s: float | None = None
    steps_limit: int = 100_000
    estimates: Mapping[str, Mapping[str, float]] | None = None  # By host and node id: seconds.
