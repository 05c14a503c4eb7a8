"""Contents on their way to a host: in pieces and packs, and only if they are what was promised."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_remotest.entries import to_bytes
from pytest_remotest.frames import encode_blobs
from pytest_remotest.messages import Blob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOB_BYTES: Final = 1024 * 1024
"""Bytes of a file in one frame: a sixteenth of what a frame may hold."""

PACK_BYTES: Final = 256 * 1024
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


class Pack(NamedTuple):
    """A frame, and what is in it: how many contents end there, and so many bytes of contents."""

    frame: bytes
    content_count: int
    size: int


def packed(contents: Iterable[Blob], encoding: str) -> Iterator[Pack]:
    """Yield these blobs, several small ones in each pack.

    Args:
        contents: in order.
        encoding: what the frames are packed with where that is worthwhile, as in ``packing``.
    """
    pack: list[Blob] = []
    size = 0
    for blob in contents:
        pack.append(blob)
        size += len(blob.data)
        if size >= PACK_BYTES:
            yield _pack(pack, encoding)
            pack, size = [], 0
    if pack:
        yield _pack(pack, encoding)


def _pack(blobs: list[Blob], encoding: str) -> Pack:
    return Pack(
        encode_blobs(blobs, encoding),
        content_count=sum(blob.last for blob in blobs),
        size=sum(len(blob.data) for blob in blobs),
    )
