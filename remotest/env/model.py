"""The nouns of this package: what an interpreter is, what is wanted on it, what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from packaging.tags import Tag

TREE: Final = "{tree}"
"""What stands in an overlay's files for where the base directory is on the host."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """An interpreter on a host, as far as wheels and markers are concerned.

    Attributes:
        markers: the whole PEP 508 environment, as ``packaging.markers`` names it.
        tags: what wheels it can have, the best first.
        ext_suffix: of its extension modules, for example ``.cpython-39-x86_64-linux-gnu.so``.
        is_own: it lies in a virtual or conda environment: somebody made it for a purpose.
        build: a text that is equal for two interpreters only where each can use what is unpacked
            for the other: implementation, ABI, sys.version, base prefix, libc.
        distributions: normalized name -> version of what is installed.
    """

    markers: Mapping[str, str]
    tags: tuple[Tag, ...]
    ext_suffix: str
    is_own: bool
    build: str
    distributions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a suite needs, from the first place that says so.

    Attributes:
        source: that place, as people call it: ``group 'test' of pyproject.toml``.
        requirements: PEP 508 texts. A path is absolute, as ``name @ file:///...``.
        constraints: PEP 508 texts: what is installed at all has to satisfy them.
        lock: a PEP 751 file that is used as it is, instead of requirements; None without one.
        lock_groups: groups of the lock.
        lock_extras: extras of the lock.
        lock_package: whose part of the lock it is, where that is not the project beside it.
        trees: normalized names of projects that are there as trees: a lock's own do not count.
        requires_python: the project's own; empty where it has none.
        notes: what was not looked at, for the user, one line each.
    """

    source: str
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    lock: Path | None = None
    lock_groups: tuple[str, ...] = ()
    lock_extras: tuple[str, ...] = ()
    lock_package: str = ""
    trees: tuple[str, ...] = ()
    requires_python: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """One wheel in the controller's cache: ``path`` holds bytes with this sha256 (hex)."""

    name: str
    version: str
    filename: str
    sha256: str
    size_bytes: int
    path: Path


@dataclass(frozen=True, kw_only=True)
class Source:
    """An archive to build a wheel of: ``path`` holds bytes with this sha256 (hex)."""

    filename: str
    sha256: str
    size_bytes: int
    path: Path


@dataclass(frozen=True, kw_only=True)
class HostBuild:
    """A wheel that is built on the host, by its own build backend with the host's compiler.

    Attributes:
        name: normalized.
        version: empty where only the build tells.
        is_exact: the wheel has to have that very version.
        key: names what comes of it, in hex as a sha256 has it: of the source's content, the
            interpreter's build and the wheels that it is built with.
        source: of it.
        backend: of PEP 517, ``module:object``.
        backend_path: folders in the source that the backend lies in.
        requires: what the backend needs.
        variables: of the build's environment.
        reason: why it is built there, for the user.
        notes: for the user, one line each.
    """

    name: str
    version: str
    is_exact: bool
    key: str
    source: Source
    backend: str
    backend_path: tuple[str, ...]
    requires: tuple[Wheel, ...]
    variables: Mapping[str, str]
    reason: str
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What people call it: ``numpy 2.0.2``."""
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, kw_only=True)
class CompiledProject:
    """A project of the tree that has no compiled modules for an interpreter.

    ``directory`` is its absolute path here, ``version`` is as its metadata have it, ``reason`` says
    what is missing. With ``is_optional`` the project is imported without them.
    """

    name: str
    version: str
    directory: Path
    reason: str
    is_optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """The project as a run sees it: files in site-packages that lead into its tree.

    ``files`` are (name below site-packages, text); where a text holds ``{tree}`` it stands for the
    place of ``base_dir`` there. ``wheels`` are given to the environment beside its own, where the
    project is tested as a built wheel; with ``hides_sources`` a worker's sys.path must then not
    begin with directories of the tree, which would be imported in the place of the wheel.
    ``names`` are the normalized names of all that it brings: wheels of these names that the
    environment would have are not for it. ``compiled`` are projects whose extension modules are to
    be built on the host. ``notes`` are for the user, one line each.
    """

    files: tuple[tuple[str, str], ...] = ()
    wheels: tuple[Wheel, ...] = ()
    hides_sources: bool = False
    names: frozenset[str] = frozenset()
    compiled: tuple[CompiledProject, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an environment on a host consists of.

    Attributes:
        key: names it: the same for the same contents on the same interpreter, lower-case
            hexadecimal digits.
        wheels: each fits the interpreter.
        builds: what is built there beside them.
        tags: of wheels that the interpreter can have.
    """

    key: str
    wheels: tuple[Wheel, ...] = ()
    builds: tuple[HostBuild, ...] = ()
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provisions:
    """All that an agent's workers are given: what their environment consists of, and the project.

    ``contents`` are the environment's. ``extensions`` is another one, which has nothing but the
    project itself as it is built on the host; None where that is not needed.
    """

    contents: Contents
    overlay: Overlay
    extensions: Contents | None = None
    notes: tuple[str, ...] = ()

    @property
    def builds(self) -> tuple[HostBuild, ...]:
        """All that is built on the host."""
        return (*self.contents.builds, *(self.extensions.builds if self.extensions else ()))
