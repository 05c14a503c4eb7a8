"""One file, directory or link of a tree, its form on the wire, and which trees are allowed.

Both ends import this. Paths are text in which bytes that are no UTF-8 are lone surrogates; use
``to_bytes`` and ``to_text``, which do not depend on the locale as ``os.fsencode`` does.
"""

import re
from typing import Any, Dict, Iterable, List, NamedTuple

from pytest_remotest.messages import ProtocolError

FILE, DIRECTORY, LINK = "f", "d", "l"

TOP_NAMES = ("base", "outside")  # All that a tree holds at its top; the rest is the host's own.
PERMISSION_BITS = 0o777  # Never setuid, setgid or sticky: a host owes nobody more rights.
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux: a longer path cannot be made in one call.
DIGEST = re.compile("[0-9a-f]{64}")  # sha256 in hexadecimal.

_NO_NAMES = frozenset(("", ".", ".."))


class Entry(NamedTuple):
    """A path of a tree, relative to its top, with ``/`` between its parts.

    ``mode`` counts for files and directories, ``target`` for links, the others for files.
    """

    path: str
    kind: str
    mode: int = 0
    size: int = 0
    digest: str = ""
    mtime_ns: int = 0
    target: str = ""


def to_bytes(text: str) -> bytes:
    """Return the bytes of a path. Raises UnicodeEncodeError for surrogates that hide no byte."""
    return text.encode("utf-8", "surrogateescape")


def to_text(path: bytes) -> str:
    """Return a path as text, without loss."""
    return path.decode("utf-8", "surrogateescape")


def to_row(entry: Entry) -> List[Any]:
    """Return the form of an entry on the wire: only the fields that count for its kind."""
    if entry.kind == FILE:
        return list(entry[:6])
    if entry.kind == DIRECTORY:
        return [entry.path, DIRECTORY, entry.mode]
    return [entry.path, LINK, entry.target]


def from_row(row: List[Any]) -> Entry:
    """Return the entry of a row.

    Raises:
        ProtocolError: for a row that ``to_row`` cannot have made of a well-formed entry.
    """
    shape = [type(field) for field in row]
    if shape[:2] != [str, str]:
        raise ProtocolError("an entry does not begin with its path and kind")
    _check_path(row[0])
    if row[1] == FILE and shape[2:] == [int, int, str, int]:
        entry = Entry(*row)
        well_formed = _is_mode(entry.mode) and entry.size >= 0 and is_digest(entry.digest)
    elif row[1] == DIRECTORY and shape[2:] == [int]:
        entry = Entry(*row)
        well_formed = _is_mode(entry.mode)
    elif row[1] == LINK and shape[2:] == [str]:
        entry = Entry(row[0], LINK, target=row[2])
        well_formed = bool(entry.target) and _is_path_text(entry.target)
    else:
        well_formed = False
    if not well_formed:
        raise ProtocolError("the entry of %.200r is malformed" % (row[0],))
    return entry


def is_digest(text: str) -> bool:
    """Return whether a text can be the digest of a file."""
    return DIGEST.fullmatch(text) is not None


def _is_mode(mode: int) -> bool:
    return 0 <= mode <= PERMISSION_BITS


def _is_path_text(text: str) -> bool:
    try:
        return "\0" not in text and len(to_bytes(text)) <= MAX_PATH_BYTES
    except UnicodeEncodeError:
        return False


def _check_path(path: str) -> None:
    """Refuse what could lead out of the tree, or to the part of it that the host keeps."""
    parts = path.split("/")
    if not _is_path_text(path) or not _NO_NAMES.isdisjoint(parts):
        raise ProtocolError("%.200r is no path within a tree" % (path,))
    if parts[0] not in TOP_NAMES:
        raise ProtocolError("%.200r is not below %s" % (path, " or ".join(TOP_NAMES)))


def check_tree(entries: Iterable[Entry]) -> Dict[str, Entry]:
    """Return the entries by path.

    Raises:
        ProtocolError: a path comes twice, or what holds it is no directory of the same tree: so
            no path ever leads through a link.
    """
    by_path: Dict[str, Entry] = {}
    for entry in entries:
        if entry.path in by_path:
            raise ProtocolError("%.200r comes twice" % (entry.path,))
        by_path[entry.path] = entry
    for entry in by_path.values():
        parent = entry.path.rpartition("/")[0]
        if parent and (parent not in by_path or by_path[parent].kind != DIRECTORY):
            raise ProtocolError("%.200r lies in no directory of its tree" % (entry.path,))
    return by_path
