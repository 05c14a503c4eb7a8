"""How many workers are how far while a run starts, in pytest-xdist's words. Pure."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum


class Stage(IntEnum):
    """How far a worker is; a later stage is a higher number."""

    CREATED = 1
    INITIALIZED = 2
    READY = 3
    COLLECTED = 4


WORDS = {Stage.CREATED: "created", Stage.INITIALIZED: "initialized", Stage.READY: "ready"}


class Stages:
    """How far each worker is, and how many are how far. A worker has a name once it is started.

    Attributes:
        counts: how many workers are how far.
    """

    def __init__(self) -> None:
        self.counts: Counter[Stage] = Counter()
        self._stage_of: dict[str, Stage] = {}

    def expect(self, count: int) -> None:
        """Take in that there will be so many more."""
        self.counts[Stage.CREATED] += count

    def start(self, name: str, replaces: str | None) -> None:
        """Take in that a worker is being started: one that was expected, or in a lost one's place.

        Where none was expected it is one more.
        """
        if replaces in self._stage_of:
            self.counts[self._stage_of.pop(replaces)] -= 1
        elif replaces is None and self.counts[Stage.CREATED]:
            self.counts[Stage.CREATED] -= 1
        self.move(name, Stage.INITIALIZED)

    def move(self, name: str, stage: Stage) -> None:
        """Take in how far a worker is."""
        if name in self._stage_of:
            self.counts[self._stage_of[name]] -= 1
        self._stage_of[name] = stage
        self.counts[stage] += 1

    def settle(self, coming_count: int) -> None:
        """Forget all that have not collected, but for so many that count as if they had."""
        self._stage_of = {n: s for n, s in self._stage_of.items() if s == Stage.COLLECTED}
        self.counts.clear()
        self.counts[Stage.COLLECTED] = len(self._stage_of) + coming_count


def status_line(counts: Counter[Stage], item_count: int) -> str:
    """Return the line for the start-up of workers, of which so many are how far."""
    total = counts.total()
    noun = "worker" if total == 1 else "workers"
    if not total:
        return "bringing up nodes..."
    if counts[Stage.COLLECTED] == total:
        items = "item" if item_count == 1 else "items"
        return f"{total} {noun} [{item_count} {items}]"
    furthest = max(stage for stage, count in counts.items() if count)
    count = counts[furthest]
    if furthest is Stage.COLLECTED:
        return f"collecting: {count}/{total} {noun}"
    return f"{WORDS[furthest]}: {count}/{total} {noun}"
