"""Message bodies on a pipe: four bytes of length, then the body.

The pipe is a bare descriptor. A file object around it would have a lock and a buffer, and a thread
that waits in one at the end of an interpreter can bring that down. What is called to read and
write is an argument because a test may have patched ``os``, or the whole file system.
"""

import os
import struct
from typing import Callable

from pytest_remotest.messages import MAX_FRAME_BYTES, ProtocolError

HEADER = struct.Struct("!I")
LINK_LOST_STATUS = 74  # EX_IOERR: of a worker whose pipe a test has closed: it can tell no more.


def read_body(descriptor: int) -> bytes:
    """Return the next body. It waits for as long as the other side lives.

    Raises:
        EOFError: the other side has closed the pipe.
        OSError: this side of the pipe is closed.
        ProtocolError: the length is none that we send.
    """
    (size,) = HEADER.unpack(_read_exactly(descriptor, HEADER.size))
    if size > MAX_FRAME_BYTES:
        raise ProtocolError("a body of %d bytes is over the limit" % size)
    return _read_exactly(descriptor, size)


def _read_exactly(descriptor: int, size: int, read: Callable[[int, int], bytes] = os.read) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = read(descriptor, size - len(data))
        if not piece:
            raise EOFError("the pipe ended")
        data += piece
    return bytes(data)


def write_body(
    descriptor: int, body: bytes, write: Callable[[int, memoryview], int] = os.write
) -> None:
    """Write one body whole. It waits for as long as the other side lives.

    Raises:
        OSError: the other side is gone, or this side of the pipe is closed.
    """
    data = memoryview(HEADER.pack(len(body)) + body)
    while data:
        data = data[write(descriptor, data) :]
