"""Schedulers in pytest-xdist's protocol that keep the tests of a scope on one node."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from remotest.compat.scheduling import LOOK_AHEAD, same_collections
from remotest.compat.tools import Producer, parse_tx_spec_config, report_collection_diff

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from remotest.compat.node import WorkerController


class LoadScopeScheduling:
    """Gives the tests of a scope, one after the other, to one node.

    Attributes:
        numnodes: how many nodes there are at the start.
        collection: what all nodes have collected, once ``schedule`` was called.
        workqueue: scope -> node id -> whether it is done, for scopes that no node has.
        assigned_work: node -> the same for the scopes that it was given.
        registered_collections: node -> what it has collected.
    """

    log_name = "loadscopesched"

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        self.config = config
        self.numnodes = len(parse_tx_spec_config(config))
        self.collection: list[str] | None = None
        self.workqueue: OrderedDict[str, dict[str, bool]] = OrderedDict()
        self.assigned_work: dict[WorkerController, dict[str, dict[str, bool]]] = {}
        self.registered_collections: dict[WorkerController, list[str]] = {}
        parent = Producer(self.log_name) if log is None else log
        self.log: Producer = getattr(parent, self.log_name)

    @property
    def nodes(self) -> list[WorkerController]:
        """See ``Scheduling``."""
        return list(self.assigned_work)

    @property
    def collection_is_completed(self) -> bool:
        """See ``Scheduling``."""
        return len(self.registered_collections) >= self.numnodes

    @property
    def tests_finished(self) -> bool:
        """See ``Scheduling``."""
        return (
            self.collection_is_completed
            and not self.workqueue
            and all(self._pending_of(work) < LOOK_AHEAD for work in self.assigned_work.values())
        )

    @property
    def has_pending(self) -> bool:
        """See ``Scheduling``."""
        return bool(self.workqueue) or any(map(self._pending_of, self.assigned_work.values()))

    def add_node(self, node: WorkerController) -> None:
        """See ``Scheduling``."""
        assert node not in self.assigned_work
        self.assigned_work[node] = {}

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """See ``Scheduling``. A late node with another collection is given nothing."""
        assert node in self.assigned_work
        if self.collection is not None and list(collection) != self.collection:
            self.log(report_collection_diff(self.collection, collection, "first", node.gateway.id))
            return
        self.registered_collections[node] = list(collection)

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """See ``Scheduling``."""
        del duration
        name = self.registered_collections[node][item_index]
        self.assigned_work[node][self._split_scope(name)][name] = True
        self._reschedule(node)

    def mark_test_pending(self, item: str) -> None:
        """See ``Scheduling``: it goes in front of what is left of its scope."""
        scope = self._split_scope(item)
        left = self.workqueue.pop(scope, {})
        self.workqueue[scope] = {item: False, **left}
        self.workqueue.move_to_end(scope, last=False)

    def remove_pending_tests_from_node(
        self, node: WorkerController, indices: Sequence[int]
    ) -> None:
        """See ``Scheduling``. Nothing moves here."""
        raise NotImplementedError

    def remove_node(self, node: WorkerController) -> str | None:
        """See ``Scheduling``: what is left of its scopes goes in front of the others.

        ``schedule`` follows: until then the test that is returned may still be put back.
        """
        work = self.assigned_work.pop(node)
        open_names = [
            (scope, name) for scope, unit in work.items() for name, done in unit.items() if not done
        ]
        if not open_names:
            return None
        (_, crashed), *left = open_names
        units: dict[str, dict[str, bool]] = {}
        for scope, name in left:
            units.setdefault(scope, {})[name] = False
        for scope in reversed(units):
            self.workqueue[scope] = units[scope]
            self.workqueue.move_to_end(scope, last=False)
        return crashed

    def schedule(self) -> None:
        """See ``Scheduling``."""
        if self.collection is None:
            self._begin()
        if self.collection:
            self._reschedule_all()

    def _begin(self) -> None:
        """Cut the collection into scopes, and let nodes end that there is no scope for."""
        if not same_collections(self.registered_collections, self.config, self.log):
            self.log("**Different tests collected, aborting run**")
            return
        self.collection = list(next(iter(self.registered_collections.values())))
        units: dict[str, dict[str, bool]] = {}
        for name in self.collection:
            units.setdefault(self._split_scope(name), {})[name] = False
        scopes = list(units)
        if self.config.option.loadscopereorder:
            scopes.sort(key=lambda scope: -len(units[scope]))
        self.workqueue.update((scope, units[scope]) for scope in scopes)
        usable = self._usable_nodes()
        for node in usable[len(self.workqueue) :]:
            node.shutdown()
        for node in usable[: len(self.workqueue)]:
            self._assign_work_unit(node)

    def _usable_nodes(self) -> list[WorkerController]:
        return [node for node in self.nodes if node in self.registered_collections]

    def _reschedule_all(self) -> None:
        for node in self._usable_nodes():
            self._reschedule(node)

    def _reschedule(self, node: WorkerController) -> None:
        """Give a node another scope if it holds little, or let it end if none is left.

        What a crash has left of a scope may be so little that the node needs yet another one.
        """
        if node.shutting_down:
            return
        work = self.assigned_work[node]
        waiting_count = len(self.workqueue)
        if waiting_count and self._pending_of(work) <= LOOK_AHEAD:
            self._assign_work_unit(node)
        # A subclass may have reasons to assign nothing now.
        while 0 < len(self.workqueue) < waiting_count and self._pending_of(work) < LOOK_AHEAD:
            waiting_count = len(self.workqueue)
            self._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give a node the next scope."""
        scope, unit = self.workqueue.popitem(last=False)
        # What is left of a scope may come back to a node that has a part of it.
        self.assigned_work[node].setdefault(scope, {}).update(unit)
        positions = {name: place for place, name in enumerate(self.registered_collections[node])}
        node.send_runtest_some([positions[name] for name, done in unit.items() if not done])

    def _pending_of(self, workload: dict[str, dict[str, bool]]) -> int:
        """Return how many tests of these scopes are not done."""
        return sum(not done for unit in workload.values() for done in unit.values())

    def _split_scope(self, nodeid: str) -> str:
        """Return the scope of a test: its class, or its module."""
        return nodeid.rsplit("::", 1)[0]


class LoadFileScheduling(LoadScopeScheduling):
    """Keeps the tests of a file on one node."""

    log_name = "loadfilesched"

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::", 1)[0]


class LoadGroupScheduling(LoadScopeScheduling):
    """Keeps the tests of a group, ``nodeid@group``, on one node; others are scopes of their own."""

    log_name = "loadgroupsched"

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.rfind("@") > nodeid.rfind("]"):  # Parameters may hold an @ too.
            return nodeid.rsplit("@", maxsplit=1)[-1]
        return nodeid
