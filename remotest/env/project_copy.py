"""A copy of a project for its build backend to write in: nothing is ever built in the tree."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remotest.env.unavailable import Unavailable
from remotest.sync.gitlisting import GitFailedError, run_git
from remotest.sync.rules import ENVIRONMENT_MARKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

COPIED_BYTES_MAX: Final = 1_000_000
"""Of a file that is copied. No source is larger; what is, is data, which an editable install does
not look into."""

COPIED_FILES_MAX: Final = 20_000
"""Of a project that is copied: it takes a few seconds, once. The largest projects have fewer."""

NOT_COPIED: Final = frozenset(("node_modules", "__pycache__", "build", "dist"))


def copy_project(directory: Path, destination: Path, *, with_history: bool) -> Path:
    """Copy a project's own files and return where it lies in the copy.

    Args:
        directory: absolute path of the project.
        destination: a directory that is not there yet.
        with_history: its version comes from git: the copy is a repository with the same commits
            and tags then, if the project is in one.

    Raises:
        Unavailable: it has too many files.
    """
    top = _clone(directory, destination) if with_history else None
    copied = destination / directory.relative_to(top or directory)
    count = 0
    for name in project_files(directory):
        source, target = directory / name, copied / name
        with suppress(FileNotFoundError):  # deleted here, and git still lists it
            if source.is_file() and source.stat().st_size <= COPIED_BYTES_MAX:
                count += 1
                if count > COPIED_FILES_MAX:
                    raise Unavailable(f"{directory} has more than {COPIED_FILES_MAX} files")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
    return copied


def commit_of(directory: Path) -> str:
    """Return a text that differs between commits and tags; empty where there is no repository."""
    try:
        return run_git(str(directory), "describe", "--always", "--tags", "--abbrev=40").decode()
    except GitFailedError:
        return ""


def _clone(directory: Path, destination: Path) -> Path | None:
    """Make a repository like that of a project. Return the top of the latter, None without one."""
    try:
        top = Path(os.fsdecode(run_git(str(directory), "rev-parse", "--show-toplevel")).rstrip())
        options = ("--quiet", "--shared", "--no-checkout", "--template=")
        run_git("/", "clone", *options, str(top), str(destination))
        run_git(str(destination), "reset", "--quiet")
    except GitFailedError:
        return None
    return top


def project_files(directory: Path) -> Iterator[str]:
    """Yield the files of a project: what git sees, or else all but the usual junk.

    With those of submodules. Some may be deleted.
    """
    try:
        listing = run_git(
            str(directory), "ls-files", "-z", "--cached", "--others", "--exclude-standard"
        )
    except GitFailedError:
        listing = b""
    names = [os.fsdecode(name) for name in listing.split(b"\0") if name]
    if not names:
        yield from _walk(directory)
    for name in names:
        if (directory / name).is_dir() and not name.endswith("/"):
            yield from (f"{name}/{inner}" for inner in project_files(directory / name))
        else:
            yield name


def _walk(directory: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(directory):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in NOT_COPIED
            and not any(os.path.lexists(f"{folder}/{name}/{mark}") for mark in ENVIRONMENT_MARKERS)
        ]
        for name in files:
            yield os.path.relpath(f"{folder}/{name}", directory)
