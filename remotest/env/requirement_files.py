"""Requirements files, as pip reads them: what they require and what they constrain."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement

from remotest.env.requirement_texts import name_url, path_of, with_marker
from remotest.env.unavailable import Unavailable, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_FILES: Final = 100
"""Files that include one another: more is a circle."""

_INCLUDE: Final = re.compile(
    r"(?P<option>--requirement|--constraint|-r|-c)(?:=|\s+|(?=[^\s=]))(?P<path>.+)"
)
_EDITABLE: Final = re.compile(r"(?:-e|--editable)(?:=|\s+)(?P<target>.+)")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_OPTION_OF_LINE: Final = re.compile(r"\s+(?P<option>--[a-z][a-z-]*)(?:=|\s+)(?:\"[^\"]*\"|\S+)")
_LOCAL: Final = re.compile(
    r"(?P<path>[^\[;]+?)\s*(?P<extras>\[[^\]]*\])?\s*(?:;\s*(?P<marker>.+))?"
)
_REMOTE: Final = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_LOOKS_LOCAL: Final = re.compile(r"\.{0,2}/|\.\.?(?=[\[;\s]|$)|file:|~/")
_FILE_SUFFIXES: Final = (".whl", ".tar.gz", ".zip")


@dataclass(frozen=True, kw_only=True)
class Directory:
    """A local project that is required; ``extras`` in brackets, or empty."""

    path: Path
    extras: str = ""
    marker: str = ""


@dataclass
class RequirementFile:
    """What a requirements file comes to, with all that it includes.

    ``notes`` tell of lines that mean nothing here; ``files`` are all that were read.
    """

    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    directories: list[Directory] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


def read_requirement_file(path: Path, base: Path) -> RequirementFile:
    """Read a requirements file.

    Args:
        path: of the file; what it includes is relative to it.
        base: where people start pip, which local projects in a file are relative to. What is not
            there is looked for beside the file.

    Raises:
        Unavailable: it, or one that it includes, cannot be read or understood.
    """
    found = RequirementFile()
    _Reader(base, found).read(path, found.requirements, ())
    return found


def read_lines(lines: Iterable[str], base: Path, title: str) -> RequirementFile:
    """Read lines of that form which stand elsewhere.

    Args:
        lines: as in a file.
        base: what paths in them are relative to.
        title: names the place in errors.

    Raises:
        Unavailable: a line, or a file that one includes, cannot be read or understood.
    """
    found = RequirementFile()
    reader = _Reader(base, found)
    for line in lines:
        reader.read_line(line, _Place(base, title), found.requirements)
    return found


@dataclass(frozen=True)
class _Place:
    """Where a line stands; ``within`` are the files that lead there."""

    directory: Path
    title: str
    within: tuple[Path, ...] = ()


class _Reader:
    def __init__(self, base: Path, found: RequirementFile) -> None:
        self._base = base
        self._found = found

    def read(self, path: Path, into: list[str], within: tuple[Path, ...]) -> None:
        path = path_of(str(path), self._base)
        if path in within or len(within) > MAX_FILES:
            raise Unavailable(f"{path} includes itself", remedy="take out the -r that leads back")
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            where = f", which {within[-1]} names," if within else ""
            raise unreadable(f"{path}{where}", error) from error
        self._found.files.append(path)
        base = self._base.resolve()
        title = str(path.relative_to(base) if path.is_relative_to(base) else path)
        place = _Place(path.parent, title, (*within, path))
        for line in re.sub(r"\\\r?\n", " ", text).splitlines():
            self.read_line(line, place, into)

    def read_line(self, line: str, place: _Place, into: list[str]) -> None:
        content = _COMMENT.sub("", line).strip()
        if include := _INCLUDE.fullmatch(content):
            is_constraint = include["option"] in ("-c", "--constraint")
            other = place.directory / _unquoted(include["path"])
            self.read(other, self._found.constraints if is_constraint else into, place.within)
            return
        if editable := _EDITABLE.fullmatch(content):
            self._require(self._without_options(editable["target"], place), place, into)
        elif content.startswith("-"):
            self._note(place, re.split(r"[=\s]", content)[0])
        elif content:
            self._require(self._without_options(content, place), place, into)

    def _without_options(self, content: str, place: _Place) -> str:
        for option in _OPTION_OF_LINE.finditer(content):
            self._note(place, option["option"])
        return _OPTION_OF_LINE.sub("", content).strip()

    def _note(self, place: _Place, option: str) -> None:
        # The option alone: the address of an index may hold a password.
        note = f"{place.title}: {option} is not looked at"
        if note not in self._found.notes:
            self._found.notes.append(note)

    def _require(self, content: str, place: _Place, into: list[str]) -> None:
        content = _unquoted(content) if content[:1] in "'\"" else content
        if content.startswith("file:") or not _REMOTE.match(content):
            if _LOOKS_LOCAL.match(content) or self._is_local(content, place):
                self._require_local(content, place, into)
                return
        else:
            into.append(name_url(content, place.title))
            return
        try:
            Requirement(content)
        except InvalidRequirement as error:
            raise Unavailable(
                f"{place.title}: {content!r} is no requirement: {str(error).splitlines()[0]}",
                remedy="write it as PEP 508 says: name[extra]>=1.0; marker",
            ) from error
        into.append(content)

    def _is_local(self, content: str, place: _Place) -> bool:
        """Tell whether it is a path without a sign of one: ``libs/core``, ``a-1.0.whl``."""
        match = _LOCAL.fullmatch(content)
        if match is None or "@" in content:
            return False
        return match["path"].endswith(_FILE_SUFFIXES) or (
            "/" in match["path"] and os.path.isdir(self._path(match["path"], place))  # noqa: PTH112  as in _path
        )

    def _path(self, text: str, place: _Place) -> Path:
        path = path_of(text, self._base)
        # Not Path.exists: that fails where a name is too long for a file.
        return path if os.path.exists(path) else path_of(text, place.directory)  # noqa: PTH110

    def _require_local(self, content: str, place: _Place, into: list[str]) -> None:
        match = _LOCAL.fullmatch(content)
        path = None if match is None else self._path(match["path"], place)
        if match is None or path is None or not os.path.exists(path):  # noqa: PTH110  as above
            raise Unavailable(
                f"{place.title}: {content!r} is not there",
                remedy=f"name it relative to {self._base}",
            )
        marker = match["marker"] or ""
        if path.is_dir():
            directory = Directory(path=path, extras=match["extras"] or "", marker=marker)
            self._found.directories.append(directory)
        else:
            into.append(with_marker(name_url(path.as_uri(), place.title), marker))


def _unquoted(text: str) -> str:
    try:
        parts = shlex.split(text)
    except ValueError:
        return text
    return parts[0] if parts else text
