"""How far ahead a worker is kept: by how long messages travel and how long its items take. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from pytest_remotest.pace import PAUSE_S
from remotest.scheduling.holding import LOOK_AHEAD

SHORTEST_S: Final = 0.0002
"""No item is expected to take less: pytest itself needs 0.3 ms for one that does nothing."""

MOST_AHEAD: Final = 100
"""Items that a worker is kept ahead at most: those of 1 ms on a link to the other side of the
world and back."""

WEIGHT: Final = 0.25
"""Of the last item in what items are expected to take: a few short ones show that a file of short
ones has begun."""


@dataclass(eq=False)
class Ahead:
    """What is known of one worker: the link to it and its last items.

    Attributes:
        round_trip_s: from a message to its answer; 0 where that is not known.
        item_s: what its items take lately; None before the first has ended.
    """

    round_trip_s: float = 0.0
    item_s: float | None = None

    def note(self, duration_s: float) -> None:
        """Take in what an item took."""
        before_s = duration_s if self.item_s is None else self.item_s
        self.item_s = before_s + WEIGHT * (duration_s - before_s)

    def count(self) -> int:
        """Return how many items it has to hold so that it never waits for a message.

        The one that it runs, the next one, which pytest must know, and as many as it ends while the
        news of an end waits for its agent and travels here, and the next items there.
        """
        if self.item_s is None:
            return LOOK_AHEAD
        item_s = max(self.item_s, SHORTEST_S)
        ending_count = math.floor(PAUSE_S / item_s) + math.ceil(self.round_trip_s / item_s)
        return LOOK_AHEAD + min(ending_count, MOST_AHEAD)
