"""Which item of one worker is which item of another: matching by node id and occurrence."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Groups: TypeAlias = tuple[tuple[int, str], ...]


class Collection:
    """One announced collection. Workers that announced the same share one of these.

    Attributes:
        ids: node ids by position.
        items: item numbers of the catalogue by position; of what was announced first a range.
        groups: ``xdist_group`` by position, of the items that have one and where it counts.
    """

    def __init__(self, ids: tuple[str, ...], items: list[int], groups: Mapping[int, str]) -> None:
        self.ids = ids
        self.groups = groups
        self.items: Sequence[int] = range(len(items))
        self._positions: dict[int, int] | None = None
        if items != list(self.items):
            self.items = items
            self._positions = {item: position for position, item in enumerate(items)}

    def marked_ids(self) -> list[str]:
        """Return the ids as pytest-xdist writes them: with the group, if any, as ``@group``."""
        return [
            f"{node_id}@{self.groups[position]}" if position in self.groups else node_id
            for position, node_id in enumerate(self.ids)
        ]

    def position(self, item: int) -> int | None:
        """Return where an item stands in this collection, or None where it is not in it."""
        if self._positions is None:
            return item if item in self.items else None
        return self._positions.get(item)


class Catalogue:
    """Every item that any worker announced, numbered from 0 in the order of first sight.

    An item is a (node id, occurrence): the second ``test_a`` of one worker is the second
    ``test_a`` of another, wherever it stands. What is kept grows with the number of distinct
    collections, not with the number of workers.
    """

    def __init__(self) -> None:
        self._node_ids: list[str] = []
        self._numbers: dict[str | tuple[str, int], int] = {}  # First occurrences by their ids.
        self._collections: dict[tuple[tuple[str, ...], Groups], Collection] = {}

    def __len__(self) -> int:
        return len(self._node_ids)

    def node_id(self, item: int) -> str:
        """Return the node id of an item number."""
        return self._node_ids[item]

    def enter(self, ids: tuple[str, ...], groups: Groups = ()) -> Collection:
        """Return the collection of a worker's ids, in the worker's own order.

        ``groups`` are (position, ``xdist_group``) of the items that have one.
        """
        collection = self._collections.get((ids, groups))
        if collection is None:
            collection = Collection(ids, self._number(ids), dict(groups))
            self._collections[ids, groups] = collection
        return collection

    def _number(self, ids: tuple[str, ...]) -> list[int]:
        seen: dict[str, int] = {}
        items = []
        for node_id in ids:
            occurrence = seen.get(node_id, 0)
            seen[node_id] = occurrence + 1
            key = (node_id, occurrence) if occurrence else node_id
            item = self._numbers.setdefault(key, len(self._node_ids))
            if item == len(self._node_ids):
                self._node_ids.append(node_id)
            items.append(item)
        return items
