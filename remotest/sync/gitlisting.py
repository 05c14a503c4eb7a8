"""Asking git of this machine: which files belong to a directory, among others."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_remotest.entries import to_bytes, to_text

if TYPE_CHECKING:
    from collections.abc import Sequence

GIT_TIMEOUT_S: Final = 60
"""Listing a cold repository of a million files on a network disk takes half of that."""

GIT_VARIABLES_KEPT: Final = frozenset(
    ("GIT_CEILING_DIRECTORIES", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
)
"""The others say which repository a hook runs for, which need not be this one."""


class GitFailedError(Exception):
    """Git is not there, or refuses; the text says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What git says of a directory: names relative to it, directories with a slash behind.

    Attributes:
        tracked: files and links, and submodules.
        modules: those of them that are submodules.
        untracked: files, links, and other repositories with a slash; nothing that git ignores.
        untracked_tops: the same without what lies in a directory that is untracked itself.
        ignored_tops: what git ignores, again without what lies in a directory that is ignored.
    """

    tracked: frozenset[str]
    modules: frozenset[str]
    untracked: frozenset[str]
    untracked_tops: tuple[str, ...]
    ignored_tops: frozenset[str]


def ask_git(top: str) -> Listing:
    """Return what git says of a directory.

    Raises:
        GitFailedError: it says nothing.
    """
    others = ("--others", "--exclude-standard")
    # A record is "MODE HASH STAGE\tPATH"; mode 160000 is a submodule.
    records = [record.partition("\t") for record in _git(top, "--cached", "--stage")]
    return Listing(
        tracked=frozenset(name for _, _, name in records),
        modules=frozenset(name for head, _, name in records if head.startswith("160000")),
        untracked=frozenset(_git(top, *others)),
        untracked_tops=tuple(_git(top, *others, "--directory")),
        ignored_tops=frozenset(_git(top, *others, "--ignored", "--directory")),
    )


def _git(top: str, *options: str) -> list[str]:
    """Return the records of ``git ls-files``."""
    answer = run_git(top, "ls-files", "-z", *options)
    return [to_text(record) for record in answer.split(b"\0") if record]


def run_git(top: str, *arguments: str) -> bytes:
    """Return what git prints, run so that nothing that the repository's settings name is run.

    Args:
        top: absolute path of the directory that it is asked about.
        arguments: a git command and its arguments.

    Raises:
        GitFailedError: it is not there, or fails.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name in GIT_VARIABLES_KEPT
    }
    environment.update(LC_ALL="C", GIT_OPTIONAL_LOCKS="0")
    options = ("-c", "core.fsmonitor=false", *arguments)
    command: Sequence[bytes | str] = ["git", "-C", to_bytes(top), *options]
    try:
        answer = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise GitFailedError(str(error)) from error
    if answer.returncode:
        lines = answer.stderr.decode("utf-8", "replace").splitlines()
        raise GitFailedError(lines[0] if lines else f"git ended with {answer.returncode}")
    return answer.stdout


def has_git(directory: str) -> bool:
    """Return whether a directory is the top of a repository."""
    return os.path.lexists(to_bytes(f"{directory}/.git"))
