"""How many items several workers have collected together. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tally:
    """Counts items by node id: one that a worker has twice is there twice.

    Workers that collected alike cost it no more than one does, and nothing is kept for them.
    """

    def __init__(self) -> None:
        self.count = 0
        self._first: Sequence[str] | None = None
        self._all: Counter[str] | None = None  # Once there were others than the first.

    def add(self, ids: Sequence[str]) -> int:
        """Take in what a worker has collected; return by how many items there are more."""
        before = self.count
        if self._first is None:
            self._first, self.count = ids, len(ids)
        elif ids is not self._first and ids != self._first:
            self._all = (self._all or Counter(self._first)) | Counter(ids)
            self.count = self._all.total()
        return self.count - before
