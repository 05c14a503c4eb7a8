"""Whole lines of what workers print: it comes in pieces, and ``print`` of two words writes four."""

from __future__ import annotations

MAX_WAITING_CHARS = 4096
"""What is longer and has no end is shown as it is: a line of dots, or somebody's binary data."""


class OutputLines:
    """Keeps the unfinished last line of each worker until its end comes."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}

    def add(self, worker: str, text: str) -> list[str]:
        """Return the lines that are whole now."""
        *lines, rest = (self._waiting.pop(worker, "") + text).split("\n")
        if len(rest) > MAX_WAITING_CHARS:
            lines.append(rest)
        elif rest:
            self._waiting[worker] = rest
        return [line.removesuffix("\r") for line in lines]

    def end(self, worker: str) -> list[str]:
        """Return what a worker that has ended left without a line's end."""
        rest = self._waiting.pop(worker, "")
        return [rest] if rest else []
