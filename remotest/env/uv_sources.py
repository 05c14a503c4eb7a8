"""Where packages come from by ``[tool.uv.sources]``: not from the index of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from remotest.env.poetry_needs import source_url
from remotest.env.project_settings import read_project_settings
from remotest.env.requirement_texts import with_marker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from remotest.env.project_settings import ProjectSettings


def find_workspace(settings: ProjectSettings) -> Path | None:
    """Return the directory of the workspace that a project is in, above it; None without one."""
    root = _workspace_root(settings)
    if root is None or root.directory == settings.directory:
        return None
    return root.directory if settings.directory in _members(root) else None


class Sources:
    """The sources of one project.

    Args:
        settings: of the project; a workspace's root, above it, may have some for its members.
    """

    def __init__(self, settings: ProjectSettings) -> None:
        self._base = settings.directory
        self._root = _workspace_root(settings)
        tables = (self._root, settings) if self._root is not None else (settings,)
        self._sources = {
            canonicalize_name(name): (source, holder.directory)
            for holder in tables
            for name, source in holder.table("tool", "uv", "sources").items()
        }

    def apply(self, text: str) -> list[str]:
        """Return a requirement with the place it comes from; several where that depends."""
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # whoever needs it says so
            return [text]
        source, base = self._sources.get(canonicalize_name(requirement.name), ({}, self._base))
        if requirement.url is not None or not source:
            return [text]
        return [
            with_marker(_at(requirement, self._url(requirement, one, base)), one.get("marker", ""))
            for one in (source if isinstance(source, list) else [source])
            if isinstance(one, dict)
        ]

    def _url(self, requirement: Requirement, source: Mapping[str, Any], base: Path) -> str:
        if source.get("workspace") is True and self._root is not None:
            return self._member(canonicalize_name(requirement.name))
        return source_url(source, base)

    def _member(self, name: str) -> str:
        assert self._root is not None
        for directory in _members(self._root):
            own_name = read_project_settings(directory).name
            if own_name is not None and canonicalize_name(own_name) == name:
                return directory.resolve().as_uri()
        return ""


def _at(requirement: Requirement, url: str) -> str:
    """Return a requirement on what a URL names; the requirement itself without one."""
    if not url:
        return str(requirement)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker is not None else ""
    return f"{requirement.name}{extras} @ {url}{marker}"


def _workspace_root(settings: ProjectSettings) -> ProjectSettings | None:
    """Return the settings of the workspace that a project is the root of, or a member."""
    if settings.table("tool", "uv", "workspace"):
        return settings
    for directory in settings.directory.parents:
        if not (directory / "pyproject.toml").is_file():
            continue
        above = read_project_settings(directory)
        if above.table("tool", "uv", "workspace"):
            return above
    return None


def _members(root: ProjectSettings) -> Iterator[Path]:
    yield root.directory
    workspace = root.table("tool", "uv", "workspace")
    found, left_out = (
        [path for pattern in workspace.get(key, ()) for path in root.directory.glob(str(pattern))]
        for key in ("members", "exclude")
    )
    yield from sorted(path for path in {*found} - {*left_out} if path.is_dir())
