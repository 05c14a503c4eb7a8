"""The project itself on a host: what lies in site-packages there and leads into the tree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pytest_remotest.searchpath import SEARCH_PATH
from remotest.env.model import Overlay
from remotest.env.project_build import build_editable
from remotest.env.project_extensions import REMEDY, compiled_project
from remotest.env.project_installed import installed_editables
from remotest.env.project_members import find_projects
from remotest.env.project_paths import TreePaths
from remotest.env.project_static import describe_statically
from remotest.env.project_wheel import choose_wheels
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from remotest.env.model import Target
    from remotest.env.project_editable import Editable
    from remotest.env.project_paths import Locate
    from remotest.env.project_settings import ProjectSettings


def make_overlay(
    base_dir: Path,
    project: str,
    target: Target,
    cache_folder: Path,
    *,
    locate: Locate | None = None,
    search_path: Sequence[str] = SEARCH_PATH,
    builds_there: bool = False,
) -> Overlay:
    """Return what an interpreter is given of the project.

    What an editable install here consists of is taken as it is; where the project is not installed
    here its build backend is asked for the same, or else its settings are read. Any thread may call
    this, several at once too. The first call for a project may take as long as a build.

    Args:
        base_dir: the config file's directory, or the rootdir without one.
        project: ``editable``, ``none``, ``wheel`` or ``wheel:GLOB``.
        target: the interpreter.
        cache_folder: absolute, of this machine: keeps what backends answered.
        locate: gives the place in the tree of an absolute path, None for one that does not travel
            (``Layout.locate``); all below ``base_dir`` travels if not given.
        search_path: ``sys.path`` of this machine, where editable installs are looked for.
        builds_there: compiled modules that are not there for the interpreter are built on the host.

    Raises:
        Unavailable: no wheel is for this interpreter, or compiled modules are not.
    """
    kind, _, glob = project.partition(":")
    if kind == "none":
        return Overlay()
    if kind == "wheel":
        wheels = choose_wheels(base_dir, glob, target.tags)
        names = frozenset(wheel.name for wheel in wheels)
        return Overlay(wheels=wheels, hides_sources=True, names=names)
    paths = TreePaths(base_dir, locate)
    editables = _editables(base_dir, paths, cache_folder, search_path)
    overlay = _combine(editables, paths)
    compiled = [one for editable in editables if (one := compiled_project(editable, target))]
    if builds_there:
        return replace(overlay, compiled=tuple(compiled))
    if needed := [one for one in compiled if not one.is_optional]:
        raise Unavailable(needed[0].reason, remedy=REMEDY)
    notes = (f"{one.reason}; it does without" for one in compiled)
    return replace(overlay, notes=(*overlay.notes, *notes))


def _editables(
    base_dir: Path, paths: TreePaths, cache_folder: Path, search_path: Sequence[str]
) -> list[Editable]:
    """Return the projects in what travels, as editable installs have them."""
    installed = installed_editables(search_path)
    here = {path: one for path, one in installed.items() if paths.place(path) is not None}
    for settings in find_projects(base_dir, paths):
        if str(settings.directory) not in here:
            here[str(settings.directory)] = _editable(settings, cache_folder)
    return list(here.values())


def _editable(settings: ProjectSettings, cache_folder: Path) -> Editable:
    """Return a project that is not installed here as if it were."""
    if settings.is_compiled or not settings.has_backend:
        return describe_statically(settings)
    try:
        return build_editable(settings, cache_folder)
    except Unavailable as error:
        editable = describe_statically(settings)
        note = (
            f"{editable.name}: {error}. It is taken as its settings describe it; to have it as "
            f"its build backend does, install it here: pip install --editable {settings.directory}"
        )
        return replace(editable, notes=(note, *editable.notes))


def _combine(editables: Sequence[Editable], paths: TreePaths) -> Overlay:
    """Return the overlay of several projects."""
    files: dict[str, str] = {}
    notes: list[str] = []
    for editable in editables:
        files.update(paths.retarget(editable.files))
        notes += editable.notes
    notes += [
        f"{path} is on the path of the project here, but does not travel" for path in paths.outside
    ]
    names = frozenset(canonicalize_name(editable.name) for editable in editables)
    return Overlay(files=tuple(files.items()), names=names, notes=tuple(notes))
