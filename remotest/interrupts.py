"""Ctrl-C during a run: the first one stops it in order, the second at once.

What else asks a process to end (SIGTERM, SIGHUP: a CI system that cancels a job, a terminal that
is closed) does the same, so that there is a summary, and hosts are left in order.
"""

from __future__ import annotations

import contextlib
import signal
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TEARDOWN_GRACE_S: Final = 7.0
"""How long tests that are interrupted may take to tear their fixtures down."""

END_S: Final = 8.5
"""From the first Ctrl-C until hosts are waited for no more: after 10 s the prompt is back, and the
summary and the end of Python itself take a second on a busy machine."""

CLEANING_S: Final = 1.0
"""The least that they get to be cleaned, where something else has taken the time: half of that is
for what ends by itself. A host that is not clean by then goes on with it, and nobody watches."""

_USUAL: Final[Mapping[signal.Signals, Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
"""What is taken over, and from whom: what somebody else handles, or ignores, is left to him."""

_SHELL_OFFSET: Final = 128
"""What a shell adds to the number of a signal that has ended a process."""

_ORDERLY_COUNT: Final = 2


class Interrupts:
    """Counts Ctrl-C from ``install`` to ``restore``, instead of raising wherever it comes.

    One that comes although the last was not taken in yet is raised: a hook takes its time. So is a
    third one, for who does not wait for hosts that do not answer.

    Attributes:
        count: how many came.
        words: what ended the run, where that was no Ctrl-C; else empty.
        status: the exit status that a shell would tell of that; None for Ctrl-C.
    """

    def __init__(
        self, wake: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Take what makes the main thread look; it is called in a signal handler."""
        self._wake = wake
        self._clock = clock
        self._installed: list[signal.Signals] = []
        self._taken_count = 0
        self._first_s = 0.0
        self._is_closed = False
        self.count = 0
        self.words = ""
        self.status: int | None = None

    def install(self) -> None:
        """Take over from Python's own handlers; one of somebody else, or none, stays."""
        for number, usual in _USUAL.items():
            if signal.getsignal(number) == usual:
                with contextlib.suppress(ValueError):  # pytest runs in a thread that gets none.
                    signal.signal(number, self._handle)
                    self._installed.append(number)

    def restore(self) -> None:
        """Give back to Python's own handlers."""
        while self._installed:
            number = self._installed.pop()
            signal.signal(number, _USUAL[number])

    def take(self) -> float | None:
        """Return how long what runs may still take, if Ctrl-C came since this was last asked."""
        if self._taken_count == self.count:
            return None
        self._taken_count = self.count
        return TEARDOWN_GRACE_S if self.count == 1 else 0.0

    def end_within_s(self) -> float | None:
        """Return for how long hosts may still be waited for; None where nobody has interrupted."""
        if not self.count:
            return None
        return max(CLEANING_S, self._first_s + END_S - self._clock())

    def close(self) -> None:
        """Note that nothing runs any more: what comes from now on needs no answer."""
        self._is_closed = True
        self._taken_count = _ORDERLY_COUNT

    def _handle(self, number: int, frame: Any) -> None:
        if self.count > self._taken_count or self.count == _ORDERLY_COUNT:
            signal.default_int_handler(number, frame)
        if not self.count:
            self._first_s = self._clock()
        self.count += 1
        if number != signal.SIGINT and not self._is_closed:
            self.words = signal.Signals(number).name
            self.status = _SHELL_OFFSET + number
        self._wake()
