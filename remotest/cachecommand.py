"""``remotest cache``: what is kept for later runs, here or on hosts, and getting rid of it."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from remotest.env.hostcache import ask_cache
from remotest.env.stored import Stored, pick, refuse_used
from remotest.env.wheelcache import WheelCache
from remotest.errors import UsageError
from remotest.reporting.cachetable import listing, removal
from remotest.spec import GatewaySpec
from remotest.sync.memory import cache_root
from remotest.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.text import Text

    from remotest.driver import Asker
    from remotest.env.hostcache import HostCache
    from remotest.env.wheelcache import Entry
    from remotest.errors import HostError
    from remotest.settings import Settings


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
    """Do one of ``CACHE_ACTIONS`` with the cache of this machine; yield lines for the screen.

    Args:
        action: which.
        names: what it is about, see ``pick``; for ``ls`` nothing is all.

    Raises:
        UsageError: nothing there has such a name.
    """
    cache = WheelCache(cache_root())
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


def host_caches(
    settings: Settings, action: str, names: Sequence[str]
) -> tuple[list[Text], list[HostError]]:
    """Do one of ``CACHE_ACTIONS`` with the caches of all hosts of a run.

    Args:
        settings: of the run.
        action: which.
        names: what it is about, see ``pick``; for ``ls`` nothing is all.

    Returns:
        Lines for the screen, and what went wrong.

    Raises:
        UsageError: nothing on any host has such a name, or what has is in use. Nothing was
            removed.
    """
    with closing(Visit(settings)) as visit:
        hosts = _HostCaches(visit)
        lines = hosts.collect() if action == "gc" else hosts.pick(names, is_removed=action == "rm")
        return lines, list(visit.errors.values())


class _HostCaches:
    """The caches of the hosts that answer, each once."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        greeted = {agent for agent, _ in visit.dial()}
        self._specs: dict[str, GatewaySpec] = {}
        seen: set[GatewaySpec] = set()
        for plan in visit.places.agents:
            place = _place_of(plan.spec)
            if plan.name in greeted and place not in seen:
                seen.add(place)
                self._specs[plan.name] = plan.spec

    def collect(self) -> list[Text]:
        """Remove what is old or too much; return lines that say what."""
        removed = self._ask({agent: self._asker(agent, "collect") for agent in self._specs})
        return self._lines(removed, is_removed=True)

    def pick(self, names: Sequence[str], *, is_removed: bool) -> list[Text]:
        """Look for what is meant by names, and remove it if so asked; return lines about it."""
        found = self._ask({agent: self._asker(agent, "list") for agent in self._specs})
        if names:
            everything = [thing for cache in found.values() for thing in cache.things]
            meant = {(thing.kind, thing.key) for thing in pick(everything, names)}
            found = {
                agent: replace(
                    cache,
                    things=tuple(one for one in cache.things if (one.kind, one.key) in meant),
                )
                for agent, cache in found.items()
            }
        if is_removed:
            for agent, cache in found.items():
                refuse_used(cache.things, agent)
            askers = {
                agent: self._asker(agent, "remove", cache.things) for agent, cache in found.items()
            }
            found = self._ask(askers)
        return self._lines(found, is_removed=is_removed)

    def _asker(
        self,
        agent: str,
        action: Literal["list", "collect", "remove"],
        things: Iterable[Stored] = (),
    ) -> Asker:
        cache = self._specs[agent].cache
        return lambda send, receive: ask_cache(
            action, things, host=agent, cache=cache, send=send, receive=receive
        )

    def _ask(self, askers: dict[str, Asker]) -> dict[str, HostCache]:
        return self._visit.ask(askers)

    def _lines(self, caches: dict[str, HostCache], *, is_removed: bool) -> list[Text]:
        show = removal if is_removed else listing
        now = time.time()
        return [
            line
            for agent, cache in caches.items()
            for line in show(f"{agent} {cache.place}", cache.things, now)
        ]


def _place_of(spec: GatewaySpec) -> GatewaySpec:
    """Return what two specs have in common whose caches are the same."""
    return replace(
        GatewaySpec(),
        target=spec.target,
        via=spec.via,
        ssh_config=spec.ssh_config,
        cache=spec.cache,
    )
