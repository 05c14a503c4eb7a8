"""A project as its settings describe it, where no build backend can be asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from remotest.env.project_editable import PURE_WHEEL, Editable, dist_info, with_record
from remotest.env.project_settings import as_table, as_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from remotest.env.project_settings import ProjectSettings

COMPILED_WHEEL: Final = "Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"

UNKNOWN_VERSION: Final = "0"

VERSION_FILES: Final = (
    "__init__.py",
    "_version.py",
    "version.py",
    "__about__.py",
    "__version__.py",
)
"""Where projects keep their version, below their package."""

_VERSION: Final = re.compile(
    r"^(?:__)?version(?:__)?\b[^=\n]*=\s*['\"](\d[^'\"]*)['\"]", re.MULTILINE
)


def describe_statically(settings: ProjectSettings) -> Editable:
    """Return a project as an editable install would have it, as far as settings tell."""
    name = settings.name or settings.directory.name
    roots = [root for root in dict.fromkeys(_source_roots(settings)) if root.is_dir()]
    roots = roots or [settings.directory]
    version = settings.static_version or _find_version(name, roots)
    folder = dist_info(name, version or UNKNOWN_VERSION)
    files = {
        f"{folder}/METADATA": _metadata(settings, name, version or UNKNOWN_VERSION),
        f"{folder}/WHEEL": COMPILED_WHEEL if settings.is_compiled else PURE_WHEEL,
        f"__editable__.{folder.removesuffix('.dist-info')}.pth": "".join(
            f"{root}\n" for root in roots
        ),
    }
    if entry_points := _entry_points(settings):
        files[f"{folder}/entry_points.txt"] = entry_points
    notes = []
    if version is None:
        notes.append(
            f"nothing but its build backend knows the version of {name}: it counts as "
            f"{UNKNOWN_VERSION}"
        )
    return Editable(
        directory=str(settings.directory),
        name=name,
        files=with_record(files, folder),
        notes=tuple(notes),
    )


# -- where its modules are -------------------------------------------------------------------


def _source_roots(settings: ProjectSettings) -> Iterator[Path]:
    """Yield the directories that modules are imported from: what settings name, else the usual."""
    named = [*_setuptools_roots(settings), *_other_roots(settings)]
    if named:
        yield from (settings.directory / root for root in named)
        return
    src = settings.directory / "src"
    yield src if src.is_dir() and not (src / "__init__.py").exists() else settings.directory


def _setuptools_roots(settings: ProjectSettings) -> Iterator[str]:
    options = settings.cfg.get("options", {})
    rows = (line.partition("=") for line in options.get("package_dir", "").splitlines())
    by_package: dict[str, Any] = {
        **as_table((settings.setup or {}).get("package_dir")),
        **{package.strip(): path.strip() for package, _, path in rows if path},
        **settings.table("tool", "setuptools", "package-dir"),
    }
    for package, path in by_package.items():
        if not isinstance(path, str):
            continue
        if not package:
            yield path
        elif Path(path).name == package:
            yield str(Path(path).parent)
    where = settings.cfg.get("options.packages.find", {}).get("where", "").split()
    yield from where
    yield from _texts(settings.table("tool", "setuptools", "packages", "find").get("where"))


def _other_roots(settings: ProjectSettings) -> Iterator[str]:
    hatch = settings.table("tool", "hatch", "build", "targets", "wheel").get("packages")
    for package in _texts(hatch):
        yield str(Path(package).parent)
    packages = settings.table("tool", "poetry").get("packages")
    for package in packages if isinstance(packages, list) else ():
        yield from _texts(as_table(package).get("from", "."))
    yield from _texts(settings.table("tool", "pdm", "build").get("package-dir"))
    yield from _texts(settings.table("tool", "uv", "build-backend").get("module-root"))


def _texts(value: Any) -> list[str]:
    """Return the texts of a setting; an empty one names the directory itself."""
    return [text or "." for text in as_texts(value)]


def _find_version(name: str, roots: Iterable[Path]) -> str | None:
    """Return the version that a package of this name says in its code."""
    module = re.sub(r"[-.]", "_", name)
    for root in roots:
        candidates = [*(root / module / file for file in VERSION_FILES), root / f"{module}.py"]
        for path in filter(Path.is_file, candidates):
            if match := _VERSION.search(path.read_text(encoding="utf-8", errors="replace")):
                return match[1]
    return None


# -- its metadata ----------------------------------------------------------------------------


def _metadata(settings: ProjectSettings, name: str, version: str) -> str:
    project = settings.table("project")
    requires_python = project.get("requires-python") or settings.cfg.get("options", {}).get(
        "python_requires"
    )
    headers = [("Metadata-Version", "2.1"), ("Name", name), ("Version", version)]
    if summary := project.get("description"):
        headers.append(("Summary", " ".join(str(summary).split())))
    if requires_python:
        headers.append(("Requires-Python", requires_python))
    extras = settings.table("project", "optional-dependencies")
    headers += [("Provides-Extra", extra) for extra in extras]
    headers += [("Requires-Dist", text) for text in _requirements(settings, extras)]
    return "".join(f"{header}: {value}\n" for header, value in headers)


def _requirements(settings: ProjectSettings, extras: Mapping[str, Any]) -> Iterator[str]:
    yield from _texts(settings.table("project").get("dependencies"))
    for extra, requirements in extras.items():
        for requirement in _texts(requirements):
            text, _, marker = requirement.partition(";")
            condition = f"({marker.strip()}) and " if marker else ""
            yield f"{text.strip()} ; {condition}extra == '{extra}'"
    required = settings.cfg.get("options", {}).get("install_requires", "").splitlines()
    yield from (line.strip() for line in required if line.strip())
    yield from _texts((settings.setup or {}).get("install_requires"))


def _entry_points(settings: ProjectSettings) -> str:
    """Return the text of entry_points.txt."""
    project, poetry = settings.table("project"), settings.table("tool", "poetry")
    groups: dict[str, Mapping[str, Any]] = {
        "console_scripts": {
            **as_table(poetry.get("scripts")),
            **as_table(project.get("scripts")),
        },
        "gui_scripts": project.get("gui-scripts", {}),
        **as_table(poetry.get("plugins")),
        **as_table(project.get("entry-points")),
    }
    sections = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in groups.items()
        if as_table(entries)
    ]
    old: dict[str, Any] = dict(settings.cfg.get("options.entry_points", {}))
    in_setup = as_table((settings.setup or {}).get("entry_points"))
    old |= {group: "\n".join(_texts(rows)) for group, rows in in_setup.items()}
    sections += [f"[{group}]\n{rows.strip()}\n" for group, rows in old.items()]
    return "\n".join(sections)
