"""How many workers are how far while a run starts, in pytest-xdist's words. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class Stage(IntEnum):
    """How far a worker is; a later stage is a higher number."""

    CREATED = 1
    INITIALIZED = 2
    READY = 3
    COLLECTED = 4


WORDS = {Stage.CREATED: "created", Stage.INITIALIZED: "initialized", Stage.READY: "ready"}


def status_line(stages: Collection[Stage], item_count: int) -> str:
    """Return the line for the start-up of some workers."""
    total = len(stages)
    noun = "worker" if total == 1 else "workers"
    if not stages:
        return "bringing up nodes..."
    if all(stage is Stage.COLLECTED for stage in stages):
        items = "item" if item_count == 1 else "items"
        return f"{total} {noun} [{item_count} {items}]"
    furthest = max(stages)
    count = sum(1 for stage in stages if stage is furthest)
    if furthest is Stage.COLLECTED:
        return f"collecting: {count}/{total} {noun}"
    return f"{WORDS[furthest]}: {count}/{total} {noun}"
