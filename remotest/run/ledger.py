"""The account of items: which announced items have an outcome, and which have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remotest.scheduling.catalogue import Collection

_UNKNOWN, _OPEN, _SETTLED, _SILENT = range(4)


class Ledger:
    """The items that have to be run once: under each those of one environment, else of the run.

    An item is *open* until it is *settled* by an outcome, or *silent*: it ended without one.
    """

    def __init__(self) -> None:
        self._state = bytearray()
        self._seen: dict[Collection, None] = {}
        self.open_count = 0

    def announce(self, collection: Collection) -> None:
        """Take in what a worker collected."""
        if collection in self._seen:
            return
        self._seen[collection] = None
        highest = max(collection.items, default=-1)
        self._state.extend(bytes(max(0, highest + 1 - len(self._state))))
        for item in collection.items:
            if self._state[item] == _UNKNOWN:
                self._state[item] = _OPEN
                self.open_count += 1

    def settle(self, item: int, *, has_outcome: bool) -> None:
        """Note the end of an open item."""
        assert self._state[item] == _OPEN
        self._state[item] = _SETTLED if has_outcome else _SILENT
        self.open_count -= 1

    def open_items(self) -> Iterator[int]:
        """Yield the items that have not ended."""
        return (item for item, state in enumerate(self._state) if state == _OPEN)

    def silent_items(self) -> Iterator[int]:
        """Yield the items that ended without an outcome."""
        return (item for item, state in enumerate(self._state) if state == _SILENT)
