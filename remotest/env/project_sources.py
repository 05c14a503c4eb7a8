"""What of a project decides how its extension modules come out, and a project as one archive."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from remotest.env.project_copy import COPIED_FILES_MAX, project_files
from remotest.env.project_settings import SETTINGS_FILES, read_project_settings
from remotest.env.project_static import VERSION_FILES
from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import hash_file
from remotest.sync.extensions import parse_extension

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SOURCES_BYTES_MAX: Final = 500_000_000
"""Of a project that is built on a host: the sources of the largest, with all that they vendor, have
some 200 MB. What has more has data in it that should not travel for a build."""

NO_SOURCES: Final = frozenset(("tests", "test", "docs", "doc"))
"""Folders, at any depth, in which nothing lies that is compiled into a project."""

HIDDEN_SOURCES: Final = frozenset((".cargo",))
"""Of all folders with a dot in front, those that say how something is built."""

PROSE: Final = frozenset((".md", ".rst", ".pyi"))
"""Endings of files that no build compiles."""

NOT_BUILDING: Final = frozenset(
    ("black", "coverage", "isort", "mypy", "pylint", "pyright", "pytest", "remotest", "ruff", "tox")
)
"""Tools whose settings in pyproject.toml say nothing of a build."""

IMPORTED: Final = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)
"""Finds the packages and modules that a program imports."""


def compiled_content(directory: Path) -> str:
    """Return a digest that changes with whatever may change what is compiled of a project.

    That is each of its files but Python ones: those count where the build itself runs or compiles
    them. Files of tests and documentation, and settings of other tools, do not count.

    Raises:
        Unavailable: it cannot be read.
    """
    total = hashlib.sha256()
    settings = read_project_settings(directory)
    texts = _build_texts(directory)
    folders = settings.table("build-system").get("backend-path") or ()
    for name in sorted(project_files(directory)):
        path = directory / name
        if name == "pyproject.toml":
            content = _relevant(settings.toml)
        elif path.is_file() and decides(name, texts, folders):
            content = hash_file(path)
        else:
            continue
        total.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def decides(name: str, build_texts: Mapping[str, str], backend_folders: Iterable[str] = ()) -> bool:
    """Return whether an edit of a project's file may change what is compiled of it. Pure.

    Args:
        name: path of the file below the project, with ``/``.
        build_texts: the files that say how the project is built, by name.
        backend_folders: folders of the project that its own build backend lies in.
    """
    path = PurePosixPath(name)
    folders = path.parts[:-1]
    hidden = [folder for folder in folders if folder.startswith(".")]
    if NO_SOURCES.intersection(folders) or not HIDDEN_SOURCES.issuperset(hidden):
        return False
    if path.suffix == ".py":
        return name in build_texts or _is_run(path, build_texts, tuple(backend_folders))
    return path.suffix not in PROSE and parse_extension(path.name) is None


def _is_run(path: PurePosixPath, build_texts: Mapping[str, str], folders: Sequence[str]) -> bool:
    """Return whether a Python file may be run or compiled by a build."""
    if any(path.is_relative_to(folder) and folder != "." for folder in folders):
        return True
    if len(path.parts) == 1 and "." in folders:
        return True
    if path.name in VERSION_FILES:  # It is read for the version, which is known.
        return False
    imported = IMPORTED.findall(build_texts.get("setup.py", ""))
    named = re.compile(rf"(?<![\w.-]){re.escape(path.name)}\b")
    return path.parts[0].removesuffix(".py") in imported or any(
        named.search(text) for text in build_texts.values()
    )


def pack(directory: Path, destination: Path) -> Path:
    """Write a project's files as an archive, the same one for the same files; return its path.

    Args:
        directory: of the project.
        destination: the archive, which is not there yet.

    Raises:
        Unavailable: it has too much in it, or cannot be read.
    """
    total = 0
    with tarfile.open(destination, "w", format=tarfile.PAX_FORMAT) as archive:
        for count, name in enumerate(sorted(project_files(directory))):
            path = directory / name
            if not path.is_file():  # deleted here, and git still lists it
                continue
            try:
                content = path.read_bytes()
            except OSError as error:
                raise Unavailable(f"{path} cannot be read: {error.strerror or error}") from error
            total += len(content)
            if total > SOURCES_BYTES_MAX or count > COPIED_FILES_MAX:
                raise Unavailable(
                    f"{directory} is too large to be built on a host: it has more than "
                    f"{COPIED_FILES_MAX} files or {SOURCES_BYTES_MAX / 1e6:.0f} MB",
                    remedy="let git ignore what is no source",
                )
            info = tarfile.TarInfo(f"{directory.name or 'project'}/{name}")
            info.size = len(content)
            info.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            archive.addfile(info, io.BytesIO(content))
    return destination


def _build_texts(directory: Path) -> dict[str, str]:
    def read() -> Iterator[tuple[str, str]]:
        for name in SETTINGS_FILES:
            path = directory / name
            if path.is_file():
                yield name, path.read_text(encoding="utf-8", errors="replace")

    return dict(read())


def _relevant(toml: Mapping[str, Any]) -> str:
    """Return what of pyproject.toml may decide a build."""
    tools = {key: value for key, value in toml.get("tool", {}).items() if key not in NOT_BUILDING}
    return json.dumps({**toml, "tool": tools}, sort_keys=True, default=str)
