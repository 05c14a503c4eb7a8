"""From what is wanted on each interpreter to the wheels it is given.

What was resolved for the same wish and the same interpreter before is taken from the cache while
it is fresh: then no tool is started and nothing is asked of the network. Else all interpreters
with the same wish share one resolution; where that fails each has its own, so that an environment
fails only for what it itself cannot have.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from remotest.env.build import Builder
from remotest.env.lock import interpreter_title, scrubbed
from remotest.env.locks import FRESH_S, Choice, Locks, Wish, describe, digest
from remotest.env.sources import local_path, state
from remotest.env.unavailable import Unavailable, Unfit
from remotest.env.wheelcache import SELECTIONS
from remotest.errors import EnvError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from remotest.env.lock import Artifact
    from remotest.env.model import Target, Wanted, Wheel
    from remotest.env.toolbox import Toolbox
    from remotest.env.wheelcache import WheelCache

PHASE = "resolve"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one interpreter is to have.

    Attributes:
        target: the interpreter.
        wanted: what the suite needs.
        additions: PEP 508 texts: what is needed beside it, pytest and plugins. A lock that has a
            package of these names counts more.
    """

    target: Target
    wanted: Wanted
    additions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What one interpreter is given.

    Attributes:
        wheels: one for each package, sorted by name.
        notes: what the user should know of it, one line each.
        cached: all of it was known before.
    """

    wheels: tuple[Wheel, ...]
    notes: tuple[str, ...] = field(default=())
    cached: bool = False


def resolve(
    requests: Mapping[str, Request], *, cache: WheelCache, tools: Toolbox, upgrade: bool = False
) -> dict[str, Resolved | EnvError]:
    """Return what each interpreter is given; what one of them cannot have is an error of its own.

    Blocks, for minutes where much has to be downloaded.

    Args:
        requests: by a name of the interpreter, which errors will carry as their host.
        cache: where wheels are kept, and what was resolved before.
        tools: uv or pip, and the settings of both.
        upgrade: resolve anew even if what was resolved before is still fresh.
    """
    return _Resolution(cache, tools, upgrade=upgrade).run(requests)


class _Resolution:
    """One call of ``resolve``."""

    def __init__(self, cache: WheelCache, tools: Toolbox, *, upgrade: bool) -> None:
        self._cache = cache
        self._tools = tools
        self._upgrade = upgrade
        self._locks = Locks(cache, tools, upgrade=upgrade)

    def run(self, requests: Mapping[str, Request]) -> dict[str, Resolved | EnvError]:
        answers: dict[str, Resolved | EnvError] = {}
        urls: list[str] = []
        missing: dict[Wish, dict[str, Target]] = defaultdict(dict)
        for name, request in requests.items():
            try:
                wish = Wish.of(request.wanted, request.additions)
            except Unavailable as error:
                answers[name] = _env_error(name, request, error)
                continue
            urls += wish.urls
            if known := self._recall(wish, request.target):
                answers[name] = known
            else:
                missing[wish][name] = request.target
        self._tools = replace(self._tools, fetcher=self._tools.fetcher.knowing(urls))
        choices: dict[str, Choice | Unavailable] = {}
        for wish, targets in missing.items():
            choices.update(self._locks.choose(wish, targets))
        brought = self._bring(choices, requests)
        for wish, targets in missing.items():
            for name, target in targets.items():
                outcome = brought[name]
                if isinstance(outcome, Unfit):
                    outcome = self._bring_otherwise(
                        wish, name, requests[name], choices[name], outcome
                    )
                if isinstance(outcome, Unavailable):
                    answers[name] = _env_error(name, requests[name], outcome)
                    continue
                answers[name] = outcome
                self._remember(wish, target, outcome, choices[name])
        return {name: answers[name] for name in requests}

    def _bring(
        self,
        choices: Mapping[str, Choice | Unavailable],
        requests: Mapping[str, Request],
        built: Collection[str] = (),
    ) -> dict[str, Resolved | Unavailable]:
        """Have every wheel in the cache: all downloads at once, then what is to be built.

        Args:
            choices: by request.
            requests: by name.
            built: packages to build even if what comes of it is for one platform.
        """
        found = self._tools.fetcher.wheels(
            (
                artifact
                for choice in choices.values()
                if isinstance(choice, Choice)
                for artifact in choice.artifacts
                if artifact.kind == "wheel"
            ),
            self._cache,
        )
        builder = Builder(self._cache, self._tools)

        def build(artifact: Artifact, target: Target) -> Wheel:
            try:
                return builder.wheel(artifact, target)
            except Unfit:
                if artifact.name in built:
                    return builder.platform_wheel(artifact, target)
                raise

        outcomes: dict[str, Resolved | Unavailable] = {}
        for name, choice in choices.items():
            if isinstance(choice, Unavailable):
                outcomes[name] = choice
                continue
            try:
                outcomes[name] = _gathered(choice, requests[name].target, found, build)
            except Unavailable as error:
                outcomes[name] = error
        return outcomes

    def _bring_otherwise(
        self, wish: Wish, name: str, request: Request, choice: Choice | Unavailable, first: Unfit
    ) -> Resolved | Unavailable:
        """Look for older versions of what has no wheel; build what has none in any version.

        Args:
            wish: what is wished for.
            name: of the request.
            request: for one interpreter.
            choice: what was to be brought, in vain.
            first: why not.
        """
        outcome: Resolved | Unavailable = first
        binary: frozenset[str] = frozenset()
        built: frozenset[str] = frozenset()
        while isinstance(outcome, Unfit) and outcome.package not in built:
            package = frozenset({outcome.package})
            if package <= binary:  # A source that its URL names is one whatever pip is told.
                built |= package
            else:
                try:
                    choice = self._locks.binary(wish, request.target, binary | package)
                    binary |= package
                except Unavailable:
                    built |= package
            outcome = self._bring({name: choice}, {name: request}, built)[name]
        return outcome

    def _recall(self, wish: Wish, target: Target) -> Resolved | None:
        """Return what was given before for the same wish, if it is fresh and still here."""
        record = self._cache.recall(SELECTIONS, self._key(wish, target))
        if record is None or self._upgrade or record.age_s >= FRESH_S:
            return None
        try:
            changed = any(state(Path(path)) != was for path, was in record.content["sources"])
        except Unavailable:  # It is gone: whoever resolves anew will say so.
            return None
        wheels = [self._cache.find(*row) for row in record.content["wheels"]]
        if changed or not all(wheels):
            return None
        return Resolved(wheels=tuple(wheel for wheel in wheels if wheel), cached=True)

    def _remember(
        self, wish: Wish, target: Target, resolved: Resolved, choice: Choice | Unavailable
    ) -> None:
        """Keep what was given; but not what is old because the network is away."""
        if resolved.notes:
            return
        content = {
            "wheels": [[wheel.sha256, wheel.filename] for wheel in resolved.wheels],
            "sources": list(_local_sources(choice)) if isinstance(choice, Choice) else [],
        }
        self._cache.remember(SELECTIONS, self._key(wish, target), content)

    def _key(self, wish: Wish, target: Target) -> str:
        parts = [str(part) for part in astuple(wish)]
        return digest(self._tools.identity, parts, *describe(target))


def _gathered(
    choice: Choice,
    target: Target,
    found: Mapping[Artifact, Wheel | Unavailable],
    build: Callable[[Artifact, Target], Wheel],
) -> Resolved:
    """Return the wheels of one interpreter.

    Raises:
        Unavailable: one of them cannot be had.
    """
    wheels = []
    for artifact in choice.artifacts:
        wheel = found[artifact] if artifact.kind == "wheel" else build(artifact, target)
        if isinstance(wheel, Unavailable):
            raise wheel
        wheels.append(wheel)
    return Resolved(wheels=tuple(sorted(wheels, key=lambda wheel: wheel.name)), notes=choice.notes)


def _local_sources(choice: Choice) -> Iterator[tuple[str, str]]:
    """Yield (path, state) of what a lock names on this machine and may change under its hands."""
    for artifact in choice.artifacts:
        path = local_path(artifact.url)
        if path is not None and "sha256" not in artifact.hashes:
            yield str(path), state(path)


def _env_error(name: str, request: Request, error: Unavailable) -> EnvError:
    return EnvError(
        host=name,
        phase=PHASE,
        cause=scrubbed(
            f"{request.wanted.source}, for {interpreter_title(request.target)}: {error.cause}"
        ),
        remedy=error.remedy,
    )
