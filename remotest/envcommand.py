"""``remotest env``: what each interpreter of a run is given to run the tests in, and why."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from remotest.env.hostcache import ask_cache
from remotest.errors import HostError
from remotest.preflight import check_interpreter, read_interpreter
from remotest.reporting.envtable import Managed, Row
from remotest.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from remotest.driver import Asker
    from remotest.env.hostcache import HostCache
    from remotest.env.model import Provisions
    from remotest.settings import Settings


def survey(settings: Settings, *, is_built: bool, upgrade: bool) -> list[Row]:
    """Return what each interpreter of a run is given, in the order in which the specs were given.

    Takes seconds, and minutes where much has to be downloaded or built.

    Args:
        settings: of the run.
        is_built: have the environments built that are not there.
        upgrade: resolve anew.

    Raises:
        UsageError: the specs do not fit together, or the project does not say in order what it
            needs.
    """
    with closing(Visit(settings)) as visit:
        return _Survey(visit).run(is_built=is_built, upgrade=upgrade)


class _Survey:
    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._provision = visit.places.make_provision()
        self._caches = {plan.name: plan.spec.cache for plan in visit.places.agents}
        self._interpreters: dict[str, str] = {}
        self._provisions: dict[str, Provisions] = {}
        self._changes: dict[str, tuple[str, ...] | None] = {}
        self._kept: dict[str, frozenset[str]] = {}

    def run(self, *, is_built: bool, upgrade: bool) -> list[Row]:
        managed = [agent for agent, info in self._visit.dial() if self._judge(agent, info)]
        resolved = self._provision.resolve(managed, upgrade=upgrade) if managed else {}
        for agent, answer in resolved.items():
            if isinstance(answer, HostError):
                self._visit.errors[agent] = answer
            else:
                self._provisions[agent] = answer
                self._changes[agent] = self._provision.changes(agent, answer)
        kept = [agent for agent in self._provisions if self._is_kept(agent)]
        states = self._build(kept) if is_built else self._look(kept)
        return [self._row(agent, states.get(agent, "")) for agent in self._visit.agents]

    def _is_kept(self, agent: str) -> bool:
        decision = self._provision.decision(agent)
        return decision is not None and decision.use == "managed"

    def _judge(self, agent: str, info: Mapping[str, Any]) -> bool:
        """Take in a greeting; return whether an environment is made for the interpreter."""
        places = self._visit.places
        interpreter = read_interpreter(info)
        places.set_interpreter(agent, interpreter, info)
        self._interpreters[agent] = (
            f"{interpreter.implementation} {interpreter.version} at {interpreter.executable}"
        )
        try:
            if self._provision.judge(
                agent, info, is_controllers_own=places.is_controllers_own(agent)
            ):
                return True
            check_interpreter(agent, interpreter)
        except HostError as error:
            self._visit.errors[agent] = error
        return False

    def _build(self, agents: list[str]) -> dict[str, str]:
        """Have these agents' environments on their hosts; return agent -> what came of it."""
        askers = {
            agent: self._provision.shipper(agent, self._provisions[agent]) for agent in agents
        }
        shipped = self._visit.ask(askers)
        for agent in shipped:
            provisions = self._provisions[agent]
            self._provision.remember(agent, provisions)
            self._kept[agent] = frozenset(build.key for build in provisions.builds)
        return {
            agent: "built now" if shipped[agent].was_built else "there"
            for agent in agents
            if agent in shipped
        }

    def _look(self, agents: list[str]) -> dict[str, str]:
        """Ask whether these agents' environments are on their hosts; return agent -> the answer."""
        caches = self._visit.ask({agent: self._asker(agent) for agent in agents})
        self._kept = {agent: _kept_in(cache) for agent, cache in caches.items()}
        return {
            agent: "there" if self._provisions[agent].contents.key in kept else "not there"
            for agent, kept in self._kept.items()
        }

    def _asker(self, agent: str) -> Asker:
        cache = self._caches[agent]
        return lambda send, receive: ask_cache(
            "list", (), host=agent, cache=cache, send=send, receive=receive
        )

    def _row(self, agent: str, state: str) -> Row:
        provisions = self._provisions.get(agent)
        return Row(
            spec=agent,
            interpreter=self._interpreters.get(agent, ""),
            decision=self._provision.decision(agent),
            managed=None if provisions is None else self._managed(agent, provisions, state),
            error=self._visit.errors.get(agent),
        )

    def _managed(self, agent: str, provisions: Provisions, state: str) -> Managed:
        return Managed(
            source=self._provision.source(agent),
            packages=self._provision.packages(agent, provisions),
            byte_count=sum(wheel.size_bytes for wheel in provisions.contents.wheels),
            key=provisions.contents.key,
            state=state,
            changes=self._changes[agent],
            builds=tuple(self._build_lines(agent, provisions)),
            notes=(*provisions.notes, *provisions.overlay.notes),
        )

    def _build_lines(self, agent: str, provisions: Provisions) -> Iterator[str]:
        """Yield a line on each wheel that is built on the host: when, and why there."""
        kept = self._kept.get(agent, frozenset())
        for contents in filter(None, (provisions.contents, provisions.extensions)):
            for build in contents.builds:
                is_there = build.key in kept or contents.key in kept
                yield f"{'already' if is_there else 'by the next run'}: {build.reason}"


def _kept_in(cache: HostCache) -> frozenset[str]:
    """Return the names of a host's environments, and the keys of its wheels."""
    return frozenset(one.name if one.kind == "environment" else one.key for one in cache.things)
