"""Making contents smaller for the way. Both ends import this; only the standard library is used."""

import importlib
import sys
import zlib
from typing import Any, Iterable, List

from pytest_remotest.messages import ProtocolError

ZSTD, ZLIB, PLAIN = "zstd", "zlib", ""

ZLIB_LEVEL = 1  # Of text it leaves 30 %, at twice the speed of the usual 6, which leaves 25 %.
ZSTD_LEVEL = 1  # Smaller than zlib, in a third of its time.
SAMPLE_BYTES = 16 * 1024  # Tried first: what is compressed already costs no more than this.
WORTHWHILE = 0.9  # Of the size: what stays larger goes as it is.


def _zstd() -> Any:
    # By version: before 3.14, what is called so is somebody's own module.
    if sys.version_info < (3, 14):
        return None
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:  # Python can be built without it.
        return None


def encodings() -> List[str]:
    """Return what this interpreter can pack and unpack, the best first."""
    return [ZLIB] if _zstd() is None else [ZSTD, ZLIB]


def common(others: Iterable[str]) -> str:
    """Return the best of what the other side, and this interpreter, can do; PLAIN for none."""
    mine = encodings()
    return next((name for name in others if name in mine), PLAIN)


def pack(data: bytes, encoding: str) -> bytes:
    """Return data in one of ``encodings``."""
    if encoding == ZSTD:
        packed: bytes = _zstd().compress(data, level=ZSTD_LEVEL)
        return packed
    return zlib.compress(data, ZLIB_LEVEL)


def is_worthwhile(data: bytes, encoding: str) -> bool:
    """Return whether data that begins like this gets smaller by packing."""
    sample = data[:SAMPLE_BYTES]
    return len(pack(sample, encoding)) < len(sample) * WORTHWHILE


def unpack(packed: bytes, encoding: str, size: int) -> bytes:
    """Return so many bytes of data.

    Raises:
        ProtocolError: it is something else that was packed, or nothing.
    """
    if encoding == PLAIN:
        data = packed
    elif encoding in encodings():
        data = _unpack(packed, encoding, size)
    else:
        raise ProtocolError("packed as %.40r, which is not known here" % (encoding,))
    if len(data) != size:
        raise ProtocolError("what was packed is not of the size that was announced")
    return data


def _unpack(packed: bytes, encoding: str, size: int) -> bytes:
    """Return at most one byte more than is right: whatever was packed, no more is made of it."""
    if encoding == ZLIB:
        try:
            return zlib.decompressobj().decompress(packed, size + 1)
        except zlib.error as error:
            raise ProtocolError("not packed: %s" % (error,)) from None
    zstd = _zstd()
    try:
        data: bytes = zstd.ZstdDecompressor().decompress(packed, size + 1)
    except (zstd.ZstdError, EOFError) as error:
        raise ProtocolError("not packed: %s" % (error,)) from None
    return data
