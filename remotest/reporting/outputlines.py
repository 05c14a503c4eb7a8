"""Whole lines of what workers print: it comes in pieces, and ``print`` of two words writes four."""

from __future__ import annotations

from collections import Counter

MAX_WAITING_CHARS = 4096
"""What is longer and has no end is shown as it is: a line of dots, or somebody's binary data."""


MAX_SHOWN_CHARS = 16 * 1024 * 1024
"""Of one worker in a run: a log that anybody reads has less, and CI systems cut theirs sooner."""


class OutputLines:
    """Keeps the unfinished last line of each worker until its end comes."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}
        self._chars: Counter[str] = Counter()

    def add(self, worker: str, text: str) -> list[str]:
        """Return the lines that are whole now; no more of them once a worker has printed too much.

        Where they end a line says so.
        """
        left = MAX_SHOWN_CHARS - self._chars[worker]
        if left < 0:
            return []
        self._chars[worker] += len(text)
        if len(text) > left:
            rest = self._waiting.pop(worker, "") + text[:left]
            note = f"... more than {MAX_SHOWN_CHARS} characters were printed: the rest is left out"
            return [line.removesuffix("\r") for line in [*rest.split("\n"), note]]
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
