"""A file's contents on their way to a host: in pieces, and only if they are what was promised."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from pytest_remotest.entries import to_bytes
from pytest_remotest.messages import Blob

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOB_BYTES: Final = 1024 * 1024
"""Bytes of a file in one frame: a sixteenth of what a frame may hold."""


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
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            while following := file.read(BLOB_BYTES):
                if piece:
                    yield Blob(digest, last=False, data=piece)
                piece = following
                sum_of_all.update(piece)
    except OSError as error:
        raise ContentChanged(error.strerror or str(error)) from error
    if sum_of_all.hexdigest() != digest:
        raise ContentChanged("it has changed")
    yield Blob(digest, last=True, data=piece)
