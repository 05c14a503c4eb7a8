"""Small functions of pytest-xdist that schedulers of others call."""

from __future__ import annotations

import difflib
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence


class Producer:
    """Writes what a scheduler logs to stderr, under ``--debug``. ``log.name`` is another one."""

    def __init__(self, name: str, *, enabled: bool = True) -> None:
        self.name = name
        self.enabled = enabled

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, enabled={self.enabled})"

    def __call__(self, *words: Any) -> None:
        """Write one line."""
        if self.enabled:
            sys.stderr.write(f"[{self.name}] {' '.join(map(str, words))}\n")

    def __getattr__(self, name: str) -> Producer:
        if name.startswith("__"):  # copy and pickle ask for those
            raise AttributeError(name)
        return type(self)(name, enabled=self.enabled)


def parse_tx_spec_config(config: pytest.Config) -> list[str]:
    """Return one spec for each worker that the command line names, ``auto`` counted as one.

    Raises:
        pytest.UsageError: it names none.
    """
    specs: list[str] = []
    for text in config.getoption("tx"):
        count, star, spec = text.partition("*")
        if star and count.isdecimal():
            specs += [spec] * int(count)
        else:
            specs.append(text)
    if not specs:
        raise pytest.UsageError("no environment to run in: add one with --tx")
    return specs


def report_collection_diff(
    from_collection: Sequence[str], to_collection: Sequence[str], from_id: str, to_id: str
) -> str | None:
    """Return how the collection of one worker differs from another's, None where they agree."""
    if list(from_collection) == list(to_collection):
        return None
    difference = difflib.unified_diff(from_collection, to_collection, from_id, to_id)
    lines = [
        f"Different tests were collected between {from_id} and {to_id}. The difference is:",
        *(line.rstrip() for line in difference),
        "To see why this happens see 'Known limitations' in documentation for pytest-xdist",
    ]
    return "\n".join(lines)
