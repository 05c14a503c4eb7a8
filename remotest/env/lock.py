"""Which files of a lock (PEP 751) an interpreter is given. Pure: no file is opened here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import unquote, urljoin, urlsplit

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.pylock import (
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
)
from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from remotest.env.unavailable import Unavailable, Unfit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from packaging.pylock import Package

    from remotest.env.model import Target

UNKNOWN_HASH: Final = "unknown"
"""Stands in a lock where an index gives no hash: PEP 751 wants one, and the file gets its own on
arrival."""

NARROWING_MARKERS: Final = (
    "python_version",
    "platform_python_implementation",
    "sys_platform",
    "platform_machine",
)

Kind = Literal["wheel", "sdist", "vcs", "directory"]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file, repository or directory that a package comes from.

    Attributes:
        name: normalized.
        version: empty where only building it tells.
        kind: ``sdist`` is any archive to build from.
        url: where it is; ``file://`` for what is on this machine. Without user and password.
        filename: of a wheel or sdist, else empty.
        hashes: algorithm -> hex digest; empty where the index gives none.
        size_bytes: None where it is not known beforehand.
        commit: of a repository, else empty.
        vcs: ``git`` or another, else empty.
        subdirectory: below which the project lies, else empty.
        platform_wheels: there are wheels of this version, all for some platform: what is built
            from it will be for one, too.
    """

    name: str
    version: str
    kind: Kind
    url: str
    filename: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict, hash=False)
    size_bytes: int | None = None
    commit: str = ""
    vcs: str = ""
    subdirectory: str = ""
    platform_wheels: bool = False

    @property
    def title(self) -> str:
        """What people call it: ``numpy 2.0.2``."""
        return f"{self.name} {self.version}".rstrip()


def interpreter_title(target: Target) -> str:
    """Return what people call an interpreter: ``CPython 3.9.18 on linux x86_64``."""
    markers = target.markers
    return (
        f"{markers['platform_python_implementation']} {markers['python_full_version']} on "
        f"{markers['sys_platform']} {markers['platform_machine']}"
    )


def filename_in(url: str) -> str:
    """Return the last part of a URL's path: no way out of a directory, whatever the URL."""
    return Path(unquote(urlsplit(url).path)).name


