"""What tests took in earlier runs: kept in pytest's cache, by kind of worker and node id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY: Final = "remotest/durations"
"""In pytest's cache: kind of worker -> node id -> seconds, those that ran last at the end."""

MAX_KINDS: Final = 50
"""Interpreters on hosts whose durations are kept: hosts that exist for one run must not pile up."""

MAX_TESTS: Final = 200_000
"""Tests of one kind whose durations are kept, some 20 MB: those that are no more must go."""

DECIMALS: Final = 4
"""Tenths of a millisecond: what is shorter makes no difference to who runs what."""


class Durations:
    """A pytest plugin that keeps how long each test took, set-up and tear-down included."""

    def __init__(self, cache: pytest.Cache | None, kind_of: Callable[[str], str]) -> None:
        """Begin to keep.

        Args:
            cache: pytest's, or None under ``-p no:cacheprovider``.
            kind_of: from the name of a worker to its kind: an interpreter on a host.
        """
        self._cache = cache
        self._kind_of = kind_of
        self._taken: dict[str, dict[str, float]] = {}
        self._taken_by: dict[str, dict[str, float]] = {}  # The same, by worker: found at once.

    def known(self) -> dict[str, dict[str, float]]:
        """Return what tests took: kind -> node id -> seconds."""
        read = self._cache.get(KEY, {}) if self._cache is not None else {}
        if not isinstance(read, dict):
            return {}
        return {kind: _checked(known) for kind, known in read.items() if isinstance(known, dict)}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the phases of a test; one that failed early is measured again the next time."""
        node: Any = getattr(report, "node", None)
        if node is None:
            return
        taken = self._taken_by.get(node.gateway.id)
        if taken is None:
            taken = self._taken.setdefault(self._kind_of(node.gateway.id), {})
            self._taken_by[node.gateway.id] = taken
        node_id = report.nodeid
        if report.when == "setup":
            taken[node_id] = report.duration
        elif node_id in taken:
            taken[node_id] += report.duration

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        """Write what was known before and what came to it."""
        if self._cache is None or not self._taken:
            return
        merged = self.known()
        for kind, taken in self._taken.items():
            rounded = {node_id: round(seconds, DECIMALS) for node_id, seconds in taken.items()}
            merged[kind] = _last({**_without(merged.pop(kind, {}), rounded), **rounded}, MAX_TESTS)
        self._cache.set(KEY, _last(merged, MAX_KINDS))


def _checked(known: Mapping[Any, Any]) -> dict[str, float]:
    """Return what is a duration of a file that anybody may have edited."""
    return {
        str(node_id): float(seconds)
        for node_id, seconds in known.items()
        if isinstance(seconds, int | float) and 0 <= seconds < float("inf")
    }


def _without(known: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {node_id: seconds for node_id, seconds in known.items() if node_id not in other}


def _last(entries: Mapping[str, Any], count: int) -> dict[str, Any]:
    return dict(list(entries.items())[-count:])
