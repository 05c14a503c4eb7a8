"""Projects beside a project: what it names as local paths, and members of its workspace."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement, Requirement

from remotest.env.project_paths import path_of_url
from remotest.env.project_settings import ProjectSettings, read_project_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remotest.env.project_paths import TreePaths

REQUIREMENT_FILES: Final = ("requirements*.txt", "*requirements.txt", "requirements/*.txt")

_EDITABLE_LINE: Final = re.compile(r"(?:-e|--editable)[ =]\s*(?P<path>\S+)")


def find_projects(base_dir: Path, paths: TreePaths) -> tuple[ProjectSettings, ...]:
    """Return the projects that a directory is in, and those that they lead to, if they travel.

    Raises:
        Unavailable: the settings of one cannot be read.
    """
    base = Path(os.path.realpath(base_dir))
    waiting = [str(path) for path in (base, *base.parents)]
    found: dict[str, ProjectSettings] = {}
    while waiting:
        directory = waiting.pop(0)
        if directory not in found and paths.place(directory) is not None:
            settings = read_project_settings(Path(directory))
            found[directory] = settings
            waiting += map(os.path.realpath, _neighbours(settings))
            waiting += map(os.path.realpath, _workspace_members(settings, paths))
    return tuple(settings for settings in found.values() if settings.is_project)


def _neighbours(settings: ProjectSettings) -> Iterator[Path]:
    """Yield the directories that a project names, which need not exist."""
    base = settings.directory
    yield from (base / path for path in _paths_in_requirements(settings))
    for pattern in REQUIREMENT_FILES:
        for file in sorted(base.glob(pattern)):
            yield from (base / path for path in _paths_in_file(file))
    for table in (settings.table("tool", "uv", "sources"), *_poetry_dependencies(settings)):
        for source in table.values():
            for one in source if isinstance(source, list) else [source]:
                if isinstance(one, dict) and isinstance(one.get("path"), str):
                    yield base / one["path"]


def _paths_in_requirements(settings: ProjectSettings) -> Iterator[str]:
    for text in _requirements(settings):
        text = re.sub(r"\{root(:uri)?\}|\$\{PROJECT_ROOT\}", str(settings.directory), text)  # noqa: PLW2901
        if path := _path_of_requirement(text):
            yield path


def _requirements(settings: ProjectSettings) -> Iterator[str]:
    """Yield all that a project requires, for whatever purpose."""
    project = settings.table("project")
    lists = [
        project.get("dependencies"),
        *settings.table("project", "optional-dependencies").values(),
        *settings.table("dependency-groups").values(),
        *settings.table("tool", "pdm", "dev-dependencies").values(),
    ]
    for requirements in lists:
        for text in requirements if isinstance(requirements, list) else ():
            if isinstance(text, str):
                yield text
    for option in ("install_requires", "tests_require"):
        yield from settings.cfg.get("options", {}).get(option, "").splitlines()
    for extra in settings.cfg.get("options.extras_require", {}).values():
        yield from extra.splitlines()


def _path_of_requirement(text: str) -> str | None:
    """Return the path that ``name @ file:///...`` or ``-e file:///...`` names."""
    if match := _EDITABLE_LINE.match(text):
        return path_of_url(match["path"])
    try:
        url = Requirement(text).url
    except InvalidRequirement:
        return None
    if url is None:
        return None
    # Hatch writes "{root:uri}/libs/a", which is an absolute path by now.
    return url if url.startswith("/") else path_of_url(url)


def _paths_in_file(file: Path) -> Iterator[str]:
    """Yield the directories that a requirements file names, relative to where pip is started."""
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        match = _EDITABLE_LINE.match(text)
        path = match["path"] if match else text
        if path.startswith((".", "/")) or (match and ":" not in path):
            yield path.partition("[")[0]
        elif found := _path_of_requirement(text):
            yield found


def _poetry_dependencies(settings: ProjectSettings) -> Iterator[dict[str, Any]]:
    poetry = settings.table("tool", "poetry")
    groups = settings.table("tool", "poetry", "group").values()
    for holder in (poetry, *groups):
        for key in ("dependencies", "dev-dependencies"):
            table = holder.get(key) if isinstance(holder, dict) else None
            if isinstance(table, dict):
                yield table


def _workspace_members(settings: ProjectSettings, paths: TreePaths) -> Iterable[Path]:
    """Return the members of the uv workspace that a project is the root of, or a member."""
    for directory in (settings.directory, *settings.directory.parents):
        if paths.place(str(directory)) is None:
            break
        root = settings if directory == settings.directory else read_project_settings(directory)
        if workspace := root.table("tool", "uv", "workspace"):
            return _expand(directory, workspace)
    return ()


def _expand(root: Path, workspace: Any) -> Iterator[Path]:
    left_out = {path for pattern in workspace.get("exclude", ()) for path in root.glob(pattern)}
    for pattern in workspace.get("members", ()):
        for path in sorted(root.glob(pattern)):
            if path not in left_out and (path / "pyproject.toml").is_file():
                yield path
