"""Ctrl-C during a run: the first one stops it in order, the second at once."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TEARDOWN_GRACE_S: Final = 10.0
"""How long tests that are interrupted may take to tear their fixtures down."""

_ORDERLY_COUNT: Final = 2


class Interrupts:
    """Counts Ctrl-C from ``install`` to ``restore``, instead of raising wherever it comes.

    One that comes although the last was not taken in yet is raised: a hook takes its time. So is a
    third one, for who does not wait for hosts that do not answer.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """Take what makes the main thread look; it is called in a signal handler."""
        self._wake = wake
        self._is_installed = False
        self._taken_count = 0
        self.count = 0

    def install(self) -> None:
        """Take over from Python's own handler; one of somebody else, or none, stays."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with contextlib.suppress(ValueError):  # pytest runs in a thread that it never reaches.
                signal.signal(signal.SIGINT, self._handle)
                self._is_installed = True

    def restore(self) -> None:
        """Give back to Python's own handler."""
        if self._is_installed:
            self._is_installed = False
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def take(self) -> float | None:
        """Return how long what runs may still take, if Ctrl-C came since this was last asked."""
        if self._taken_count == self.count:
            return None
        self._taken_count = self.count
        return TEARDOWN_GRACE_S if self.count == 1 else 0.0

    def close(self) -> None:
        """Note that nothing runs any more: what comes from now on needs no answer."""
        self._taken_count = _ORDERLY_COUNT

    def _handle(self, number: int, frame: Any) -> None:
        if self.count > self._taken_count or self.count == _ORDERLY_COUNT:
            signal.default_int_handler(number, frame)
        self.count += 1
        self._wake()
