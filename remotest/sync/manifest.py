"""Reading files, directories and links of this machine into a manifest."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from typing import TYPE_CHECKING, Final

from pytest_remotest.entries import (
    DIRECTORY,
    FILE,
    LINK,
    PERMISSION_BITS,
    Entry,
    to_bytes,
    to_text,
)
from remotest.errors import SyncError
from remotest.sync.newcontents import NewContents
from remotest.sync.plan import OUTSIDE, Layout, Manifest, is_within

if TYPE_CHECKING:
    from remotest.sync.ahead import Ahead
    from remotest.sync.memory import ScanMemory

READ_ATTEMPTS: Final = 2
"""At a file: programs replace one by writing a new one, and for a moment there is none."""

READ_BYTES: Final = 1024 * 1024
"""A piece of a file in memory: large enough for full speed, small beside any interpreter."""

LARGE_FILE_BYTES: Final = 100_000_000
"""A file from this size on is named to the user: it is seldom meant to travel."""

THIS_MACHINE: Final = "this machine"
"""The host that an error of the controller's own tree names."""

READING: Final = "reading the tree"
"""The phase that such an error names."""

_SPECIAL_KINDS: Final = (
    (stat.S_ISFIFO, "FIFO"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)


class ManifestBuilder:
    """Collects entries; whoever uses it decides which. All paths are absolute and normal."""

    def __init__(
        self, layout: Layout, memory: ScanMemory | None = None, ahead: Ahead | None = None
    ) -> None:
        self._layout = layout
        self._ahead = ahead
        self._memory = memory
        self._new = NewContents(b"" if memory is None else memory.former)
        self._entries: dict[str, Entry] = {}
        self._sources: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._for_some: set[str] = set()
        self._notes: dict[str, None] = {}
        self._secrets: dict[str, None] = {}
        self._unreadable: dict[str, str] = {}

    def note(self, text: str) -> None:
        """Keep one line for the user, once."""
        self._notes[text] = None

    def leave_secret(self, path: str) -> None:
        """Remember that a path stays home because it looks like a secret."""
        base = self._layout.base
        inside = is_within(path, base)
        self._secrets[path[len(base.rstrip("/")) + 1 :] if inside else path] = None

    def list_directory(self, path: str) -> list[tuple[str, bool]]:
        """Return (name, whether it is a directory and no link) of what a directory holds."""
        try:
            with os.scandir(to_bytes(path)) as found:
                return sorted(
                    (to_text(item.name), item.is_dir(follow_symlinks=False)) for item in found
                )
        except (FileNotFoundError, NotADirectoryError):
            self.note(f"{path} was deleted while it was read")
        except OSError as error:
            self._unreadable[path] = error.strerror or str(error)
        return []

    def add_directory(self, path: str) -> bool:
        """Add a directory, if the path is one and no link to one. Return whether it is."""
        self.add(path)
        entry = self._entries.get(self._place(path))
        return entry is not None and entry.kind == DIRECTORY

    def add(self, path: str) -> None:
        """Add what is at a path, with the directories that lead to it in the tree.

        What is gone, or has lost its directory, counts as deleted.
        """
        self._add(path, self._place(path))

    def _add(self, path: str, place: str) -> None:
        if place in self._entries:
            return
        for _ in range(READ_ATTEMPTS if self._has_holder(path, place) else 0):
            try:
                self._read(path, place)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                self._unreadable[path] = error.strerror or str(error)
            return
        self.note(f"{path} was deleted while it was read")

    def add_for_some(self, path: str) -> None:
        """Add an extension module, which travels only to interpreters that can import it."""
        place = self._place(path)
        self._for_some.add(place)
        self._add(path, place)

    def finish(self) -> Manifest:
        """Return the manifest.

        Raises:
            SyncError: something could not be read; the text names all of it.
        """
        if self._unreadable:
            raise _cannot_read(self._unreadable)
        for place, path in self._links.items():
            self._note_dangling(place, path)
        return Manifest(
            entries=tuple(self._entries[place] for place in sorted(self._entries)),
            sources=self._sources,
            notes=tuple(self._notes),
            secrets=tuple(self._secrets),
            for_some=frozenset(self._for_some),
            former=self._new.former,
            contents=self._new.contents,
        )

    def _place(self, path: str) -> str:
        place = self._layout.locate(path)
        assert place is not None, f"{path} is in no root"
        return place

    def _has_holder(self, path: str, place: str) -> bool:
        """Add the directories that lead to a path in the tree; return whether they are there."""
        holder = place.rpartition("/")[0]
        if not holder:
            return True
        if holder not in self._entries:
            parent = path.rpartition("/")[0] or "/"
            if self._layout.locate(parent) == holder:
                self.add(parent)
            else:  # The path is an anchor: what is above it in the tree is not on this machine.
                self._add_directory(Entry(OUTSIDE, DIRECTORY, mode=0o755))
        entry = self._entries.get(holder)
        return entry is not None and entry.kind == DIRECTORY

    def _read(self, path: str, place: str) -> None:
        status = os.lstat(to_bytes(path))
        mode = status.st_mode & PERMISSION_BITS
        if stat.S_ISDIR(status.st_mode):
            self._add_directory(Entry(place, DIRECTORY, mode))
        elif stat.S_ISLNK(status.st_mode):
            target = self._link_target(path, place)
            self._entries[place] = Entry(place, LINK, target=target)
            self._links[place] = path
        elif stat.S_ISREG(status.st_mode):
            digest, size, content = self._content(path, status)
            entry = Entry(place, FILE, mode, size, digest, status.st_mtime_ns)
            self._entries[place] = entry
            if content is not None and place not in self._for_some:
                self._new.add(digest, content)
                if self._ahead is not None:
                    self._ahead.add_file(entry, content)
            self._sources.setdefault(digest, path)
            if size >= LARGE_FILE_BYTES:
                self.note(f"{path} travels, {size / 1e6:.0f} MB (rsyncignore can leave it out)")
        else:
            kind = next((name for test, name in _SPECIAL_KINDS if test(status.st_mode)), "special")
            self.note(f"{path} stays home: it is a {kind}")

    def _add_directory(self, entry: Entry) -> None:
        if entry.path not in self._entries:
            self._entries[entry.path] = entry
            if self._ahead is not None:
                self._ahead.add_directory(entry)

    def _content(self, path: str, status: os.stat_result) -> tuple[str, int, bytes | None]:
        """Return (sha256, size, content) of a file.

        That is from memory if this is sure to be what it holds. The content is None unless it was
        read, and in one piece.
        """
        if self._memory is None:
            return _read_whole(path, status.st_size)
        known = self._memory.digest(path, status)
        if known is not None:
            return known, status.st_size, None
        digest, size, content = _read_whole(path, status.st_size)
        if size == status.st_size:
            self._memory.note(path, status, digest)
        return digest, size, content

    def _link_target(self, path: str, place: str) -> str:
        """Return what a link is to hold in the tree.

        It is kept to the byte, unless it leads to what lies elsewhere in the tree than it does
        here, from one root to another or by an absolute path: then it is made relative.
        """
        target = to_text(os.readlink(to_bytes(path)))  # noqa: PTH115  the path is bytes
        here = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        there = self._layout.locate(here)
        directory = posixpath.dirname(place)
        if there is None or posixpath.normpath(posixpath.join(directory, target)) == there:
            return target
        return posixpath.relpath(there, directory)

    def _note_dangling(self, place: str, path: str) -> None:
        """Tell of a link that leads somewhere here and nowhere, or elsewhere, on a host."""
        real = to_text(os.path.realpath(to_bytes(path)))
        target = self._entries[place].target
        if os.path.lexists(to_bytes(real)) and self._layout.locate(real) not in self._entries:
            self.note(f"{path} is a link to {target}, which does not travel")


def _read_whole(path: str, likely_bytes: int) -> tuple[str, int, bytes | None]:
    """Return (sha256, size, content) of what was read: no stat can disagree with it.

    The content is None where it is larger than one piece.
    """
    # One more than there is: a file that has not grown is read at once.
    piece_bytes = min(likely_bytes + 1, READ_BYTES)
    digest = hashlib.sha256()
    size = 0
    content = b""
    # Not blocking: between the look at it and this a FIFO may have taken its place.
    descriptor = os.open(to_bytes(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        while piece := os.read(descriptor, piece_bytes):
            digest.update(piece)
            size += len(piece)
            content = content or piece
            if len(piece) == likely_bytes < piece_bytes:
                break
    finally:
        os.close(descriptor)
    return digest.hexdigest(), size, content if len(content) == size else None


def _cannot_read(reasons: dict[str, str]) -> SyncError:
    files = "\n".join(f"    {path}: {reason}" for path, reason in sorted(reasons.items()))
    return SyncError(
        host=THIS_MACHINE,
        phase=READING,
        cause=f"{len(reasons)} of the files to be sent cannot be read\n{files}",
        remedy="make them readable, or leave them out with rsyncignore",
    )
