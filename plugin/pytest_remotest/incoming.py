"""A file under way to this host, checked as it comes."""

import contextlib
import hashlib
import os

from pytest_remotest.messages import Blob, ProtocolError


class Incoming:
    """Takes the pieces of one file. Nobody uses the file before ``close`` has returned.

    Attributes:
        path: where they are put.
    """

    def __init__(self, digest: str, size: int, path: bytes) -> None:
        """Begin a file of so many bytes with this digest (sha256, hex).

        Raises:
            OSError: as the disk has it.
        """
        self._digest = digest
        self._left = size
        self._hash = hashlib.sha256()
        self.path = path
        with contextlib.suppress(FileNotFoundError):  # of a run that was cut off
            os.unlink(path)
        # Nobody else reads it before it has its mode.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(descriptor, "wb")

    def write(self, message: Blob) -> None:
        """Take the next piece.

        Raises:
            ProtocolError: it is none of this file.
            OSError: as the disk has it.
        """
        self._left -= len(message.data)
        if message.digest != self._digest or self._left < 0:
            raise ProtocolError("a blob that does not continue %s" % self._digest)
        self._hash.update(message.data)
        self._file.write(message.data)

    def close(self) -> None:
        """End the file.

        Raises:
            ProtocolError: it is not what was announced.
            OSError: as the disk has it.
        """
        self._file.close()
        if self._left or self._hash.hexdigest() != self._digest:
            raise ProtocolError("the bytes sent are not those of %s" % self._digest)

    def abandon(self) -> None:
        """Remove what has come of it."""
        with contextlib.suppress(OSError):  # What it still wanted to write is no longer needed.
            self._file.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def check(blob: Blob, size: int) -> None:
    """Refuse a whole content that is not what was announced.

    Raises:
        ProtocolError: it is not.
    """
    if len(blob.data) != size or hashlib.sha256(blob.data).hexdigest() != blob.digest:
        raise ProtocolError("the bytes sent are not those of %.80s" % blob.digest)
