"""What lies in a cache, here or on a host, and which of it somebody means by a name. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from remotest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PATTERN: Final = frozenset("*?[")
"""Characters that make a name a pattern."""

MATCHES_SHOWN: Final = 3
"""Of what a beginning may mean: enough to see how much more of it to write."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One thing in a cache.

    Attributes:
        kind: what it is, in one word: ``wheel``, ``environment``, ``tree``, ``lock``.
        key: how the cache itself calls it.
        name: how people call it; several things may share one.
        size_bytes: on disk.
        used_s: seconds since the epoch of its last use, by the clock of its machine.
        in_use: a run that is going on needs it.
    """

    kind: str
    key: str
    name: str
    size_bytes: int
    used_s: float
    in_use: bool = False


def pick(things: Sequence[Stored], names: Iterable[str]) -> list[Stored]:
    """Return what is meant by names: whole ones, the beginning of one, or shell patterns.

    Raises:
        UsageError: a name means nothing, or is the beginning of several.
    """
    picked: dict[tuple[str, str], Stored] = {}
    for name in names:
        picked.update({(one.kind, one.key): one for one in _meant_by(name, things)})
    return list(picked.values())


def _meant_by(name: str, things: Sequence[Stored]) -> list[Stored]:
    if PATTERN.intersection(name):
        found = [one for one in things if fnmatchcase(one.name, name)]
    else:
        found = [one for one in things if one.name == name]
        if not found:
            found = [one for one in things if one.name.startswith(name)]
            if len({one.name for one in found}) > 1:
                shown = ", ".join(sorted({one.name for one in found})[:MATCHES_SHOWN])
                raise UsageError(f"{name} is the beginning of several names ({shown}): write more")
    if not found:
        raise UsageError(f"nothing in the cache is called {name}: see remotest cache ls")
    return found


def refuse_used(things: Iterable[Stored], where: str) -> None:
    """Refuse to remove what is in use.

    Args:
        things: what is to be removed.
        where: names the cache.

    Raises:
        UsageError: one of them is.
    """
    for one in things:
        if one.in_use:
            raise UsageError(f"{one.kind} {one.name} is in use by a run on {where}: end that first")
