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
        requires_python: the project's own; empty where it has none.
        notes: what was not looked at, for the user, one line each.
    """

    source: str
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    lock: Path | None = None
    lock_groups: tuple[str, ...] = ()
    lock_extras: tuple[str, ...] = ()
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
class Overlay:
    """The project as a run sees it: files in site-packages that lead into its tree.

    ``files`` are (name below site-packages, text); where a text holds ``{tree}`` it stands for the
    place of ``base_dir`` there. ``wheels`` are given to the environment beside its own, where the
    project is tested as a built wheel; with ``hides_sources`` a worker's sys.path must then not
    begin with directories of the tree, which would be imported in the place of the wheel.
    ``names`` are the normalized names of all that it brings: wheels of these names that the
    environment would have are not for it. ``notes`` are for the user, one line each.
    """

    files: tuple[tuple[str, str], ...] = ()
    wheels: tuple[Wheel, ...] = ()
    hides_sources: bool = False
    names: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Provisions:
    """All that an agent's workers are given: what their environment consists of, and the project.

    ``key`` names the environment: it is the same for the same wheels on the same interpreter.
    """

    key: str
    wheels: tuple[Wheel, ...]
    overlay: Overlay
    notes: tuple[str, ...] = ()
