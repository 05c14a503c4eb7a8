"""Message bodies on a pipe: four bytes of length, then the body."""

import struct
from typing import BinaryIO

from pytest_remotest.messages import MAX_FRAME_BYTES, ProtocolError

HEADER = struct.Struct("!I")


def read_body(stream: BinaryIO) -> bytes:
    """Return the next body.

    Raises:
        EOFError: the other side has closed the pipe.
        ProtocolError: the length is none that we send.
    """
    (size,) = HEADER.unpack(_read_exactly(stream, HEADER.size))
    if size > MAX_FRAME_BYTES:
        raise ProtocolError("a body of %d bytes is over the limit" % size)
    return _read_exactly(stream, size)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the pipe ended")
    return data


def write_body(stream: BinaryIO, body: bytes) -> None:
    """Write one body whole.

    Raises:
        OSError: the other side is gone.
    """
    data = memoryview(HEADER.pack(len(body)) + body)
    while data:
        written = stream.write(data)
        data = data[written:]
