"""What workers have collected, each id kept once however many have it. Pure."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pytest_remotest.messages import ProtocolError

if TYPE_CHECKING:
    from pytest_remotest.messages import Collected


class Collections:
    """Puts together the parts in which a collection comes; those of other workers may be named."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], list[list[str]]] = {}
        self._wholes: dict[tuple[str, ...], tuple[str, ...]] = {}

    def take(self, agent: str, worker: str, message: Collected) -> list[str] | None:
        """Take in the next part of what a worker of an agent has collected; return its ids.

        None where it has come twice.

        Raises:
            ProtocolError: it is not the next one, or is said to be like one that has not come.
        """
        parts = self._parts.setdefault((agent, worker), [])
        if message.number in range(len(parts)):
            return None
        if message.number != len(parts):
            raise ProtocolError("a part of what it has collected is missing")
        ids = message.ids
        if message.like:
            others = self._parts.get((agent, message.like), [])
            if ids or message.like == worker or message.number >= len(others):
                raise ProtocolError(f"it collects like {message.like!r}, which has not said what")
            ids = others[message.number]
        parts.append(ids)
        return ids

    def whole(self, agent: str, worker: str) -> tuple[str, ...]:
        """Return all that a worker has collected: the same object for all that are alike."""
        ids = tuple(chain.from_iterable(self._parts[agent, worker]))
        return self._wholes.setdefault(ids, ids)
