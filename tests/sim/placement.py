"""Watches that what belongs together runs together, for the referee of a mode with scopes.

*Together* are, from the start on, all items of a scope; later those of a scope that a lost worker
had not begun, and those that a late worker was the first to collect.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sim.referee import Key, Seat

Scope = str


def scope_of(dist: str, node_id: str, group: str | None) -> Scope:
    """Return the scope of an item by the promise of a mode."""
    if dist == "loadscope":
        return "::".join(node_id.split("::")[:-1])
    if dist == "loadfile":
        return node_id.partition("::")[0]
    return node_id if group is None else f"@{group}"


class Placement:
    """The referee tells it what it sees; ``collected_by`` is whether a kind has an item."""

    def __init__(self, dist: str, collected_by: Callable[[int, Key], bool]) -> None:
        self.dist = dist
        self.collected_by = collected_by
        self.scopes: dict[Key, Scope] = {}
        self.free: defaultdict[Scope, set[Key]] = defaultdict(set)
        self.kind_count = 0  # Kinds of worker so far.
        self.sets: list[set[Key]] = []
        self.kind_counts: list[int] = []  # By set: a kind that came later may find it cut.
        self.set_of: dict[Key, int] = {}
        self.set_count: Counter[Scope] = Counter()
        self.owners: defaultdict[int, set[str]] = defaultdict(set)

    def know(self, key: Key, group: str | None) -> None:
        """A worker was the first to collect an item; it is free."""
        self.scopes[key] = scope_of(self.dist, key[1], group)
        self.free[self.scopes[key]].add(key)

    def put_together(self, keys: Iterable[Key]) -> None:
        """Free items must from now on run together, scope by scope."""
        by_scope: defaultdict[Scope, set[Key]] = defaultdict(set)
        for key in keys:
            by_scope[self.scopes[key]].add(key)
            self.free[self.scopes[key]].add(key)
        for scope, together in by_scope.items():
            self.set_of.update(dict.fromkeys(together, len(self.sets)))
            self.sets.append(together)
            self.kind_counts.append(self.kind_count)
            self.set_count[scope] += 1

    def covers(self, kind: int, keys: Iterable[Key]) -> bool:
        return all(self.collected_by(kind, key) for key in keys)

    def could_keep(self, kind: int, number: int) -> bool:
        """Return whether a kind of worker has a set whole, and had when it was made."""
        return kind < self.kind_counts[number] and self.covers(kind, self.sets[number])

    def give(self, name: str, positions: list[int], seats: Mapping[str, Seat]) -> None:
        """Check what a worker is given."""
        seat = seats[name]
        assert seat.keys is not None
        keys = [seat.keys[position] for position in positions]
        runs = [self.scopes[k] for k, before in zip(keys, [None, *keys], strict=False)
                if before is None or self.scopes[before] != self.scopes[k]]  # fmt: skip
        assert len(runs) == len(set(runs)), "the items of a scope do not follow each other"
        for scope in runs:
            order = [p for p in positions if self.scopes[seat.keys[p]] == scope]
            assert order == sorted(order), "a scope's items are not in the order of collection"
        for number in {self.set_of[key] for key in keys}:
            self.give_of(number, name, seats)
        for key in keys:
            self.free[self.scopes[key]].remove(key)

    def give_of(self, number: int, name: str, seats: Mapping[str, Seat]) -> None:
        """Check that a worker may get something of a set."""
        together, owners = self.sets[number], self.owners[number]
        others = {owner for owner in owners if owner in seats and owner != name}
        for other in others:
            assert not self.could_keep(seats[other].kind, number), f"torn apart: {together}"
        scope = self.scopes[next(iter(together))]
        if not owners and self.set_count[scope] == 1:
            kinds = {s.kind for s in seats.values() if s.keys is not None and not s.told_to_end}
            if len(kinds) > 1 and any(self.could_keep(kind, number) for kind in kinds):
                assert self.covers(seats[name].kind, together), f"cut without need: {together}"
        owners.add(name)

    def may_finish(self, name: str, seats: Mapping[str, Seat]) -> bool:
        """Return whether each free item that a worker has is better run by another one."""
        kind = seats[name].kind
        others = {
            seat.kind
            for other, seat in seats.items()
            if other != name and seat.keys is not None and not seat.told_to_end
        }
        return all(
            not self.covers(kind, keys) and any(self.collected_by(k, key) for k in others)
            for keys in self.free.values()
            for key in keys
            if self.collected_by(kind, key)
        )
