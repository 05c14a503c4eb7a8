"""The hooks of a distributed run, with pytest-xdist's names and arguments."""

from typing import Any, List

import pytest


@pytest.hookspec()
def pytest_xdist_setupnodes(config: Any, specs: List[Any]) -> None:
    """Called before any worker is started; ``specs`` are those of all workers."""


@pytest.hookspec()
def pytest_xdist_newgateway(gateway: Any) -> None:
    """Called when a worker's gateway is open."""


@pytest.hookspec()
def pytest_xdist_rsyncstart(source: str, gateways: List[Any]) -> None:
    """Called before ``source`` is brought to the hosts of ``gateways``."""


@pytest.hookspec()
def pytest_xdist_rsyncfinish(source: str, gateways: List[Any]) -> None:
    """Called when ``source`` is on the hosts of ``gateways``."""


@pytest.hookspec(firstresult=True)
def pytest_xdist_getremotemodule() -> Any:
    """Called when a worker is configured. What it returns is not used, and the run says so."""


@pytest.hookspec()
def pytest_configure_node(node: Any) -> None:
    """Called before a worker starts: what is put into ``node.workerinput`` reaches it."""


@pytest.hookspec()
def pytest_testnodeready(node: Any) -> None:
    """Called when a worker's session has started."""


@pytest.hookspec()
def pytest_testnodedown(node: Any, error: Any) -> None:
    """Called when a worker has ended; ``error`` is None where it ended in order."""


@pytest.hookspec()
def pytest_xdist_node_collection_finished(node: Any, ids: List[str]) -> None:
    """Called when a worker has collected the tests ``ids``."""


@pytest.hookspec(firstresult=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Return a scheduler of pytest-xdist's protocol, or None for the one that --dist names."""


@pytest.hookspec(firstresult=True)
def pytest_handlecrashitem(crashitem: str, report: Any, sched: Any) -> None:
    """Called with the node id of a test whose worker died, before its report is logged.

    ``report`` may be changed. ``sched.mark_test_pending(crashitem)`` lets the test run again.
    """


@pytest.hookspec(firstresult=True)
def pytest_xdist_auto_num_workers(config: Any) -> int:
    """Return how many workers ``-n auto`` and ``-n logical`` start."""
    raise NotImplementedError  # A specification is never called.
