"""The fixtures of a distributed run, a pytest plugin by itself on both sides."""

import uuid

import pytest

from pytest_remotest.api import get_xdist_worker_id, is_xdist_worker


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """The id of this worker (``gw0``...), or ``master`` where nothing is distributed."""
    return get_xdist_worker_id(request)


@pytest.fixture(scope="session")
def testrun_uid(request: pytest.FixtureRequest) -> str:
    """One identifier for this run, the same on all its workers."""
    if is_xdist_worker(request):
        return str(request.config.workerinput["testrunuid"])  # type: ignore[attr-defined]  # set by the worker plugin
    return uuid.uuid4().hex
