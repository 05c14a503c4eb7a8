"""Getting a lock, and from it what each interpreter is to have: the user's, or one made here."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from remotest.env.lock import choose, lowest_python, narrow, pins, read_lock, without_secrets
from remotest.env.sources import local_path, state
from remotest.env.unavailable import Unavailable, unreadable
from remotest.env.uv_target import release, uv_platform
from remotest.env.wheelcache import LOCKS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from remotest.env.lock import Artifact
    from remotest.env.model import Target, Wanted
    from remotest.env.piptool import Pip
    from remotest.env.toolbox import Toolbox
    from remotest.env.uvtool import Uv
    from remotest.env.wheelcache import WheelCache

SCHEMA: Final = 1
"""Of what is remembered; a change of its meaning makes all of it unknown."""

FRESH_S: Final = 24 * 3600
"""How long a resolution stands: a new release of a dependency is seen a day later at most."""

DAY_S: Final = 24 * 3600

KEY_CHARS: Final = 32
"""Hex characters of a key: 128 bits."""

PARALLEL_RESOLUTIONS: Final = 4
"""They mostly wait for the index."""

UV_LOCK: Final = "uv.lock"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What interpreters may have in common: ``Wanted`` with everything that defines a resolution.

    Attributes:
        requirements: to resolve, additions among them where there is no lock.
        constraints: on them.
        lock: a lock that is used as it is; None without one.
        lock_digest: of its content.
        groups: of the lock.
        extras: of the lock.
        package: whose part of the lock it is; empty for the project beside it.
        trees: packages of the lock that are there as trees, and so are not for an environment.
        additions: to resolve where the lock does not have them.
        local_state: of what the requirements name on this machine: changes with it.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    lock: Path | None = None
    lock_digest: str = ""
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    package: str = ""
    trees: tuple[str, ...] = ()
    additions: tuple[str, ...] = ()
    local_state: tuple[str, ...] = ()

    @property
    def urls(self) -> list[str]:
        """Those that requirements name; they may say who to be there."""
        texts = (*self.requirements, *self.additions)
        return [url for text in texts if (url := Requirement(text).url)]

    @classmethod
    def of(cls, wanted: Wanted, additions: Sequence[str]) -> Wish:
        """Return what is wished for.

        Raises:
            Unavailable: a requirement is not valid, or the lock cannot be read.
        """
        asked = () if wanted.lock else wanted.requirements
        parsed = [_requirement(text) for text in (*asked, *wanted.constraints, *additions)]
        paths = [path for requirement in parsed if (path := local_path(requirement.url))]
        common = tuple(dict.fromkeys(additions))
        return cls(
            requirements=() if wanted.lock else tuple(dict.fromkeys((*asked, *common))),
            constraints=tuple(dict.fromkeys(wanted.constraints)),
            lock=wanted.lock,
            lock_digest=_lock_digest(wanted.lock) if wanted.lock else "",
            groups=wanted.lock_groups,
            extras=wanted.lock_extras,
            package=wanted.lock_package,
            trees=wanted.trees,
            additions=common if wanted.lock else (),
            local_state=tuple(state(path) for path in paths),
        )


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What one interpreter is to have, before any file of it is here."""

    artifacts: tuple[Artifact, ...]
    notes: tuple[str, ...] = ()


class _Make(Protocol):
    """Makes a lock; ``hasty`` where an old one is there to fall back on. Raises Unavailable."""

    def __call__(self, *, hasty: bool) -> dict[str, Any]: ...


Choices = dict[str, "Choice | Unavailable"]


