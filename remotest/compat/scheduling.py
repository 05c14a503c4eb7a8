"""Schedulers in pytest-xdist's protocol, for those that others subclass.

remotest's own runs do not use them. They follow pytest-xdist where subclasses look: the names of
attributes and methods, what each is for, and when it is called. All collections are the same, as
it is there: where they differ the run is not begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from remotest.compat.tools import Producer, parse_tx_spec_config, report_collection_diff

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from remotest.compat.node import WorkerController

LOOK_AHEAD: Final = 2
"""What a node must hold to go on: the test that it runs, and the next one."""

LONG_TEST_S: Final = 0.1
"""After a test that took longer a node is not given more before it needs it."""

FIRST_SHARE: Final = 4
"""The first chunk of a node is its fair share divided by this."""

REFILL_SHARE: Final = 2
"""A node is filled up to its fair share divided by this."""


def same_collections(
    collections: Mapping[WorkerController, Sequence[str]], config: pytest.Config, log: Producer
) -> bool:
    """Return whether all nodes have collected the same; report each that has not as an error."""
    (first, expected), *others = collections.items()
    agree = True
    for node, collection in others:
        text = report_collection_diff(expected, collection, first.gateway.id, node.gateway.id)
        if text is not None:
            agree = False
            log(text)
            report = pytest.CollectReport(
                nodeid=node.gateway.id, outcome="failed", longrepr=text, result=[]
            )
            config.hook.pytest_collectreport(report=report)
    return agree


class IndexScheduling:
    """What schedulers share that deal positions of one common collection.

    Attributes:
        numnodes: how many nodes there are at the start.
        node2collection: node -> what it has collected.
        node2pending: node -> positions that it holds, in the order given.
        pending: positions that no node holds.
        collection: the common one, once ``schedule`` was called.
    """

    log_name = "sched"

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        self.config = config
        self.numnodes = len(parse_tx_spec_config(config))
        self.node2collection: dict[WorkerController, list[str]] = {}
        self.node2pending: dict[WorkerController, list[int]] = {}
        self.pending: list[int] = []
        self.collection: list[str] | None = None
        parent = Producer(self.log_name) if log is None else log
        self.log: Producer = getattr(parent, self.log_name)

    @property
    def nodes(self) -> list[WorkerController]:
        """See ``Scheduling``."""
        return list(self.node2pending)

    @property
    def collection_is_completed(self) -> bool:
        """See ``Scheduling``."""
        return len(self.node2collection) >= self.numnodes

    @property
    def tests_finished(self) -> bool:
        """See ``Scheduling``."""
        return (
            self.collection_is_completed
            and not self.pending
            and all(len(held) < LOOK_AHEAD for held in self.node2pending.values())
        )

    @property
    def has_pending(self) -> bool:
        """See ``Scheduling``."""
        return bool(self.pending) or any(self.node2pending.values())

    def add_node(self, node: WorkerController) -> None:
        """See ``Scheduling``."""
        assert node not in self.node2pending
        self.node2pending[node] = []

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """See ``Scheduling``. A late node with another collection is given nothing."""
        assert node in self.node2pending
        if self.collection is not None and list(collection) != self.collection:
            self.log(report_collection_diff(self.collection, collection, "first", node.gateway.id))
            return
        self.node2collection[node] = list(collection)

    def mark_test_pending(self, item: str) -> None:
        """See ``Scheduling``."""
        assert self.collection is not None
        self.pending.insert(0, self.collection.index(item))

    def remove_pending_tests_from_node(
        self, node: WorkerController, indices: Sequence[int]
    ) -> None:
        """See ``Scheduling``. Called only for those that ask nodes to give tests up."""
        self._put_back(node, indices)
        self.schedule()

    def remove_node(self, node: WorkerController) -> str | None:
        """See ``Scheduling``: the first test that it holds is the one that it was running.

        ``schedule`` follows: until then that test may still be put back.
        """
        held = self.node2pending.pop(node)
        crashed = None
        if held and self.collection is not None:
            crashed = self.collection[held.pop(0)]
            self.pending.extend(held)
        return crashed

    def schedule(self) -> None:
        """See ``Scheduling``."""
        if self.collection is None and not self._begin():
            return
        self._go_on()

    def _begin(self) -> bool:
        """Give out the first tests; return whether there is something to go on with."""
        if not same_collections(self.node2collection, self.config, self.log):
            self.log("**Different tests collected, aborting run**")
            return False
        self.collection = next(iter(self.node2collection.values()))
        self.pending[:] = range(len(self.collection))
        return bool(self.collection)

    def _go_on(self) -> None:
        raise NotImplementedError

    def _usable_nodes(self) -> list[WorkerController]:
        """Return the nodes that may be given tests of the common collection."""
        return [
            node
            for node in self.node2pending
            if node in self.node2collection and not node.shutting_down
        ]

    def _send_tests(self, node: WorkerController, num: int) -> None:
        """Give a node the next ``num`` tests that wait."""
        positions = self.pending[: max(0, num)]
        if positions:
            del self.pending[: len(positions)]
            self.node2pending[node].extend(positions)
            node.send_runtest_some(positions)

    def _put_back(self, node: WorkerController, positions: Iterable[int]) -> None:
        returned = set(positions)
        held = self.node2pending[node]
        self.pending.extend(position for position in held if position in returned)
        held[:] = [position for position in held if position not in returned]


class LoadScheduling(IndexScheduling):
    """Gives each test to one node that is free: chunks that get smaller towards the end."""

    log_name = "loadsched"

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self.maxschedchunk: int | None = config.getoption("maxschedchunk")

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """See ``Scheduling``."""
        self.node2pending[node].remove(item_index)
        self.check_schedule(node, duration)

    def check_schedule(self, node: WorkerController, duration: float = 0) -> None:
        """Give a node more if it holds little, or let it end if nothing is left."""
        if node.shutting_down or node not in self.node2collection:
            return
        if self.pending:
            self._refill(node, duration)
        if not self.pending:
            node.shutdown()

    def _refill(self, node: WorkerController, duration: float) -> None:
        share = len(self.pending) // len(self.node2pending)
        held_count = len(self.node2pending[node])
        is_slow = duration >= LONG_TEST_S and held_count >= LOOK_AHEAD
        if held_count < max(LOOK_AHEAD, share // FIRST_SHARE) and not is_slow:
            wanted_count = max(LOOK_AHEAD, share // REFILL_SHARE) - held_count
            self._send_tests(node, min(wanted_count, self._chunk(held_count)))

    def _chunk(self, held_count: int) -> int:
        """Return the most tests to send at once, never so few that the node must wait."""
        assert self.collection is not None
        limit = len(self.collection) if self.maxschedchunk is None else self.maxschedchunk
        return max(LOOK_AHEAD - held_count, limit)

    def _begin(self) -> bool:
        if not super()._begin():
            return False
        assert self.collection is not None
        nodes = self._usable_nodes()
        if len(self.collection) < LOOK_AHEAD * len(nodes):
            for index in range(len(self.collection)):
                self._send_tests(nodes[index % len(nodes)], 1)
        else:
            share = len(self.collection) // len(nodes)
            for node in nodes:
                self._send_tests(node, max(LOOK_AHEAD, min(share // FIRST_SHARE, self._chunk(0))))
        return True

    def _go_on(self) -> None:
        for node in self._usable_nodes():
            self.check_schedule(node)


class WorkStealingScheduling(IndexScheduling):
    """Deals all tests at once, then moves some from the node with most to those with none.

    Attributes:
        steal_requested_from_node: the node that was asked to give tests up; one at a time.
    """

    log_name = "workstealsched"

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self.steal_requested_from_node: WorkerController | None = None

    @property
    def tests_finished(self) -> bool:
        """See ``Scheduling``."""
        return super().tests_finished and self.steal_requested_from_node is None

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """See ``Scheduling``."""
        del duration
        self.node2pending[node].remove(item_index)
        self.check_schedule()

    def remove_pending_tests_from_node(
        self, node: WorkerController, indices: Sequence[int]
    ) -> None:
        """See ``Scheduling``."""
        if self.steal_requested_from_node is node:
            self.steal_requested_from_node = None
        super().remove_pending_tests_from_node(node, indices)

    def remove_node(self, node: WorkerController) -> str | None:
        """See ``Scheduling``."""
        if self.steal_requested_from_node is node:
            self.steal_requested_from_node = None
        return super().remove_node(node)

    def check_schedule(self) -> None:
        """Give the tests that wait to idle nodes; where none wait, ask the fullest for some."""
        idle = self._idle_nodes()
        for number, node in enumerate(idle):
            self._send_tests(node, -(-len(self.pending) // (len(idle) - number)))
        idle = self._idle_nodes()
        if not idle or self.steal_requested_from_node is not None:
            return
        fullest = max(self._usable_nodes(), key=lambda node: len(self.node2pending[node]))
        held = self.node2pending[fullest]
        count = min(len(held) // 2, len(held) - LOOK_AHEAD)
        if count > 0:
            self.steal_requested_from_node = fullest
            fullest.send_steal(held[-count:])
        else:
            for node in idle:
                node.shutdown()

    def _idle_nodes(self) -> list[WorkerController]:
        return [node for node in self._usable_nodes() if len(self.node2pending[node]) < LOOK_AHEAD]

    def _go_on(self) -> None:
        self.check_schedule()


class EachScheduling:
    """Gives every test to every node; what a lost node has left goes to the one in its place."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        self.config = config
        self.numnodes = len(parse_tx_spec_config(config))
        self.node2collection: dict[WorkerController, list[str]] = {}
        self.node2pending: dict[WorkerController, list[int]] = {}
        self.collection_is_completed = False
        self.log: Producer = (log or Producer("eachsched")).eachsched
        self._started: set[WorkerController] = set()
        self._left: dict[WorkerController, list[str]] = {}

    @property
    def nodes(self) -> list[WorkerController]:
        """See ``Scheduling``."""
        return list(self.node2pending)

    @property
    def tests_finished(self) -> bool:
        """See ``Scheduling``."""
        return (
            self.collection_is_completed
            and not self._left
            and all(len(held) < LOOK_AHEAD for held in self.node2pending.values())
        )

    @property
    def has_pending(self) -> bool:
        """See ``Scheduling``."""
        return any(self.node2pending.values())

    def add_node(self, node: WorkerController) -> None:
        """See ``Scheduling``."""
        assert node not in self.node2pending
        self.node2pending[node] = []

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """See ``Scheduling``."""
        assert node in self.node2pending
        self.node2collection[node] = list(collection)
        if len(self.node2collection) >= self.numnodes:
            self.collection_is_completed = True

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """See ``Scheduling``."""
        del duration
        self.node2pending[node].remove(item_index)

    def mark_test_pending(self, item: str) -> None:
        """See ``Scheduling``: it goes to the node in the place of the one lost last."""
        if self._left:
            self._left[next(reversed(self._left))].insert(0, item)

    def remove_pending_tests_from_node(
        self, node: WorkerController, indices: Sequence[int]
    ) -> None:
        """See ``Scheduling``. Nothing moves here."""
        raise NotImplementedError

    def remove_node(self, node: WorkerController) -> str | None:
        """See ``Scheduling``."""
        held = self.node2pending.pop(node)
        if not held:
            return None
        ids = self.node2collection[node]
        crashed, *left = [ids[position] for position in held]
        self._left[node] = left
        return crashed

    def schedule(self) -> None:
        """See ``Scheduling``."""
        for node, held in self.node2pending.items():
            if node in self._started or node not in self.node2collection:
                continue
            self._started.add(node)
            ids = self.node2collection[node]
            lost = next((lost for lost in self._left if _is_in_place_of(node, lost)), None)
            if lost is None:
                held[:] = range(len(ids))
                node.send_runtest_all()
            else:
                left = set(self._left.pop(lost))
                held[:] = [position for position, name in enumerate(ids) if name in left]
                node.send_runtest_some(held)
            node.shutdown()


def _is_in_place_of(node: WorkerController, lost: WorkerController) -> bool:
    return node.environment == lost.environment
