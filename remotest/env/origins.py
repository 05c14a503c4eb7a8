"""Where each package of an environment comes from: who asks for it, in which words."""

from __future__ import annotations

import sys
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from email.parser import BytesParser
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from remotest.env.model import Wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from remotest.env.model import Contents, HostBuild, Target, Wanted

NO_NEWER = "no newer than here"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of an environment, and each reason why it is there in this version."""

    name: str
    version: str
    reasons: tuple[str, ...]


def trace(
    contents: Contents, wanted: Wanted, additions: Iterable[str], target: Target
) -> tuple[Package, ...]:
    """Return the packages of an environment, by name, with who asks for them.

    What is installed because of several requirements names all of them. The wheels are opened:
    what they need in turn is in their metadata. What is built on the host is not known so well.

    Args:
        contents: of the environment; its wheels are in the controller's cache.
        wanted: what the suite needs.
        additions: what every environment has, see ``plugins``.
        target: the interpreter, for markers.
    """
    packages: tuple[Wheel | HostBuild, ...] = (*contents.wheels, *contents.builds)
    by_name: dict[str, Wheel | HostBuild] = {
        canonicalize_name(package.name): package for package in packages
    }
    reasons = _reasons(by_name, wanted, additions, target)
    locked = _names_in_lock(wanted.lock) if wanted.lock is not None else frozenset()
    for name in sorted(locked & set(by_name)):
        reasons[name].insert(0, wanted.source)
    for text in wanted.constraints:
        constraint = Requirement(text)
        if canonicalize_name(constraint.name) in by_name and _applies(constraint, target, ""):
            reasons[canonicalize_name(constraint.name)].append(f"{_words(constraint)}: constraint")
    return tuple(
        Package(name=name, version=wheel.version, reasons=tuple(dict.fromkeys(reasons[name])))
        for name, wheel in sorted(by_name.items())
    )


def _reasons(
    packages: Mapping[str, Wheel | HostBuild],
    wanted: Wanted,
    additions: Iterable[str],
    target: Target,
) -> defaultdict[str, list[str]]:
    """Return name -> requirements that name it, each with who has it."""
    waiting = [(Requirement(text), wanted.source, "") for text in wanted.requirements]
    waiting += [(Requirement(text), NO_NEWER, "") for text in additions]
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    seen: set[tuple[str, str]] = set()
    for requirement, origin, extra in waiting:  # It grows while it is read.
        name = canonicalize_name(requirement.name)
        if name not in packages or not _applies(requirement, target, extra):
            continue
        reasons[name].append(f"{_words(requirement)}: {origin}")
        for wanted_extra in ("", *sorted(requirement.extras)):
            if (name, wanted_extra) not in seen:
                seen.add((name, wanted_extra))
                package = packages[name]
                needed = requirements_of(package.path) if isinstance(package, Wheel) else ()
                waiting += [(one, f"needed by {name}", wanted_extra) for one in needed]
    return reasons


def requirements_of(path: Path) -> Iterator[Requirement]:
    """Yield what a wheel needs, as its metadata have it; nothing where they cannot be read.

    The host reads the wheel in earnest, and says what is wrong with it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = [
                name
                for name in archive.namelist()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            ]
            metadata = BytesParser().parsebytes(archive.read(name), headersonly=True)
    except (OSError, ValueError, zipfile.BadZipFile):
        return
    for text in metadata.get_all("Requires-Dist", ()):
        try:
            yield Requirement(text)
        except InvalidRequirement:  # noqa: PERF203  the loosest of packages; tools skip it, too
            continue


def _applies(requirement: Requirement, target: Target, extra: str) -> bool:
    marker = requirement.marker
    if marker is None:
        return not extra  # What an extra adds says so in a marker.
    applies = marker.evaluate({**target.markers, "extra": extra})
    return applies and not (extra and marker.evaluate({**target.markers, "extra": ""}))


def _words(requirement: Requirement) -> str:
    """Return a requirement without its marker, which has been judged."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    version = f" @ {requirement.url}" if requirement.url else str(requirement.specifier)
    return f"{requirement.name}{extras}{version}"


def _names_in_lock(path: Path) -> frozenset[str]:
    """Return the packages of a ``pylock.toml`` or ``uv.lock``, which was read before."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    packages = document.get("packages") or document.get("package") or []
    return frozenset(canonicalize_name(package["name"]) for package in packages)
