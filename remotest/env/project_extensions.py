"""Whether a project's compiled modules are there for an interpreter."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from remotest.env.model import CompiledProject
from remotest.env.project_optional import does_without
from remotest.env.project_settings import read_project_settings
from remotest.sync.extensions import Extension, parse_extension
from remotest.sync.rules import ENVIRONMENT_MARKERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remotest.env.model import Target
    from remotest.env.project_editable import Editable

NOT_PACKAGES: Final = frozenset(("build", "dist", "node_modules", "tests", "test", "__pycache__"))
"""Directories whose compiled files are results of builds, or data of tests."""

NAMED_MAX: Final = 3
"""Modules that an error names: one would do to see what is meant."""

REMEDY: Final = (
    "have it built there, where a compiler is: wheels=remote; or test a wheel that was built for "
    "it: project=wheel:GLOB; or build the module here for that interpreter, in place; or leave "
    "this interpreter out"
)


@dataclass(frozen=True, kw_only=True)
class CompiledModule:
    """A module that lies in a project as compiled files only.

    ``name`` is its path below the project, without a suffix.
    """

    name: str
    files: tuple[Extension, ...]

    def suits(self, ext_suffix: str) -> bool:
        """Return whether an interpreter with this EXT_SUFFIX can import it."""
        return any(file.suits(ext_suffix) for file in self.files)


def find_compiled_modules(directory: str) -> tuple[CompiledModule, ...]:
    """Return the compiled modules in the packages of a project that have no source beside them."""
    found = []
    for folder, files in _folders(directory):
        by_module: dict[str, list[Extension]] = {}
        for name in files:
            # Where a name has no tag it may be a library that is opened by its path.
            extension = parse_extension(name)
            if extension is not None and extension.tag is not None:
                by_module.setdefault(extension.module, []).append(extension)
        for module, extensions in sorted(by_module.items()):
            if f"{module}.py" not in files:
                path = os.path.relpath(f"{folder}/{module}", directory)
                found.append(CompiledModule(name=path, files=tuple(extensions)))
    return tuple(found)


def _folders(directory: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the folders of a project that modules are imported from, with their files' names."""
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(
            name
            for name in folders
            if name.isidentifier() and name not in NOT_PACKAGES and not _is_other(folder, name)
        )
        yield folder, frozenset(files)


def _is_other(folder: str, name: str) -> bool:
    """Return whether a folder is an environment, which is nobody's package."""
    path = f"{folder}/{name}"
    return any(os.path.lexists(f"{path}/{marker}") for marker in ENVIRONMENT_MARKERS)


def compiled_project(editable: Editable, target: Target) -> CompiledProject | None:
    """Return a project whose compiled modules an interpreter cannot import, None for any other.

    Raises:
        Unavailable: the project's settings cannot be read.
    """
    modules = find_compiled_modules(editable.directory)
    lacking = [module for module in modules if not module.suits(target.ext_suffix)]
    reason = lacking_modules(editable, modules, target.ext_suffix, str(target.tags[0]))
    if not reason:
        return None
    return CompiledProject(
        name=canonicalize_name(editable.name),
        version=editable.version,
        directory=Path(editable.directory),
        reason=reason,
        is_optional=_is_optional(editable.directory, lacking),
    )


def _is_optional(directory: str, modules: Iterable[CompiledModule]) -> bool:
    """Return whether a project is imported without these modules, without any if these are none."""
    settings = read_project_settings(Path(directory))
    tables = settings.table("tool", "setuptools").get("ext-modules")
    setup = Path(directory, "setup.py")
    return does_without(
        {module.name.rpartition("/")[2] for module in modules},
        setup=setup.read_text(encoding="utf-8", errors="replace") if setup.is_file() else "",
        tables=tables if isinstance(tables, list) else (),
        sources=(
            Path(folder, name)
            for folder, names in _folders(directory)
            for name in names
            if name.endswith(".py")
        ),
    )


def lacking_modules(
    editable: Editable, modules: Iterable[CompiledModule], ext_suffix: str, tag: str
) -> str:
    """Return what compiled modules of a project are not there for an interpreter.

    Args:
        editable: the project.
        modules: what ``find_compiled_modules`` finds in it.
        ext_suffix: of the interpreter.
        tag: of the wheels that are best for the interpreter, for people.

    Returns:
        A lower-case fragment; empty where none are lacking.
    """
    modules = tuple(modules)
    lacking = [module for module in modules if not module.suits(ext_suffix)]
    if lacking:
        named = ", ".join(module.name for module in lacking[:NAMED_MAX])
        more = f" and {len(lacking) - NAMED_MAX} more" if len(lacking) > NAMED_MAX else ""
        there = sorted({file.suffix for module in lacking for file in module.files})
        return (
            f"{editable.name} has compiled modules that are not there for this interpreter: "
            f"{named}{more}: it needs {ext_suffix}, there is {', '.join(there)}"
        )
    if not modules and not editable.is_pure:
        return (
            f"{editable.name} is built for one kind of interpreter, and nothing in its tree is "
            f"compiled for this one, which needs {ext_suffix} (wheels: {tag})"
        )
    return ""
