"""Asking a project's build backend for an editable install, once for each state of its settings."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from remotest.env.project_copy import commit_of, copy_project
from remotest.env.project_editable import Editable
from remotest.env.project_installed import editable_in
from remotest.env.project_settings import SETTINGS_FILES
from remotest.env.tools import ToolFailed, run_tool
from remotest.env.unavailable import Unavailable
from remotest.env.uvtool import QUIET, find_uv, first_cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remotest.env.project_settings import ProjectSettings

SCHEMA: Final = "1"
"""Of what is kept; another one makes what older versions kept unused."""

BUILD_TIMEOUT_S: Final = 120
"""For one editable build. Seconds are usual; what takes minutes compiles, which helps no host."""

_FAILED: Final[dict[str, str]] = {}
"""Why a backend failed in this process, by digest: the next interpreter need not wait for that."""


def build_editable(settings: ProjectSettings, cache_folder: Path) -> Editable:
    """Return a project as its build backend installs it in place.

    Nothing is written into the project: the backend works in a copy. Its answer is kept until
    the project's settings change, or its commit if the version may come from there.

    Args:
        settings: the project.
        cache_folder: where answers are kept.

    Raises:
        Unavailable: there is no backend, or it fails.
    """
    digest = _digest(settings)
    if digest in _FAILED:
        raise Unavailable(_FAILED[digest])
    kept = cache_folder / f"{digest}.json"
    editable = _read_kept(kept, str(settings.directory))
    if editable is None:
        try:
            editable = _build(settings)
        except Unavailable as error:
            _FAILED[digest] = error.cause
            raise
        _keep(kept, editable)
    return editable


def _build(settings: ProjectSettings) -> Editable:
    with tempfile.TemporaryDirectory(prefix="remotest-") as scratch_text:
        scratch = Path(os.path.realpath(scratch_text))
        copy = copy_project(
            settings.directory, scratch / "project", with_history=settings.static_version is None
        )
        return _install(copy, scratch / "site-packages", str(settings.directory))


def _install(copy: Path, target: Path, directory: str) -> Editable:
    """Install a copy in place, and return it as if it were the original."""
    uv = find_uv(copy, {})
    options: tuple[str | Path, ...] = ("--no-deps", "--target", target, "--editable", copy)
    try:
        if uv is None:
            _run([sys.executable, "-m", "pip", "install", "--quiet", *options], copy)
        else:
            command = (uv.path, "pip", "install", "--no-sources", "--python", sys.executable)
            try:  # What is in uv's cache will do, and is there without a network.
                _run([*command, *QUIET, "--offline", *options], copy)
            except ToolFailed:
                _run([*command, *QUIET, *options], copy)
    except ToolFailed as error:
        raise Unavailable(f"its build backend failed: {reason_in(error.words)}") from error
    installed = editable_in(target, directory)
    if installed is None:
        raise Unavailable(f"the build backend of {directory} installs nothing")
    files = {name: text.replace(str(copy), directory) for name, text in installed.files.items()}
    return Editable(directory=directory, name=installed.name, files=files, notes=installed.notes)


def _run(command: list[str | Path], directory: Path) -> None:
    run_tool(command, environ={}, directory=directory, timeout_s=BUILD_TIMEOUT_S)


def reason_in(words: str) -> str:
    """Return the line in which a backend says why it failed, of all that uv or pip print of it."""
    from_backend = words.partition("[stderr]")[2]
    if "  cause: " in words and not from_backend:  # uv did not get as far
        return first_cause(words)
    lines = [line.strip() for line in (from_backend or words).splitlines()]
    said = [line for line in lines if line and not line.startswith(("hint:", "note:"))]
    errors = [line for line in said if re.match(r"(error|[\w.]*(Error|Exception)):", line)]
    return (errors or said or ["it says nothing"])[-1].removeprefix("error: ").rstrip(".")


# -- what is kept ----------------------------------------------------------------------------


def _digest(settings: ProjectSettings) -> str:
    """Return what is the same as long as the backend's answer is."""
    parts = [SCHEMA, sys.version, str(settings.directory)]
    for name in SETTINGS_FILES:
        path = settings.directory / name
        parts.append(path.read_text(encoding="utf-8") if path.is_file() else "")
    # A backend finds packages by looking.
    for folder in (settings.directory, settings.directory / "src"):
        parts += _packages(folder)
    if settings.static_version is None:
        parts.append(commit_of(settings.directory))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _packages(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        yield str(folder)
        yield from sorted(
            path.name
            for path in folder.iterdir()
            if path.suffix == ".py" or (path.name.isidentifier() and path.is_dir())
        )


def _read_kept(kept: Path, directory: str) -> Editable | None:
    try:
        content: Any = json.loads(kept.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # A torn file is as good as none.
        return None
    return Editable(
        directory=directory,
        name=content["name"],
        files=content["files"],
        notes=tuple(content["notes"]),
    )


def _keep(kept: Path, editable: Editable) -> None:
    """Write an answer whole or not at all: others may read it at any time."""
    content = {"name": editable.name, "files": editable.files, "notes": editable.notes}
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=kept.parent, prefix=".making-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(temporary, kept)  # noqa: PTH105  both are text
