"""From what is wanted on each interpreter to the wheels it is given.

What was resolved for the same wish and the same interpreter before is taken from the cache while
it is fresh: then no tool is started and nothing is asked of the network. Else all interpreters
with the same wish share one resolution; where that fails each has its own, so that an environment
fails only for what it itself cannot have.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import astuple, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from remotest.env.build import Builder
from remotest.env.host_build import HostBuilds, from_row, to_row
from remotest.env.lock import interpreter_title, scrubbed
from remotest.env.locks import FRESH_S, Choice, Locks, Wish, describe, digest
from remotest.env.model import HostBuild
from remotest.env.sources import local_path, state
from remotest.env.unavailable import Unavailable, Unfit
from remotest.env.wheelcache import SELECTIONS
from remotest.errors import EnvError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from remotest.env.lock import Artifact
    from remotest.env.model import CompiledProject, Target, Wanted, Wheel
    from remotest.env.toolbox import Toolbox
    from remotest.env.wheelcache import WheelCache

PHASE = "resolve"
BUILD_PHASE = "build"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What one interpreter is to have.

    Attributes:
        target: the interpreter.
        wanted: what the suite needs.
        additions: PEP 508 texts: what is needed beside it, pytest and plugins. A lock that has a
            package of these names counts more.
        builds_there: what has no wheel for any interpreter is built on the host.
        compiled: projects whose extension modules are built there.
    """

    target: Target
    wanted: Wanted
    additions: tuple[str, ...] = ()
    builds_there: bool = False
    compiled: tuple[CompiledProject, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What one interpreter is given.

    Attributes:
        wheels: of the packages, sorted by name.
        builds: of those packages whose wheel is built on the host.
        extensions: of the projects whose extension modules are built on the host.
        notes: what the user should know of it, one line each.
        cached: all of it was known before.
    """

    wheels: tuple[Wheel, ...]
    builds: tuple[HostBuild, ...] = ()
    extensions: tuple[HostBuild, ...] = ()
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
            if known := self._recall(wish, request):
                answers[name] = known
            else:
                missing[wish][name] = request.target
        self._tools = replace(self._tools, fetcher=self._tools.fetcher.knowing(urls))
        choices: dict[str, Choice | Unavailable] = {}
        for wish, targets in missing.items():
            choices.update(self._locks.choose(wish, targets))
        brought = self._bring(choices, requests)
        for wish, targets in missing.items():
            for name in targets:
                outcome = brought[name]
                if isinstance(outcome, Unfit):
                    outcome = self._bring_otherwise(
                        wish, name, requests[name], choices[name], outcome
                    )
                if isinstance(outcome, Unavailable):
                    answers[name] = _env_error(name, requests[name], outcome)
                    continue
                answers[name] = outcome
                self._remember(wish, requests[name], outcome, choices[name])
        return {
            name: self._with_projects(answers[name], name, request)
            for name, request in requests.items()
        }

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
        host_builds = self._host_builds()

        def build(request: Request, artifact: Artifact) -> Wheel | HostBuild:
            try:
                return builder.wheel(artifact, request.target)
            except Unavailable as error:
                if request.builds_there:
                    return host_builds.of_artifact(artifact, request.target, error.cause)
                if isinstance(error, Unfit) and artifact.name in built:
                    return builder.platform_wheel(artifact, request.target)
                raise

        outcomes: dict[str, Resolved | Unavailable] = {}
        for name, choice in choices.items():
            if isinstance(choice, Unavailable):
                outcomes[name] = choice
                continue
            try:
                outcomes[name] = _gathered(choice, found, partial(build, requests[name]))
            except Unavailable as error:
                outcomes[name] = error
        return outcomes

    def _host_builds(self) -> HostBuilds:
        builder = Builder(self._cache, self._tools)

        def bring(choice: Choice, target: Target) -> tuple[Wheel, ...]:
            wheels = [one for one in choice.artifacts if one.kind == "wheel"]
            found = self._tools.fetcher.wheels(wheels, self._cache)
            return _gathered(choice, found, lambda artifact: builder.wheel(artifact, target)).wheels

        return HostBuilds(self._cache, self._tools, self._locks, builder, bring)

    def _with_projects(
        self, answer: Resolved | EnvError, name: str, request: Request
    ) -> Resolved | EnvError:
        """Return the same with builds of the projects that need them."""
        if isinstance(answer, EnvError) or not request.compiled:
            return answer
        builds = self._host_builds()
        try:
            extensions = [builds.of_project(one, request.target) for one in request.compiled]
        except Unavailable as error:
            cause = f"{scrubbed(error.cause)}, for {interpreter_title(request.target)}"
            return EnvError(host=name, phase=BUILD_PHASE, cause=cause, remedy=error.remedy)
        return replace(answer, extensions=tuple(extensions))

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

    def _recall(self, wish: Wish, request: Request) -> Resolved | None:
        """Return what was given before for the same wish, if it is fresh and still here."""
        record = self._cache.recall(SELECTIONS, self._key(wish, request))
        if record is None or self._upgrade or record.age_s >= FRESH_S:
            return None
        try:
            changed = any(state(Path(path)) != was for path, was in record.content["sources"])
        except Unavailable:  # It is gone: whoever resolves anew will say so.
            return None
        wheels = [self._cache.find(*row) for row in record.content["wheels"]]
        builds = [from_row(row, self._cache) for row in record.content.get("builds", ())]
        if changed or not all(wheels) or not all(builds):
            return None
        return Resolved(
            wheels=tuple(wheel for wheel in wheels if wheel),
            builds=tuple(build for build in builds if build),
            cached=True,
        )

    def _remember(
        self, wish: Wish, request: Request, resolved: Resolved, choice: Choice | Unavailable
    ) -> None:
        """Keep what was given; but not what is old because the network is away."""
        if resolved.notes:
            return
        content = {
            "wheels": [[wheel.sha256, wheel.filename] for wheel in resolved.wheels],
            "builds": [to_row(build) for build in resolved.builds],
            "sources": list(_local_sources(choice)) if isinstance(choice, Choice) else [],
        }
        self._cache.remember(SELECTIONS, self._key(wish, request), content)

    def _key(self, wish: Wish, request: Request) -> str:
        parts = [str(part) for part in astuple(wish)]
        # A build is for one build of an interpreter.
        build = [request.target.build] if request.builds_there else []
        return digest(self._tools.identity, parts, *describe(request.target), *build)


def _gathered(
    choice: Choice,
    found: Mapping[Artifact, Wheel | Unavailable],
    build: Callable[[Artifact], Wheel | HostBuild],
) -> Resolved:
    """Return the wheels of one interpreter, and the builds of those that are not here.

    Raises:
        Unavailable: one of them cannot be had.
    """
    wheels: list[Wheel] = []
    builds: list[HostBuild] = []
    for artifact in choice.artifacts:
        package = found[artifact] if artifact.kind == "wheel" else build(artifact)
        if isinstance(package, Unavailable):
            raise package
        if isinstance(package, HostBuild):
            builds.append(package)
        else:
            wheels.append(package)
    return Resolved(
        wheels=tuple(sorted(wheels, key=lambda wheel: wheel.name)),
        builds=tuple(sorted(builds, key=lambda build: build.name)),
        notes=choice.notes,
    )


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
