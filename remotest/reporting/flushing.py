"""One write to the screen for all tests that are told of at once: pytest makes one for each."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Flushing:
    """Stands before ``flush`` of pytest's terminal writer."""

    def __init__(self, writer: Any) -> None:
        self._flush = writer.flush
        self._is_held = self._is_due = False
        writer.flush = self._ask

    def _ask(self) -> None:
        if self._is_held:
            self._is_due = True
        else:
            self._flush()

    @contextlib.contextmanager
    def once(self) -> Iterator[None]:
        """Flush at the end of a ``with`` block what was to be flushed in it."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
            if self._is_due:
                self._is_due = False
                self._flush()
