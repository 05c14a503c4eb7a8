"""How long items are expected to take, by what they took before."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Durations = Mapping[str, float]
    """Node id -> seconds."""


class Estimates:
    """Durations of earlier runs, by kind of worker: an interpreter on a host.

    What never ran on a kind is expected to take what it took on the others, times how much slower
    the kind was at what both ran; what never ran at all, as long as the others of its file, and
    where the file is new, as long as items usually take.
    """

    def __init__(self, by_kind: Mapping[str, Durations], kind_of: Callable[[str], str]) -> None:
        """Take in what is known.

        Args:
            by_kind: kind -> node id -> seconds.
            kind_of: from the name of a worker to its kind.
        """
        self._by_kind = {kind: known for kind, known in by_kind.items() if known}
        self.kind_of = kind_of

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return bool(self._by_kind)

    def seconds(self, kind: str, ids: Sequence[str]) -> list[float]:
        """Return the expected seconds of each node id on a kind of worker."""
        return self._expected(self._known(kind), ids)

    def anywhere(self, ids: Sequence[str]) -> list[float]:
        """Return the expected seconds of each node id where it takes longest."""
        tables = (self._expected(known, ids) for known in self._by_kind.values())
        return [max(seconds) for seconds in zip(*tables, strict=True)]

    @staticmethod
    def _expected(known: Durations, ids: Sequence[str]) -> list[float]:
        by_file: dict[str, list[float]] = {}
        for node_id in ids:
            if node_id in known:
                by_file.setdefault(_file(node_id), []).append(known[node_id])
        typical = {file: median(durations) for file, durations in by_file.items()}
        anywhere = median(known.values()) if known else 0.0
        return [known.get(each, typical.get(_file(each), anywhere)) for each in ids]

    def _known(self, kind: str) -> Durations:
        """Return what is known of a kind, or can be told from what is known of others."""
        own = self._by_kind.get(kind, {})
        known: dict[str, float] = {}
        for other in self._by_kind.values():
            if other is not own:
                ratio = _ratio(own, other)
                known |= {node_id: seconds * ratio for node_id, seconds in other.items()}
        return {**known, **own}


def _ratio(own: Durations, other: Durations) -> float:
    """Return how much longer one kind took for what both ran; 1 where there is nothing to tell."""
    common = own.keys() & other.keys()
    other_s = sum(other[node_id] for node_id in common)
    return sum(own[node_id] for node_id in common) / other_s if other_s > 0 else 1.0


def _file(node_id: str) -> str:
    return node_id.partition("::")[0]
