"""Requirements files, as pip reads them: what they require and what they constrain."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement

from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILES: Final = 100
"""Files that include one another: more is a circle."""

_INCLUDE: Final = re.compile(
    r"(?P<option>-r|--requirement|-c|--constraint)(?:=|\s+|(?=\S))(?P<path>.+)"
)
_EDITABLE: Final = re.compile(r"(?:-e|--editable)(?:=|\s+)(?P<path>.+)")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_OPTION_OF_LINE: Final = re.compile(r"\s+--(?:hash|global-option|config-settings?)[= ]\S+")


@dataclass
class RequirementFile:
    """What a requirements file comes to, with all that it includes.

    ``editables`` are local directories; ``notes`` tell of lines that mean nothing here.
    """

    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    editables: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_requirement_file(path: Path) -> RequirementFile:
    """Read a requirements file.

    Raises:
        Unavailable: it, or one that it includes, cannot be read or understood.
    """
    found = RequirementFile()
    _read(path, found, found.requirements, ())
    return found


def read_lines(lines: list[str], directory: Path, title: str) -> RequirementFile:
    """Read lines of that form which stand elsewhere.

    Args:
        lines: as in a file.
        directory: what paths in them are relative to.
        title: names the place in errors.

    Raises:
        Unavailable: a line, or a file that one includes, cannot be read or understood.
    """
    found = RequirementFile()
    for line in lines:
        _read_line(line, _Place(directory, title), found, found.requirements)
    return found


@dataclass(frozen=True)
class _Place:
    """Where a line stands; ``within`` are the files that lead there."""

    directory: Path
    title: str
    within: tuple[Path, ...] = ()


def _read(path: Path, found: RequirementFile, into: list[str], within: tuple[Path, ...]) -> None:
    if path in within or len(within) > MAX_FILES:
        raise Unavailable(f"{path} includes itself", remedy="take out the -r that leads back")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        where = f", which {within[-1]} names," if within else ""
        raise Unavailable(f"{path}{where} cannot be read: {error}") from error
    place = _Place(path.parent, str(path), (*within, path))
    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        _read_line(line, place, found, into)


def _read_line(line: str, place: _Place, found: RequirementFile, into: list[str]) -> None:
    content = _OPTION_OF_LINE.sub("", _COMMENT.sub("", line)).strip()
    if not content:
        return
    if include := _INCLUDE.fullmatch(content):
        is_constraint = include["option"] in ("-c", "--constraint")
        other = place.directory / _unquoted(include["path"])
        _read(other, found, found.constraints if is_constraint else into, place.within)
    elif editable := _EDITABLE.fullmatch(content):
        _add_path(_unquoted(editable["path"]), place, found)
    elif content.startswith("-"):
        found.notes.append(f"{place.title}: {content.split()[0]} means nothing here")
    elif content.startswith((".", "/", "file:")) or content.endswith((".whl", ".tar.gz", ".zip")):
        _add_path(content, place, found)
    else:
        try:
            Requirement(content)
        except InvalidRequirement as error:
            raise Unavailable(
                f"{place.title}: {content!r} is no requirement: {str(error).splitlines()[0]}",
                remedy="write it as PEP 508 says: name[extra]>=1.0; marker",
            ) from error
        into.append(content)


def _add_path(text: str, place: _Place, found: RequirementFile) -> None:
    """Note a local directory, or require a local file."""
    plain = text.removeprefix("file://").removeprefix("file:").partition("[")[0]
    path = (place.directory / plain.strip()).resolve()
    if path.is_dir():
        found.editables.append(path)
    elif path.suffix == ".whl" and path.is_file():
        found.requirements.append(f"{path.name.partition('-')[0]} @ {path.as_uri()}")
    else:
        raise Unavailable(
            f"{place.title}: {text!r} is no directory and no wheel",
            remedy="name it as 'name @ file:///path'",
        )


def _unquoted(text: str) -> str:
    try:
        parts = shlex.split(text)
    except ValueError:
        return text
    return parts[0] if parts else text
