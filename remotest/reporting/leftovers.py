"""The section of the summary that names what tests have started and not ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_remotest.values import cut
from remotest.hosttext import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_remotest import messages

LINE_CHARS: Final = 1500
"""Of what is said of each: an agent of ours has cut command and names before."""

SHOWN: Final = 20
"""Processes that the summary names; the rest is counted."""

OF_DEAD_RUN: Final = "; of an earlier run whose agent was killed, and ended now"


class LeftoversReport:
    """A pytest plugin. ``take`` is called before the summary is written."""

    def __init__(self, *, are_kept: bool, label: Callable[[str], str]) -> None:
        """Begin with nothing.

        Args:
            are_kept: whether the processes live on.
            label: returns what an agent is called on the screen.
        """
        self._are_kept = are_kept
        self._label = label
        self._lines: list[str] = []
        self._more_count = 0

    def take(self, agent: str, message: messages.ProcessesLeft) -> None:
        """Take in what an agent has found."""
        origin = OF_DEAD_RUN if message.of_dead_run else ""
        self._more_count += max(0, message.more_count)
        for line in lines(message.rows, place=self._label(agent), origin=origin):
            if len(self._lines) < SHOWN:
                self._lines.append(line)
            else:
                self._more_count += 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Name the processes, if there are any."""
        if not self._lines:
            return
        what = "kept" if self._are_kept else "ended"
        terminalreporter.write_sep("=", f"processes that tests have left ({what})")
        for line in self._lines:
            terminalreporter.write_line(line)
        if self._more_count:
            terminalreporter.write_line(f"... and {self._more_count} more")


def lines(rows: Iterable[list[Any]], *, place: str, origin: str) -> Iterator[str]:
    """Yield a line for each process of a ``ProcessesLeft``; what is no row of it has none.

    Args:
        rows: as the host has sent them.
        place: what to call the host where the worker is not known.
        origin: said of each process behind its id; empty for those of this run.

    >>> row = [12, "sleep 9", "gw0", "test_a.py::test_a", 1]
    >>> list(lines([row], place="local-py311", origin=""))
    ['[gw0] test_a.py::test_a: sleep 9 (process 12, and 1 below it)']
    """
    for row in rows:
        match row:
            case [int(pid), str(command), str(worker), str(test), int(below)]:
                starter = one_line(test) or "some test"
                more = f", and {below} below it" if below else ""
                name = one_line(command) or "no command line"
                where = one_line(cut(worker, LINE_CHARS)) or place
                told = f"{starter}: {name} (process {pid}{more}{origin})"
                yield f"[{where}] {one_line(cut(told, LINE_CHARS))}"
