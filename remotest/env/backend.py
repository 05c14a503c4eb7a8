"""What the build backend of a source needs, as the source and the backend itself say (PEP 517)."""

from __future__ import annotations

import json
import os
import posixpath
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pytest_remotest import sourceunpack, wheelbuild
from pytest_remotest.wheelnames import WheelError
from remotest.env.locks import digest
from remotest.env.tools import ToolFailed, last_line, run_tool
from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import BUILDS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from remotest.env.model import Source
    from remotest.env.toolbox import Toolbox
    from remotest.env.wheelcache import WheelCache

LEGACY_BACKEND: Final = "setuptools.build_meta:__legacy__"
LEGACY_REQUIRES: Final = ("setuptools>=40.8.0",)
"""Of a source that does not say what builds it, as PEP 517 and 518 have it."""

WHEEL_PACKAGE: Final = "wheel; python_version < '3.8'"
"""What setuptools needs beside it where the newest for the interpreter is older than 70.1. One of
that age would say so, but here a newer one is asked."""

HOOK_TIMEOUT_S: Final = 300
"""For a backend to say what it needs: a setup.py may look around for a minute."""


@dataclass(frozen=True, kw_only=True)
class Backend:
    """What builds a source.

    Attributes:
        name: ``module:object``.
        path: folders in the source that the backend lies in.
        requires: PEP 508 texts: what has to be installed for a build.
        notes: for the user, one line each.
    """

    name: str
    path: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_backend(source: Source, content: str, cache: WheelCache, tools: Toolbox) -> Backend:
    """Return what builds a source. It is asked once for each content; that may take a minute.

    The backend runs here and not on the host, because its answer names packages to be fetched,
    and no host shall choose what this machine fetches.

    Args:
        source: the archive.
        content: names what is in it.
        cache: remembers the answer, and has room to work in.
        tools: install what the backend needs to be asked.

    Raises:
        Unavailable: the source cannot be read.
    """
    key = digest("backend", content, sys.version)
    if known := cache.recall(BUILDS, key):
        return _read(known.content)
    with cache.staging() as staging:
        root = _unpack(source, staging)
        backend = declared_backend(_build_system(root, source))
        try:
            more = _ask(backend, root, staging, tools)
        except Unavailable as error:
            note = f"what builds {source.filename} could not be asked what it needs: {error}"
            return Backend(
                name=backend.name, path=backend.path, requires=backend.requires, notes=(note,)
            )
    requires = tuple(dict.fromkeys((*backend.requires, *more)))
    cache.remember(BUILDS, key, [backend.name, backend.path, requires])
    return Backend(name=backend.name, path=backend.path, requires=requires)


def declared_backend(table: Mapping[str, Any] | None) -> Backend:
    """Return what a ``[build-system]`` says; None where there is none.

    Raises:
        Unavailable: it makes no sense.
    """
    table = table or {}
    requires = table.get("requires", list(LEGACY_REQUIRES))
    name = table.get("build-backend", LEGACY_BACKEND)
    path = table.get("backend-path", [])
    if not isinstance(name, str) or not _is_texts(requires) or not _is_texts(path):
        raise Unavailable("its [build-system] is not as PEP 518 has it")
    folders = tuple(posixpath.normpath(folder) for folder in path)
    if any(folder.startswith(("/", "..")) for folder in folders):
        raise Unavailable("its backend-path leads out of it")
    names = {canonicalize_name(one.name) for one in map(_requirement, requires)}
    if "setuptools" in names:
        requires = [*requires, WHEEL_PACKAGE]
    return Backend(name=name, path=folders, requires=tuple(requires))


def _unpack(source: Source, staging: Path) -> Path:
    try:
        folder = os.fsencode(staging / "source")
        return staging / os.fsdecode(
            sourceunpack.unpack(os.fsencode(source.path), source.filename, folder)
        )
    except (WheelError, OSError) as error:
        raise Unavailable(f"{source.filename} cannot be unpacked: {error}") from error


def _build_system(root: Path, source: Source) -> Mapping[str, Any] | None:
    file = root / "pyproject.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise Unavailable(f"pyproject.toml of {source.filename} cannot be read: {error}") from error
    found = table.get("build-system")
    return found if isinstance(found, dict) else None


def _ask(backend: Backend, root: Path, staging: Path, tools: Toolbox) -> tuple[str, ...]:
    """Return what a backend says that it needs beside what the source declares.

    Raises:
        Unavailable: it cannot be asked, or its answer makes no sense.
    """
    packages, answer = staging / "packages", staging / "answer.json"
    packages.mkdir()
    if backend.requires:
        tools.resolver.install(backend.requires, packages)
    path = [str(packages), *(str(root / folder) for folder in backend.path)]
    hook = "get_requires_for_build_wheel"
    # Without our PATH it asks for cmake or ninja as packages, which then are there on the host.
    try:
        run_tool(
            [
                sys.executable,
                *wheelbuild.hook_arguments(hook, [], backend.name, path, str(answer)),
            ],
            environ={"PATH": str(packages / "bin"), "PYTHONPATH": str(packages)},
            directory=root,
            timeout_s=HOOK_TIMEOUT_S,
        )
        said: Any = json.loads(answer.read_bytes())
    except ToolFailed as error:
        raise Unavailable(last_line(error.words)) from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"its answer cannot be read: {error}") from error
    if said is None:
        return ()
    if not _is_texts(said):
        raise Unavailable("its answer is no list of requirements")
    return tuple(str(_requirement(text)) for text in said)


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise Unavailable(f"{text!r}, which its build needs, is no requirement") from error


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _read(content: Iterable[Any]) -> Backend:
    name, path, requires = content
    return Backend(name=name, path=tuple(path), requires=tuple(requires))