def without_secrets(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a lock in which no URL carries a user and password, and which JSON can hold.

    When a file was put on the index is left out: it decides nothing, and JSON has no times.
    """

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: clean(inner) for key, inner in value.items() if key != "upload-time"}
        if isinstance(value, list):
            return [clean(inner) for inner in value]
        return scrubbed(value) if isinstance(value, str) else value

    return {key: clean(value) for key, value in document.items()}


def scrubbed(text: str) -> str:
    """Return a URL, or words of a tool or a person, without what stands before the host in it."""
    return re.sub(r"(?<=://)[^/?#\s]*@", "", text)


def read_lock(document: Mapping[str, Any], what: str) -> Pylock:
    """Return a lock from the data of its file.

    Args:
        document: PEP 751, but that hashes may be missing.
        what: names the lock in errors.

    Raises:
        Unavailable: it is no valid lock.
    """
    packages = document.get("packages", [])
    if isinstance(packages, list):
        packages = [_with_hashes(package) for package in packages]
    try:
        return Pylock.from_dict({**document, "packages": packages})
    except PylockValidationError as error:
        raise Unavailable(
            f"{what} is no valid lock of PEP 751: {error}", remedy="make it anew with its tool"
        ) from error


def choose(
    lock: Pylock,
    target: Target,
    *,
    what: str,
    base: Path,
    groups: Collection[str] = (),
    extras: Collection[str] = (),
) -> tuple[Artifact, ...]:
    """Return what a lock gives an interpreter: one artifact for each package.

    Args:
        lock: of ``read_lock``.
        target: the interpreter.
        what: names the lock in errors.
        base: directory that relative paths of the lock start at.
        groups: its dependency groups to take; its default ones where empty.
        extras: its extras to take.

    Raises:
        Unavailable: the lock does not serve this interpreter.
    """
    try:
        selected = lock.select(
            environment=target.markers,  # type: ignore[arg-type]  # a probe's dict has its keys
            tags=target.tags,
            extras=extras,
            dependency_groups=groups or None,
        )
        artifacts = tuple(_artifact(package, source, base) for package, source in selected)
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise Unavailable(f"{what} has a marker that means nothing: {error}") from error
    except PylockSelectError as error:
        reason = _fragment(str(error))
        cause = f"{what} has nothing for {interpreter_title(target)}: {reason}"
        remedy = "make the lock for this interpreter too, or name other requirements with req="
        if package := re.fullmatch(r"No wheel found .* for package '(.*)'", reason):
            raise Unfit(package[1], cause, remedy=remedy) from error
        raise Unavailable(cause, remedy=remedy) from error
    for artifact in artifacts:
        if artifact.kind == "wheel" and not set(target.tags).intersection(_tags(artifact.filename)):
            raise Unfit(
                artifact.name,
                f"{artifact.filename}, which {artifact.name} is required as, is none for "
                f"{interpreter_title(target)}",
                remedy="give the requirement a marker that leaves this interpreter out",
            )
    return artifacts


def lowest_python(targets: Iterable[Target]) -> str:
    """Return the version of the oldest interpreter, ``3.6``."""
    return min((target.markers["python_version"] for target in targets), key=Version)


def narrow(requirement: str, target: Target) -> str:
    """Return a requirement that is one only for interpreters much like the target."""
    parsed = Requirement(requirement)
    only = Marker(" and ".join(f"{name} == '{target.markers[name]}'" for name in NARROWING_MARKERS))
    parsed.marker = parsed.marker & only if parsed.marker else only
    return str(parsed)


def pins(artifacts: Iterable[Artifact]) -> tuple[str, ...]:
    """Return constraints to exactly these versions."""
    return tuple(f"{each.name}=={each.version}" for each in artifacts if each.version)


def _with_hashes(package: Any) -> Any:
    """Return a package whose files all have hashes; what is none is left to be refused."""

    def filled(file: Any) -> Any:
        if not isinstance(file, dict) or file.get("hashes"):
            return file
        return {**file, "hashes": {UNKNOWN_HASH: ""}}

    if not isinstance(package, dict):
        return package
    changed = dict(package)
    for key in ("sdist", "archive"):
        if key in changed:
            changed[key] = filled(changed[key])
    if isinstance(changed.get("wheels"), list):
        changed["wheels"] = [filled(wheel) for wheel in changed["wheels"]]
    return changed


def _fragment(sentence: str) -> str:
    """Return packaging's words without the position in a list that nobody reads."""
    return re.sub(r" at packages\[\d+\]( and packages\[\d+\])?|, and no sdist.*", "", sentence)


def _artifact(package: Package, source: Any, base: Path) -> Artifact:
    version = str(package.version or "")
    if isinstance(source, PackageVcs):
        return Artifact(
            name=package.name,
            version=version,
            kind="vcs",
            url=_url(source, base),
            vcs=source.type,
            commit=source.commit_id,
            subdirectory=source.subdirectory or "",
        )
    if isinstance(source, PackageDirectory):
        return Artifact(
            name=package.name,
            version=version,
            kind="directory",
            url=_path_url(source.path, base),
            subdirectory=source.subdirectory or "",
        )
    url = _url(source, base)
    filename = filename_in(url)
    if isinstance(source, PackageWheel | PackageSdist):
        filename = Path(source.filename).name
    assert isinstance(source, PackageWheel | PackageSdist | PackageArchive)
    return Artifact(
        name=package.name,
        version=version,
        kind="wheel" if filename.endswith(".whl") else "sdist",
        url=url,
        filename=filename,
        hashes={name: value for name, value in source.hashes.items() if name != UNKNOWN_HASH},
        size_bytes=source.size,
        subdirectory=getattr(source, "subdirectory", None) or "",
        platform_wheels=_all_for_a_platform(package),
    )


def _url(source: PackageVcs | PackageArchive | PackageWheel | PackageSdist, base: Path) -> str:
    if source.path:
        return _path_url(source.path, base)
    url = scrubbed(source.url or "")
    try:
        return urljoin(base.as_uri() + "/", url)
    except ValueError as error:
        raise Unavailable(f"the lock has a URL that is none, {url!r}: {error}") from error


def _path_url(path: str, base: Path) -> str:
    try:
        return (base / path).resolve().as_uri()
    except ValueError as error:
        raise Unavailable(f"the lock has a path that is none, {path!r}: {error}") from error


def _all_for_a_platform(package: Package) -> bool:
    return bool(package.wheels) and not any(
        tag.platform == "any" for wheel in package.wheels or () for tag in _tags(wheel.filename)
    )


def _tags(filename: str) -> Iterator[Any]:
    try:
        yield from parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:  # an old spelling on an index: it tells nothing
        return
