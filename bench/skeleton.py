"""A run with all that none can leave out, and nothing else: the limit of row 3.

``python skeleton.py COUNT``, in a suite of so many tests: two workers collect all of it, each runs
every second test without a terminal, and they say nothing to anybody. Meanwhile pytest's hooks
are called for every test as they would be if a worker had told of it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

WORKER_COUNT: Final = 2

PHASES: Final = ("setup", "call", "teardown")


class Worker:
    """A worker that runs its share of what it has collected."""

    def __init__(self, number: int) -> None:
        self._number = number

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep every second test."""
        items[:] = items[self._number :: WORKER_COUNT]


class Controller:
    """A controller that starts workers and makes up what they might tell of so many tests."""

    def __init__(self, test_count: int) -> None:
        self._test_count = test_count
        self._workers: list[subprocess.Popen[bytes]] = []

    def pytest_sessionstart(self) -> None:
        """Start the workers."""
        self._workers = [
            subprocess.Popen([sys.executable, __file__, "worker", str(number)])
            for number in range(WORKER_COUNT)
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        """Count what workers collect; here is nothing to collect."""
        session.testscollected = self._test_count
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Report every test, and wait for the workers."""
        hook = session.config.hook
        for number in range(self._test_count):
            nodeid = f"test_{number:05}.py::test"
            location = (nodeid, 1, "test")
            hook.pytest_runtest_logstart(nodeid=nodeid, location=location)
            for when in PHASES:
                hook.pytest_runtest_logreport(report=passed(nodeid, location, when))
            hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)
        statuses = [worker.wait() for worker in self._workers]
        if any(statuses):
            pytest.exit("a worker failed", returncode=1)
        return True


def passed(nodeid: str, location: tuple[str, int, str], when: str) -> pytest.TestReport:
    """Return the report of a phase that has passed and shown nothing."""
    return pytest.TestReport(
        nodeid, location, {"test": 1}, "passed", None, when, [], 0.001, 1.0, 2.0
    )


def main(arguments: list[str]) -> int:
    """Be the controller, or one of its workers."""
    plain = ["-p", "no:cacheprovider"]
    if arguments[0] == "worker":
        return pytest.main([*plain, "-p", "no:terminal"], [Worker(int(arguments[1]))])
    return pytest.main([*plain, "-q"], [Controller(int(arguments[0]))])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
