"""Files that come before the manifest that they are of, into a slot that holds nothing yet.

They are put in their places at once, and count for no more than what an earlier sync has left that
was cut off: when the manifest is known, whatever there is gets compared with it. So what goes wrong
here is left to the sync that follows, which finds out and tells.
"""

import collections
import os
from typing import Any, Deque, Dict, List, Set

from pytest_remotest.entries import DIRECTORY, FILE, Entry, from_row, to_bytes
from pytest_remotest.incoming import check
from pytest_remotest.messages import Blob, ProtocolError
from pytest_remotest.mirror import WRITABLE, write
from pytest_remotest.slots import STATE, Slot
from pytest_remotest.statcache import Known, signature

# So much more than can come that a disk on which there is too little room is told of beforehand.
FREE_BYTES = 1024 * 1024 * 1024
FREE_FILES = 1000 * 1000


def is_welcome(slot: Slot) -> bool:
    """Return whether files may come to a slot early: it holds nothing, and there is much room.

    Raises:
        OSError: as the disk has it.
    """
    disk = os.statvfs(slot.path)
    has_room = disk.f_bavail * disk.f_frsize >= FREE_BYTES
    has_files = not disk.f_files or disk.f_favail >= FREE_FILES
    return has_room and has_files and os.listdir(slot.path) == [STATE]


class Early:
    """The files that have come.

    Attributes:
        entries: all that were announced: directories, and files that have come or follow.
        files: those that are in their places, as they were when they had been written.
    """

    def __init__(self, top: bytes) -> None:
        self._top = top
        self._directories: Set[str] = {""}
        self._expected: Deque[Entry] = collections.deque()
        self._is_given_up = False
        self.entries: List[Entry] = []
        self.files: Dict[str, Known] = {}

    def expect(self, rows: List[List[Any]]) -> None:
        """Make directories, and take what the contents that follow are of.

        Raises:
            ProtocolError: it is nothing that may be in a tree, or is in none of its directories.
        """
        for entry in map(from_row, rows):
            # No path leads through what was not made here: there are no links.
            if entry.path.rpartition("/")[0] not in self._directories:
                raise ProtocolError("%.200r comes before what holds it" % (entry.path,))
            if entry.kind == DIRECTORY:
                self._directories.add(entry.path)
                self._make(entry)
            elif entry.kind == FILE:
                self._expected.append(entry)
            else:
                raise ProtocolError("%.200r comes early, and is no file" % (entry.path,))
            self.entries.append(entry)

    def _make(self, entry: Entry) -> None:
        if self._is_given_up:
            return
        path = self._path(entry)
        try:
            os.mkdir(path, WRITABLE)
            if entry.mode & WRITABLE == WRITABLE:
                os.chmod(path, entry.mode)
        except OSError:
            self._is_given_up = True

    def write(self, blob: Blob) -> None:
        """Take a content.

        Raises:
            ProtocolError: it is not what was announced.
        """
        if not self._expected or self._expected[0].digest != blob.digest or not blob.last:
            raise ProtocolError("the blob %.80r comes early, and is not due" % (blob.digest,))
        entry = self._expected.popleft()
        check(blob, entry.size)
        if self._is_given_up:
            return
        path = self._path(entry)
        try:
            write(path, blob.data)
            os.chmod(path, entry.mode)
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
            self.files[entry.path] = Known(signature(os.lstat(path)), entry.digest)
        except OSError:
            self._is_given_up = True

    def _path(self, entry: Entry) -> bytes:
        return self._top + b"/" + to_bytes(entry.path)
