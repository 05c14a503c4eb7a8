"""Choosing the built wheels of a project that an interpreter is to test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from remotest.env.model import Wheel
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.tags import Tag
    from packaging.utils import BuildTag
    from packaging.version import Version

DEFAULT_GLOB: Final = "dist/*.whl"


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    path: Path
    name: str
    version: Version
    build: BuildTag
    tags: frozenset[Tag]


def choose_wheels(base_dir: Path, glob: str, tags: Sequence[Tag]) -> tuple[Wheel, ...]:
    """Return the wheels to test: of each name the newest version, and the best tag of it.

    Args:
        base_dir: what the glob is relative to.
        glob: of files; empty for ``DEFAULT_GLOB``.
        tags: what the interpreter can have, the best first.

    Raises:
        Unavailable: there is no wheel, or none of the newest version for this interpreter.
    """
    glob = glob or DEFAULT_GLOB
    candidates = [_read_name(path) for path in _matching(base_dir, glob)]
    if not candidates:
        raise Unavailable(
            f"no wheel matches project=wheel:{glob} in {base_dir}",
            remedy="build one (uv build --wheel, python -m build), or name others in project=",
        )
    rank = {tag: index for index, tag in enumerate(tags)}
    names = dict.fromkeys(candidate.name for candidate in candidates)
    return tuple(
        _wheel(_best([one for one in candidates if one.name == name], rank, glob)) for name in names
    )


def _matching(base_dir: Path, glob: str) -> list[Path]:
    found = Path("/").glob(glob.lstrip("/")) if glob.startswith("/") else base_dir.glob(glob)
    return sorted(path for path in found if path.suffix == ".whl" and path.is_file())


def _read_name(path: Path) -> _Candidate:
    try:
        name, version, build, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise Unavailable(
            f"{path} has not the name of a wheel: {error}", remedy="leave it out of project="
        ) from None
    return _Candidate(path=path, name=name, version=version, build=build, tags=tags)


def _best(candidates: Iterable[_Candidate], rank: dict[Tag, int], glob: str) -> _Candidate:
    """Return the best for an interpreter among the wheels of one name."""
    newest = max(candidate.version for candidate in candidates)
    of_newest = [candidate for candidate in candidates if candidate.version == newest]
    usable = [one for one in of_newest if one.tags & rank.keys()]
    if not usable:
        there = ", ".join(sorted(one.path.name for one in of_newest))
        best, *others = map(str, rank)
        raise Unavailable(
            f"no wheel of {glob} is for this interpreter, which can have {best} and "
            f"{len(others)} other tags down to {others[-1]}; there are: {there}",
            remedy="build one for it, or leave this interpreter out",
        )
    return min(
        usable,
        key=lambda one: (min(rank[tag] for tag in one.tags & rank.keys()), _negated(one.build)),
    )


def _negated(build: BuildTag) -> tuple[int, str]:
    """Return what sorts a higher build number before a lower one."""
    return (-build[0], build[1]) if build else (0, "")


def _wheel(candidate: _Candidate) -> Wheel:
    content = candidate.path.read_bytes()
    return Wheel(
        name=candidate.name,
        version=str(candidate.version),
        filename=candidate.path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        path=candidate.path,
    )