class Locks:
    """Locks as the cache has them, and as uv or pip make them.

    Args:
        cache: remembers them.
        tools: make them.
        upgrade: make them anew.
    """

    def __init__(self, cache: WheelCache, tools: Toolbox, *, upgrade: bool) -> None:
        self._cache = cache
        self._tools = tools
        self._upgrade = upgrade

    def choose(self, wish: Wish, targets: Mapping[str, Target]) -> Choices:
        """Return what each interpreter is to have of one wish."""
        if wish.lock is not None:
            return self._from_users_lock(wish, wish.lock, targets)
        return self._resolved(wish.requirements, wish.constraints, targets)

    def binary(self, wish: Wish, target: Target, packages: frozenset[str]) -> Choice:
        """Return what an interpreter can have without building some packages: older versions.

        They are looked for by uv, and where it does not know the interpreter, or finds none, by
        pip; but not by a pip that would take packages from elsewhere than uv does.

        Raises:
            Unavailable: nothing that works on this interpreter, or nothing to find it with.
        """
        if wish.lock is not None:
            raise Unavailable("no other versions were looked for")
        uv, pip = self._tools.uv, self._tools.pip
        failure = Unavailable("no other versions were looked for")
        if uv is not None and (platform := uv_platform(target)):
            try:
                return self._by_uv_alone(uv, wish, target, platform, packages)
            except Unavailable as error:
                failure = error
        if pip is None or (uv is not None and self._tools.settings.pip_environ is None):
            raise failure
        return self._by_pip(pip, wish.requirements, wish.constraints, target, packages)

    def _from_users_lock(self, wish: Wish, path: Path, targets: Mapping[str, Target]) -> Choices:
        try:
            lock = read_lock(self._users_lock(wish, path), str(path))
        except Unavailable as error:
            return dict.fromkeys(targets, error)
        choices: Choices = {}
        lacking: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, Target]]
        lacking = defaultdict(dict)
        for name, target in targets.items():
            try:
                chosen = choose(
                    lock,
                    target,
                    what=str(path),
                    base=path.parent,
                    groups=wish.groups,
                    extras=wish.extras,
                )
            except Unavailable as error:
                choices[name] = error
                continue
            artifacts = tuple(one for one in chosen if one.name not in wish.trees)
            choices[name] = Choice(artifacts=artifacts)
            there = {artifact.name for artifact in artifacts}
            absent = tuple(text for text in wish.additions if _name(text) not in there)
            if absent:
                lacking[absent, pins(artifacts)][name] = target
        for (absent, pinned), some in lacking.items():
            added = self._resolved(absent, (*wish.constraints, *pinned), some)
            for name, more in added.items():
                choices[name] = _joined(choices[name], more)
        return choices

    def _users_lock(self, wish: Wish, path: Path) -> dict[str, Any]:
        if path.name != UV_LOCK:
            try:
                document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise unreadable(str(path), error) from error
            return document
        uv = self._tools.uv
        if uv is None:
            raise Unavailable(
                f"{path} can only be read with uv, which is not here",
                remedy="install uv, or export the lock: uv export --format pylock.toml",
            )
        parts = (wish.groups, wish.extras, wish.package)
        key = digest("export", uv.identity, str(path), wish.lock_digest, *parts)
        if known := self._cache.recall(LOCKS, key):
            return dict(known.content)
        exported = without_secrets(uv.export(path, *parts))
        self._cache.remember(LOCKS, key, exported)
        return exported

    def _resolved(
        self,
        requirements: tuple[str, ...],
        constraints: tuple[str, ...],
        targets: Mapping[str, Target],
    ) -> Choices:
        """Resolve for all interpreters at once if that can be, else for each on its own."""
        uv, pip = self._tools.uv, self._tools.pip
        if uv is None and pip is None:
            nothing = Unavailable(
                "neither uv nor pip is here to resolve with", remedy="install uv beside remotest"
            )
            return dict.fromkeys(targets, nothing)
        if uv is not None:
            try:
                return self._by_uv(uv, requirements, constraints, targets)
            except Unavailable as error:
                if error.is_network:
                    return dict.fromkeys(targets, error)

        def alone(target: Target) -> Choice | Unavailable:
            try:
                if uv is None:
                    assert pip is not None
                    return self._by_pip(pip, requirements, constraints, target)
                narrowed = tuple(narrow(text, target) for text in requirements)
                (answer,) = self._by_uv(uv, narrowed, constraints, {"": target}).values()
            except Unavailable as error:
                return error
            return answer

        with ThreadPoolExecutor(PARALLEL_RESOLUTIONS, "remotest-resolve") as pool:
            return dict(zip(targets, pool.map(alone, targets.values()), strict=True))

    def _by_uv(
        self,
        uv: Uv,
        requirements: tuple[str, ...],
        constraints: tuple[str, ...],
        targets: Mapping[str, Target],
    ) -> Choices:
        """Return each interpreter's part of one lock.

        Raises:
            Unavailable: there is no such lock.
        """
        python = lowest_python(targets.values())

        def make(*, hasty: bool) -> dict[str, Any]:
            with self._cache.staging() as staging:
                return uv.compile(requirements, constraints, python, staging, hasty=hasty)

        key = digest(uv.identity, self._tools.settings.digest, requirements, constraints, python)
        document, notes = self._remembered(key, requirements, make)
        what = "the resolution by uv"
        lock = read_lock(document, what)
        choices: Choices = {}
        for name, target in targets.items():
            try:
                artifacts = choose(lock, target, what=what, base=uv.directory)
            except Unavailable as error:  # noqa: PERF203  each interpreter fails for itself
                choices[name] = error
            else:
                choices[name] = Choice(artifacts=artifacts, notes=notes)
        return choices

    def _by_uv_alone(
        self, uv: Uv, wish: Wish, target: Target, platform: str, only_binary: frozenset[str]
    ) -> Choice:
        """Return what uv finds for one interpreter on its own.

        A lock for all interpreters has, of each version, the files of the first index that has
        any. Here uv looks further, as far as its strategy allows.

        Raises:
            Unavailable: nothing that works there.
        """
        python = release(target)

        def make(*, hasty: bool) -> dict[str, Any]:
            with self._cache.staging() as staging:
                return uv.compile(
                    wish.requirements,
                    wish.constraints,
                    python,
                    staging,
                    platform=platform,
                    only_binary=only_binary,
                    hasty=hasty,
                )

        parts = (wish.requirements, wish.constraints, python, platform, sorted(only_binary))
        key = digest(uv.identity, self._tools.settings.digest, *parts)
        document, notes = self._remembered(key, wish.requirements, make)
        what = "the resolution by uv"
        artifacts = choose(read_lock(document, what), target, what=what, base=uv.directory)
        return Choice(artifacts=artifacts, notes=notes)

    def _by_pip(
        self,
        pip: Pip,
        requirements: tuple[str, ...],
        constraints: tuple[str, ...],
        target: Target,
        only_binary: frozenset[str] = frozenset(),
    ) -> Choice:
        """Return what pip finds for one interpreter.

        Raises:
            Unavailable: nothing that works there.
        """

        def make(*, hasty: bool) -> dict[str, Any]:
            with self._cache.staging() as staging:
                return pip.compile(
                    requirements,
                    constraints,
                    target,
                    staging,
                    only_binary=only_binary,
                    hasty=hasty,
                )

        parts = (requirements, constraints, sorted(only_binary), *describe(target))
        key = digest(pip.identity, self._tools.settings.digest, *parts)
        document, notes = self._remembered(key, requirements, make)
        what = "the resolution by pip"
        artifacts = choose(read_lock(document, what), target, what=what, base=pip.directory)
        return Choice(artifacts=artifacts, notes=notes)

    def _remembered(
        self, key: str, requirements: Iterable[str], make: _Make
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return a lock of before if it is fresh, else a new one; with notes for the user.

        Raises:
            Unavailable: from ``make``, unless the network is to blame and there is an old lock.
        """
        known = self._cache.recall(LOCKS, key)
        local = any(local_path(Requirement(text).url) for text in requirements)
        if known and not self._upgrade and not local and known.age_s < FRESH_S:
            return known.content, ()
        try:
            document = without_secrets(make(hasty=known is not None))
        except Unavailable as error:
            if known and error.is_network:
                days = known.age_s / DAY_S
                return known.content, (
                    f"the package index cannot be reached: resolved {days:.1f} days ago",
                )
            raise
        self._cache.remember(LOCKS, key, document)
        return document, ()


def digest(*parts: Any) -> str:
    """Return a short hex digest of what JSON can hold."""
    text = json.dumps([SCHEMA, *parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARS]


def describe(target: Target) -> tuple[dict[str, str], list[str]]:
    """Return all of an interpreter that decides what it is given, as JSON can hold it."""
    return dict(target.markers), [str(tag) for tag in target.tags]


def _joined(base: Choice | Unavailable, more: Choice | Unavailable) -> Choice | Unavailable:
    """Return a lock's choice with what was resolved beside it; the lock's own counts."""
    if isinstance(base, Unavailable):
        return base
    if isinstance(more, Unavailable):
        return more
    there = {artifact.name for artifact in base.artifacts}
    added = (artifact for artifact in more.artifacts if artifact.name not in there)
    return Choice(artifacts=(*base.artifacts, *added), notes=(*base.notes, *more.notes))


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise Unavailable(
            f"{text!r} is no requirement: {str(error).splitlines()[0]}",
            remedy="write it as PEP 508 says: name[extra]>=1.0; marker",
        ) from error


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _lock_digest(path: Path) -> str:
    """Return a digest of a lock, and of the project beside it, which says what its groups are."""
    try:
        content = path.read_bytes()
        if path.name == UV_LOCK:
            content += (path.parent / "pyproject.toml").read_bytes()
    except OSError as error:
        raise Unavailable(
            f"the lock {path} cannot be read: {error.strerror or error}",
            remedy="see lock= and [tool.remotest]",
        ) from error
    return hashlib.sha256(content).hexdigest()
