"""Why workers stood still at the end: what the last of them still ran. With ``--durations``."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

NOTABLE_S: Final = 0.1
"""Less than this that all workers together stood still is not worth a word."""


@dataclass(frozen=True, kw_only=True)
class LastTest:
    """What a worker ran last: when it ended, on the controller's clock, and how long it took."""

    worker: str
    node_id: str
    ended_s: float
    duration_s: float


class IdleTail:
    """A pytest plugin that tells how long workers had nothing to do while others ran."""

    def __init__(self, shown: int, now: Callable[[], float] = time.monotonic) -> None:
        """Begin to watch; ``shown`` is the value of ``--durations``, 0 for all."""
        self._shown = shown
        self._now = now
        self._last: dict[str, LastTest] = {}
        self._phases_s: dict[str, float] = {}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the last test of each worker."""
        node: Any = getattr(report, "node", None)
        if node is None:
            return
        name = node.gateway.id
        before_s = 0.0 if report.when == "setup" else self._phases_s.get(name, 0.0)
        self._phases_s[name] = before_s + report.duration
        self._last[name] = LastTest(
            worker=name,
            node_id=report.nodeid,
            ended_s=self._now(),
            duration_s=self._phases_s[name],
        )

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write what kept the run from ending, longest waited for first."""
        lines = tell_tail(list(self._last.values()), self._shown)
        if lines:
            terminalreporter.section("idle at the end")
            for line in lines:
                terminalreporter.write_line(line)


def tell_tail(last: list[LastTest], shown: int) -> list[str]:
    """Return what to say of the end of a run, nothing if all workers ended together.

    Args:
        last: the last test of each worker.
        shown: how many workers to name; 0 for all that others waited for.
    """
    end_s = max((test.ended_s for test in last), default=0.0)
    idle_s = sum(end_s - test.ended_s for test in last)
    if idle_s < NOTABLE_S:
        return []
    ordered = sorted(last, key=lambda test: test.ended_s)
    first_s = ordered[0].ended_s
    waited_for = [test for test in reversed(ordered) if test.ended_s - first_s >= NOTABLE_S]
    head = f"{idle_s:.2f}s of {len(last)} workers' time, while these ran what was left:"
    rows = [
        f"{test.duration_s:.2f}s {test.worker:5} {test.node_id}, "
        f"until {test.ended_s - first_s:.2f}s after the first worker was done"
        for test in (waited_for[:shown] if shown else waited_for)
    ]
    return [head, *rows]
