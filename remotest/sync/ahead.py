"""Files that go to hosts before they ask, and before all files here are read.

That is for a tree that has never travelled. Hosts can make use of nothing else until they know all
of it, and both ends would wait for each other. What was read to know its digest is sent as it is
in memory: no file is read twice.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from pytest_remotest import packing
from pytest_remotest.frames import encode_blobs
from pytest_remotest.messages import MAX_BATCH_ITEMS, Blob
from remotest.sync.contents import GROUP_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_remotest.entries import Entry

AHEAD_BYTES: Final = 64 * 1024 * 1024
"""Of contents that wait in memory, beside what they are packed to: most projects. What is more is
read again when it is sent."""

LOOK_INTERVAL_S: Final = 1.0
"""Between two looks at whether there is more: nothing depends on it, ``end`` is heard at once."""


class Group:
    """Directories and files that go together, each behind what holds it.

    Attributes:
        entries: of them.
        file_count: how many of them are files.
        byte_count: size of their contents.
        taken_count: how many hosts have been sent it.
    """

    def __init__(self, entries: list[Entry], blobs: list[Blob]) -> None:
        self.entries = entries
        self.file_count = len(blobs)
        self.byte_count = sum(len(blob.data) for blob in blobs)
        self.taken_count = 0
        self._blobs = blobs
        self._packed: dict[str, bytes] = {}
        self._packing = threading.Lock()

    def frame(self, encoding: str) -> bytes:
        """Return the contents as they go to a host. Any thread may ask.

        What gets smaller is packed once. The rest is soon made anew, and not in memory twice.
        """
        if encoding == packing.PLAIN:
            return encode_blobs(self._blobs)
        with self._packing:
            frame = self._packed.get(encoding) or encode_blobs(self._blobs, encoding)
            if len(frame) < self.byte_count:
                self._packed[encoding] = frame
            return frame


class Ahead:
    """The files of a tree that is being read. What reads it adds, what sends them takes.

    Until somebody sends them as they are, they are packed in a thread, so that every host can undo
    it: while hosts are dialled there is time.
    """

    def __init__(self, host_count: int) -> None:
        """Begin.

        Args:
            host_count: how many hosts will take of it, or leave it. Nothing is kept after that.
        """
        self._host_count = self._waiting_count = host_count
        self._groups: list[Group | None] = []
        self._changed = threading.Condition()
        self._is_complete = False
        self._is_packing = True
        self._digests: set[str] = set()
        self._entries: list[Entry] = []
        self._blobs: list[Blob] = []
        self._group_bytes = self._byte_count = self._file_count = 0
        threading.Thread(target=self._pack, name="remotest-pack", daemon=True).start()

    # -- what reads ------------------------------------------------------------------------

    def add_directory(self, entry: Entry) -> None:
        """Take a directory in which there may be files."""
        self._entries.append(entry)

    def add_file(self, entry: Entry, content: bytes) -> None:
        """Take a file, unless its content has been taken already, or there is too much."""
        is_known = entry.digest in self._digests and content  # An empty file costs nothing.
        if is_known or self._byte_count + len(content) > AHEAD_BYTES:
            return
        self._digests.add(entry.digest)
        self._byte_count += len(content)
        self._file_count += 1
        self._entries.append(entry)
        self._blobs.append(Blob(entry.digest, last=True, data=content))
        self._group_bytes += len(content)
        # Empty files are no bytes, but each is a row in two frames.
        if self._group_bytes >= GROUP_BYTES or len(self._blobs) >= MAX_BATCH_ITEMS:
            self._close_group()

    def end(self) -> None:
        """There is no more: all has been read, or cannot be."""
        if self._blobs:
            self._close_group()
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    def _close_group(self) -> None:
        group = Group(self._entries, self._blobs)
        self._entries, self._blobs, self._group_bytes = [], [], 0
        with self._changed:
            if self._waiting_count > 0:
                self._groups.append(group)
            self._changed.notify_all()

    @property
    def totals(self) -> tuple[int, int]:
        """How many files have been added so far, and their bytes."""
        return self._file_count, self._byte_count

    # -- what sends ------------------------------------------------------------------------

    def take(self) -> Iterator[Group]:
        """Yield all of it to a host, from the first file on, as it comes. Any thread may ask.

        What all hosts have been sent is dropped, so that other files are read into its memory: new
        memory costs more time than what is copied there. A host that comes back may get nothing.
        """
        for position, group in enumerate(self._all()):
            if group is None:
                return  # What follows may be in directories that it would have made.
            yield group
            with self._changed:
                group.taken_count += 1
                if group.taken_count >= self._host_count and self._groups:
                    self._groups[position] = None

    def _all(self) -> Iterator[Group | None]:
        """Yield all groups as they come, None for those that were dropped."""
        position = 0
        while True:
            with self._changed:
                while position == len(self._groups) and not self._is_complete:
                    self._changed.wait(LOOK_INTERVAL_S)
                if position >= len(self._groups):
                    return
                group = self._groups[position]
            yield group
            position += 1

    def stop_packing(self) -> None:
        """Pack only what a host asks for: there is one that takes the files as they are."""
        self._is_packing = False

    def leave(self) -> None:
        """A host has all that it takes of it."""
        with self._changed:
            self._waiting_count -= 1
            if self._waiting_count <= 0:
                self._is_packing = False
                self._is_complete = True
                self._groups = []

    def _pack(self) -> None:
        for group in self._all():
            if not self._is_packing:
                return
            if group is not None:
                group.frame(packing.ZLIB)
