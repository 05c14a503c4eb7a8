"""Sections of the main thread that Ctrl-C does not break: it is taken in at their end.

An interrupt in the middle of a write would leave half a message in the pipe; one behind the write,
and before it is noted as done, would have it said twice. One in the middle of imports may be lost:
they call back from where Python raises nothing. And where it leaves a text that is executed, as
dataclasses are made of, Python ends itself by SIGINT in the end, whoever has taken it in.
"""

import signal
import threading

# What `signal` itself calls, without its enums, which take ten times as long.
from _signal import getsignal as get_handler  # type: ignore[import-not-found]  # not in typeshed
from _signal import signal as set_handler
from typing import Any, Callable, Optional


class Unbroken:
    """Such a section, which may lie within itself.

    It does nothing in other threads, which hear of no Ctrl-C, and where this process ignores it.

    Attributes:
        depth: in how many of them the main thread is.
    """

    def __init__(self) -> None:
        # Looked up once: tests put something else in their place.
        self._handle_by = set_handler
        self._handler_of = get_handler
        self._ident = threading.get_ident
        self._owner = threading.main_thread().ident
        self._before: Optional[Callable[[int, Any], Any]] = None
        self._is_due = False
        self.depth = 0

    def __enter__(self) -> None:
        if self._ident() != self._owner:
            return
        if not self.depth:
            before = self._handler_of(signal.SIGINT)
            self._before = before if callable(before) else None
            self._is_due = False
            if self._before is not None:
                self._handle_by(signal.SIGINT, self._note)
        # Behind that, as an interrupt that comes before it leaves no section.
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        if self._ident() != self._owner:
            return
        self.depth -= 1
        if not self.depth and self._before is not None:
            self._handle_by(signal.SIGINT, self._before)
            if self._is_due:
                self._before(signal.SIGINT, None)

    def _note(self, _: int, __: Any) -> None:
        self._is_due = True
