"""Which worker's queue is the longest: a number for each name, looked up from the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Lengths:
    """Lengths by name. A change by one takes constant time, any other amortised by its size."""

    def __init__(self) -> None:
        self._length_of: dict[str, int] = {}
        self._names_of: list[dict[str, None]] = []

    def set(self, name: str, length: int) -> None:
        """Note how long the queue of a name is; zero forgets the name."""
        before = self._length_of.pop(name, 0)
        if before:
            del self._names_of[before][name]
        if length:
            missing_count = length + 1 - len(self._names_of)
            self._names_of.extend({} for _ in range(missing_count))
            self._names_of[length][name] = None
            self._length_of[name] = length
        while self._names_of and not self._names_of[-1]:
            self._names_of.pop()

    def any(self) -> bool:
        """Return whether there is a queue."""
        return bool(self._length_of)

    def longest_first(self) -> Iterator[str]:
        """Yield the names, those with the longest queues first. Nothing may change meanwhile."""
        for names in reversed(self._names_of):
            yield from names
