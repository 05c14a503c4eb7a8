"""What pytest-xdist expects of a scheduler, as a protocol: the adapter calls no more than this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remotest.compat.node import WorkerController


class Scheduling(Protocol):
    """A scheduler that gives its commands by calling methods of nodes.

    Positions are indexes into the collection of the node that they are for.
    """

    config: Any

    @property
    def nodes(self) -> list[WorkerController]:
        """The nodes that were added and not removed."""
        ...

    @property
    def collection_is_completed(self) -> bool:
        """Whether all nodes that were there from the start have a collection."""
        ...

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left but what nodes need to be shut down for."""
        ...

    @property
    def has_pending(self) -> bool:
        """Whether tests are under way or wait."""
        ...

    def add_node(self, node: WorkerController) -> None:
        """Take in a node."""
        ...

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Take in what a node has collected."""
        ...

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """Note that a node is done with a test."""
        ...

    def mark_test_pending(self, item: str) -> None:
        """Let the test run again that ``remove_node`` has returned. ``schedule`` follows."""
        ...

    def remove_node(self, node: WorkerController) -> str | None:
        """Forget a node; return the test that it was running, or None. ``schedule`` follows."""
        ...

    def remove_pending_tests_from_node(
        self, node: WorkerController, indices: Sequence[int]
    ) -> None:
        """Take back tests that a node has given up after ``send_steal``."""
        ...

    def schedule(self) -> None:
        """Give out tests: first when all have collected, then again when nodes came or went."""
        ...
