"""Sources on this machine: files and directories that requirements or locks name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import hash_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSED_OVER: Final = frozenset({".git", ".hg", ".tox", ".nox", ".venv", "__pycache__"})
"""Directories that do not decide what a build gives."""

PASSED_OVER_SUFFIXES: Final = (".egg-info", "_cache")

MADE_BY_BUILDS: Final = frozenset({"build", "dist"})
"""Directories in a project's root; deeper down they may be packages."""


def local_path(url: str | None) -> Path | None:
    """Return the path of a ``file://`` URL, None for any other."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:  # No URL at all: whoever is asked for it will complain, and better.
        return None
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def state(path: Path) -> str:
    """Return a digest that changes when a file, or a file of a directory, seems to change.

    By size and times, which is cheap enough for every run.

    Raises:
        Unavailable: it is not there.
    """

    def of_file(file: Path) -> str:
        status = file.stat()
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"

    return _digest(path, of_file)


def content(path: Path) -> str:
    """Return a digest of a file, or of all files of a directory.

    Raises:
        Unavailable: it cannot be read.
    """
    return _digest(path, hash_file)


def _digest(path: Path, of_file: Callable[[Path], str]) -> str:
    total = hashlib.sha256(str(path).encode("utf-8", "surrogateescape"))
    try:
        for file in _files(path):
            line = f"{os.path.relpath(file, path)}\0{of_file(file)}\n"
            total.update(line.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise Unavailable(
            f"{error.filename or path} cannot be read: {error.strerror or error}",
            remedy="see the requirement or the lock that names it",
        ) from error
    return total.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for parent, directories, names in os.walk(path):
        made = MADE_BY_BUILDS if Path(parent) == path else frozenset()
        kept = (name for name in directories if not _is_passed_over(name) and name not in made)
        directories[:] = sorted(kept)
        yield from (file for name in sorted(names) if (file := Path(parent, name)).is_file())


def _is_passed_over(name: str) -> bool:
    return name in PASSED_OVER or name.endswith(PASSED_OVER_SUFFIXES)
