"""Contents on their way to a host: in pieces and groups, and only if they are what was promised."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from pytest_remotest.entries import to_bytes
from pytest_remotest.messages import Blob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOB_BYTES: Final = 1024 * 1024
"""Bytes of a file in one frame: a sixteenth of what a frame may hold."""

GROUP_BYTES: Final = 256 * 1024
"""From which on the contents of small files go as one frame: enough to make one for each cheap, and
little enough for the host to begin soon."""


class ContentChanged(Exception):  # noqa: N818  what is found out, as in ``HostLost``
    """A file is no longer what it was; the text says how."""


def blobs(path: str, digest: str) -> Iterator[Blob]:
    """Yield the contents of a file, if they are what was promised.

    The last piece comes only when all of it is known to be what was promised: without it, a host
    uses none of them.

    Args:
        path: absolute, as text that ``to_bytes`` takes. It is not followed where it is a link.
        digest: sha256 of the contents, in hexadecimal.

    Raises:
        ContentChanged: the file is gone, or has other contents now.
    """
    sum_of_all = hashlib.sha256()
    piece = b""
    try:
        descriptor = os.open(to_bytes(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            # One more than there is: a file that has not grown is read at once.
            size = min(os.fstat(descriptor).st_size + 1, BLOB_BYTES)
            while following := os.read(descriptor, size):
                if piece:
                    yield Blob(digest, last=False, data=piece)
                piece = following
                sum_of_all.update(piece)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ContentChanged(error.strerror or str(error)) from error
    if sum_of_all.hexdigest() != digest:
        raise ContentChanged("it has changed")
    yield Blob(digest, last=True, data=piece)


def blobs_of(data: bytes, digest: str) -> Iterator[Blob]:
    """Yield a content that is in memory."""
    for start in range(0, max(len(data), 1), BLOB_BYTES):
        end = start + BLOB_BYTES
        yield Blob(digest, last=end >= len(data), data=data[start:end])


def grouped(contents: Iterable[Blob]) -> Iterator[list[Blob]]:
    """Yield these blobs in order, as many at a time as go into one frame."""
    group: list[Blob] = []
    size = 0
    for blob in contents:
        group.append(blob)
        size += len(blob.data)
        if size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
