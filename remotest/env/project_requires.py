"""What is to be resolved where some of it is there already, as a tree. Pure."""

from __future__ import annotations

import re
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from remotest.env.model import Overlay

_EXTRA: Final = re.compile(r"""extra\s*==\s*["']([^"']*)["']""")

_ALWAYS, _NEVER = "python_version >= '0'", "python_version < '0'"


def without_projects(requirements: Iterable[str], overlay: Overlay) -> tuple[str, ...]:
    """Return requirements with what a project requires in the place of the project.

    Projects that an overlay brings as trees need not, and often cannot, be had from an index.

    Args:
        requirements: PEP 508 texts. Others are returned as they are.
        overlay: that has the metadata of the projects.
    """
    required = _required_by_projects(overlay)
    seen: set[str] = set()
    return tuple(dict.fromkeys(_expand(requirements, required, seen)))


def _required_by_projects(overlay: Overlay) -> dict[str, list[str]]:
    """Return what the projects require, by their normalized names."""
    required: dict[str, list[str]] = {}
    for name, text in overlay.files:
        if name.endswith(".dist-info/METADATA"):
            headers = HeaderParser().parsestr(text)
            required[canonicalize_name(headers["Name"])] = headers.get_all("Requires-Dist", [])
    return required


def _expand(
    requirements: Iterable[str], required: Mapping[str, list[str]], seen: set[str]
) -> Iterator[str]:
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            yield text
            continue
        name = canonicalize_name(requirement.name)
        if name not in required:
            yield text
        elif text not in seen:  # Projects may require each other.
            seen.add(text)
            yield from _expand(_of_project(requirement, required[name]), required, seen)


def _of_project(requirement: Requirement, required: Iterable[str]) -> Iterator[str]:
    """Yield what a requirement on a project, perhaps with extras, comes to."""
    extras = {canonicalize_name(extra) for extra in requirement.extras}
    for text in required:
        wanted = Requirement(text)
        condition = str(wanted.marker or "")
        named = {canonicalize_name(extra) for extra in _EXTRA.findall(condition)}
        if named and not named & extras:
            continue
        condition = _EXTRA.sub(
            lambda match: _ALWAYS if canonicalize_name(match[1]) in extras else _NEVER, condition
        )
        conditions = [condition] if condition not in ("", _ALWAYS) else []
        if requirement.marker is not None:
            conditions.append(str(requirement.marker))
        wanted.marker = None
        marker = " and ".join(f"({condition})" for condition in conditions)
        yield f"{wanted} ; {marker}" if marker else str(wanted)
