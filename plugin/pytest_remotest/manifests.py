"""The text of a manifest: one line of JSON for each entry, in the order of the lines.

Both ends import this. A manifest is known by the sha256 of its text, which travels as any other
content, or as what is *dropped* from and *added* to the text of another manifest.
"""

import hashlib
import json
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, Dict, Iterable, List, NamedTuple, Tuple

from pytest_remotest.entries import DIRECTORY, FILE, Entry, check_tree, from_row
from pytest_remotest.messages import ProtocolError

MAX_MANIFEST_BYTES = 1024 * 1024 * 1024  # Of a text: 5 million entries. No sources come near.


class Changes(NamedTuple):
    """How a text comes from another: lines by their positions there, and lines."""

    dropped: List[int]
    added: List[str]


def to_text(entries: Iterable[Entry]) -> bytes:
    """Return the text of a manifest."""
    return "\n".join(sorted(map(_line, entries))).encode("ascii")


def _line(entry: Entry) -> str:
    """Return ``json.dumps(entries.to_row(entry))`` without spaces, in a fifth of its time."""
    path = _quoted(entry.path)
    if entry.kind == FILE:
        return '[%s,"f",%d,%d,"%s",%d]' % (path, *entry[2:6])
    if entry.kind == DIRECTORY:
        return '[%s,"d",%d]' % (path, entry.mode)
    return '[%s,"l",%s]' % (path, _quoted(entry.target))


def digest_of(text: bytes) -> str:
    """Return what a manifest is known by."""
    return hashlib.sha256(text).hexdigest()


def to_tree(text: bytes, known: Iterable[Entry] = ()) -> Dict[str, Entry]:
    """Return the entries of a manifest by path, and those that are ``known`` of it beforehand.

    Raises:
        ProtocolError: it is none, or of a tree that is not allowed.
    """
    return check_tree([*known, *map(from_row, _rows(text))])


def to_checked_tree(text: bytes) -> Dict[str, Entry]:
    """Return what ``to_tree`` does, of a text that it has accepted before."""
    return {
        row[0]: Entry(row[0], row[1], target=row[2]) if row[1] == "l" else Entry(*row)
        for row in _rows(text)
    }


def _rows(text: bytes) -> List[List[Any]]:
    try:
        rows: List[List[Any]] = json.loads("[%s]" % ",".join(text.decode("ascii").split("\n")))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ProtocolError("a manifest that is not JSON: %s" % (error,)) from None
    if not all(type(row) is list for row in rows):
        raise ProtocolError("a manifest with a line that is no row")
    return rows


def changes_between(old: bytes, new: bytes) -> Changes:
    """Return how a text comes from another."""
    old_lines, new_lines = _lines(old), _lines(new)
    stays, stayed = set(new_lines), set(old_lines)
    return Changes(
        [position for position, line in enumerate(old_lines) if line not in stays],
        [line for line in new_lines if line not in stayed],
    )


def apply(old: bytes, changes: Changes) -> bytes:
    """Return the text that changes make of another."""
    dropped = set(changes.dropped)
    lines = [line for position, line in enumerate(_lines(old)) if position not in dropped]
    # What was no line of ours makes a text with another digest, which nobody uses.
    return "\n".join(sorted(lines + changes.added)).encode("ascii", "replace")


def join(text: bytes, entries: Iterable[Entry]) -> bytes:
    """Return the text of a manifest that holds these entries beside those of another one."""
    return "\n".join(sorted([*_lines(text), *map(_line, entries)])).encode("ascii")


def _lines(text: bytes) -> List[str]:
    return text.decode("ascii", "replace").split("\n") if text else []


def read(path: bytes) -> Tuple[bytes, str]:
    """Return (text, what it is known by) of a manifest that was kept, of an empty one if none was.

    Raises:
        OSError: as the disk has it.
    """
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        text = b""
    return text, digest_of(text)
