"""``remotest cache``: what is kept for later runs, here or on hosts, and getting rid of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from remotest.env.stored import Stored, pick
from remotest.env.wheelcache import WheelCache, default_root
from remotest.errors import UsageError
from remotest.reporting.cachetable import listing, removal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from remotest.env.wheelcache import Entry

ACTIONS: Final = {
    "ls": "list what is there",
    "gc": "remove what was not used for long, and what is too much; nothing that is in use",
    "rm": "remove things by their names; what is needed again is fetched or built again",
}
"""Action -> what it does."""


def check_usage(action: str, names: Sequence[str]) -> None:
    """Refuse names where they have no sense, and their absence where they are needed.

    Raises:
        UsageError: so it is.
    """
    if action == "gc" and names:
        raise UsageError("cache gc takes no names: it decides by age and size; see cache rm")
    if action == "rm" and not names:
        raise UsageError("cache rm needs the names of what to remove: see remotest cache ls")


def own_cache(action: str, names: Sequence[str]) -> Iterator[Text]:
    """Do one of ``ACTIONS`` with the cache of this machine; yield lines for the screen.

    Args:
        action: which.
        names: what it is about, see ``pick``; for ``ls`` nothing is all.

    Raises:
        UsageError: nothing there has such a name.
    """
    cache = WheelCache(default_root())
    place = str(cache.root)
    if action == "gc":
        return removal(place, list(map(_stored, cache.collect())), time.time())
    entries = {(entry.kind, entry.key): entry for entry in cache.entries()}
    stored = {key: _stored(entry) for key, entry in entries.items()}
    things = pick(list(stored.values()), names) if names else list(stored.values())
    if action == "ls":
        return listing(place, things, time.time())
    for key, one in stored.items():
        if one in things:
            cache.remove(entries[key])
    return removal(place, things, time.time())


def _stored(entry: Entry) -> Stored:
    return Stored(
        kind=entry.kind.removesuffix("s"),
        key=entry.key,
        name=entry.title,
        size_bytes=entry.size_bytes,
        used_s=entry.used_s,
    )
