"""The codec of frames and message bodies, which both ends share.

A *frame* is the bytes of one channel item: a kind byte, then for ``W`` the worker that it comes
from or goes to, then a *body*: a JSON array of messages, each ``[name, field, ...]``. A ``B`` frame
carries ``Blob`` messages: a JSON header, and behind it their bytes, all packed as one. Decoding
validates names, counts and types: only ``ProtocolError`` escapes.
"""

import json
import struct
import sys
from binascii import a2b_base64, b2a_base64
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from pytest_remotest import messages, packing
from pytest_remotest.messages import MAX_BATCH_BYTES, MAX_FRAME_BYTES, ProtocolError

MAX_DIGITS = 4300  # Of a number, as interpreters limit it that do: to read millions takes hours.


def _to_int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("a number of %d digits" % len(digits))
    return int(digits)


# Looked up once: a test may have patched json when its report goes out.
to_json: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":")).encode
_LIMITS_DIGITS = hasattr(sys, "get_int_max_str_digits")
from_json: Callable[[str], Any] = json.JSONDecoder(
    parse_int=None if _LIMITS_DIGITS else _to_int
).decode

# Lists and dicts in each other in a message. A value that is packed at its full depth has 180 of
# them; what is nested much deeper can just be read, but then not be compared or shown.
MAX_NESTING = 250

# Sizes in bytes fit, and no number is so long that Python refuses to write or convert it.
MAX_NUMBER = 1 << 63


def _is_int(value: Any) -> bool:
    return type(value) is int and -MAX_NUMBER <= value < MAX_NUMBER


def _is_number(value: Any) -> bool:
    # What JSON does not know, but Python reads, is no number: NaN, Infinity.
    return type(value) in (int, float) and -MAX_NUMBER <= value < MAX_NUMBER


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    are_of = {kind}.issuperset

    def check(value: Any) -> bool:
        return type(value) is list and are_of(map(type, value))

    return check


_CHECKS: Dict[Any, Callable[[Any], bool]] = {
    Any: lambda _: True,
    str: lambda value: type(value) is str,
    int: _is_int,
    bool: lambda value: type(value) is bool,
    float: _is_number,
    Optional[str]: lambda value: value is None or type(value) is str,
    Optional[int]: lambda value: value is None or _is_int(value),
    Optional[float]: lambda value: value is None or _is_number(value),
    List[int]: lambda value: type(value) is list and all(map(_is_int, value)),
    List[str]: _is_list_of(str),
    List[Any]: lambda value: type(value) is list,
    List[List[Any]]: _is_list_of(list),
    Optional[List[Any]]: lambda value: value is None or type(value) is list,
    Dict[str, Any]: lambda value: type(value) is dict,
    Dict[str, str]: lambda value: (
        type(value) is dict and all(type(item) is str for item in value.values())
    ),
}

_TABLE: Dict[str, Tuple[Any, Tuple[Callable[[Any], bool], ...]]] = {
    message.__name__: (
        message,
        tuple(_CHECKS[kind] for kind in message.__annotations__.values() if kind is not bytes),
    )
    for message in messages.MESSAGES
}

AGENT_KIND = b"A"
WORKER_KIND = b"W"
BLOB_KIND = b"B"
_BLOB_HEADER = struct.Struct("!I")


class Encoded(NamedTuple):
    """What stands for the last field of a message whose JSON is there already, as ``to_json``'s."""

    text: str


def encode(batch: Iterable[Any], worker: Optional[str] = None) -> bytes:
    """Return the frame of some messages, for the agent or (from or to) one worker."""
    body = encode_body(batch)
    if worker is None:
        return AGENT_KIND + body
    name = worker.encode("ascii")
    return WORKER_KIND + bytes([len(name)]) + name + body


def encode_body(batch: Iterable[Any]) -> bytes:
    """Return the JSON array of some messages, as it stands in a frame."""
    return join_messages([encode_message(message) for message in batch])


def encode_message(message: Any) -> bytes:
    """Return the JSON of one message, for ``join_messages``; its last field may be ``Encoded``."""
    row = [type(message).__name__, *message]
    if type(row[-1]) is not Encoded:
        return to_json(row).encode("ascii")
    text = row.pop().text
    return ("%s,%s]" % (to_json(row)[:-1], text)).encode("ascii")


def join_messages(encoded: Iterable[bytes]) -> bytes:
    """Return the body of messages that ``encode_message`` has encoded."""
    return b"[" + b",".join(encoded) + b"]"


def is_body(body: bytes) -> bool:
    """Return whether this may be a body that has messages, after a look at its ends."""
    return len(body) > len(b"[]") and body[:1] == b"[" and body[-1:] == b"]"


def merge_bodies(bodies: Iterable[bytes]) -> List[bytes]:
    """Return the same messages in their order in as few bodies as fit ``MAX_BATCH_BYTES``.

    One that is larger by itself stays alone. Each ``is_body``; nobody looks inside.
    """
    merged: List[bytes] = []
    waiting: List[bytes] = []  # Each without its brackets.
    size = 0
    for body in bodies:
        if waiting and size + len(body) > MAX_BATCH_BYTES:
            merged.append(join_messages(waiting))
            waiting, size = [], 0
        waiting.append(body[1:-1])
        size += len(body)
    if waiting:
        merged.append(join_messages(waiting))
    return merged


def encode_blobs(blobs: List[messages.Blob], encoding: str = packing.PLAIN) -> bytes:
    """Return the frame of some blobs, packed if that makes it smaller.

    Args:
        blobs: of at most half of ``MAX_FRAME_BYTES`` in all.
        encoding: how; one that the other side can unpack.
    """
    contents = [blob.data for blob in blobs]
    if encoding != packing.PLAIN:
        data = b"".join(contents)
        if packing.is_worthwhile(data, encoding):
            contents = [packing.pack(data, encoding)]
        else:
            encoding = packing.PLAIN
    rows = [[blob.digest, blob.last, len(blob.data)] for blob in blobs]
    header = to_json([encoding, *rows]).encode("ascii")
    return b"".join([BLOB_KIND, _BLOB_HEADER.pack(len(header)), header, *contents])


def to_text(blobs: List[messages.Blob]) -> str:
    """Return some blobs, packed, for a field of a message; nothing of none."""
    return b2a_base64(encode_blobs(blobs, packing.ZLIB), newline=False).decode() if blobs else ""


def from_text(text: str) -> List[messages.Blob]:
    """Return the blobs that ``to_text`` was given.

    Raises:
        ProtocolError: for anything that it cannot have made.
    """
    try:
        frame = a2b_base64(text)
    except ValueError as error:  # binascii.Error, and what is not ASCII.
        raise ProtocolError("not base64: %s" % (error,)) from None
    if not frame:
        return []
    if frame[:1] != BLOB_KIND:
        raise ProtocolError("contents of the kind %r" % (frame[:1],))
    return _decode_blobs(frame)


def decode(frame: bytes) -> Tuple[Optional[str], List[Any]]:
    """Return (worker or None, messages) of a frame.

    Raises:
        ProtocolError: for anything that ``encode`` or ``encode_blobs`` cannot have made.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError("a frame of %d bytes is over the limit" % len(frame))
    kind = frame[:1]
    if kind == AGENT_KIND:
        return None, decode_body(frame[1:])
    if kind == WORKER_KIND:
        worker, body = split_worker_frame(frame)
        return worker, decode_body(body)
    if kind == BLOB_KIND:
        return None, _decode_blobs(frame)
    raise ProtocolError("unknown kind of frame %r" % (kind,))


def split_worker_frame(frame: bytes) -> Tuple[str, bytes]:
    """Return (worker, body) of a ``W`` frame without looking into the body."""
    if len(frame) < 2 or len(frame) < 2 + frame[1]:  # noqa: PLR2004  kind and length byte
        raise ProtocolError("a worker frame ends inside its header")
    start = 2 + frame[1]
    try:
        return frame[2:start].decode("ascii"), frame[start:]
    except UnicodeDecodeError:
        raise ProtocolError("a worker's name is not ASCII") from None


def decode_body(body: bytes) -> List[Any]:
    """Return the messages of a JSON array, validated.

    Raises:
        ProtocolError: for anything that ``encode_body`` cannot have made.
    """
    rows = _load_json(body)
    if type(rows) is not list:
        raise ProtocolError("a body is not a list of messages")
    return [_decode_row(row) for row in rows]


def _load_json(text: bytes) -> Any:
    try:
        return from_json(text.decode("ascii"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ProtocolError("not JSON: %s" % (error,)) from None


def _decode_row(row: Any) -> Any:
    if type(row) is not list or not row or type(row[0]) is not str:
        raise ProtocolError("a message is not a list that begins with its name")
    message, checks = _TABLE.get(row[0], (None, ()))
    if message is None or message is messages.Blob:
        raise ProtocolError("unknown message %.40r" % (row[0],))
    fields = row[1:]
    if len(fields) != len(checks):
        raise ProtocolError("%s has %d fields" % (row[0], len(fields)))
    for name, check, value in zip(message._fields, checks, fields):  # noqa: B905  3.10 has strict
        if not check(value):
            kind = type(value).__name__
            raise ProtocolError("%s.%s has a wrong value, a %s" % (row[0], name, kind))
    if _is_too_deep(fields):
        raise ProtocolError("%s is nested deeper than %d" % (row[0], MAX_NESTING))
    return message(*fields)


def _is_too_deep(fields: List[Any]) -> bool:
    level: List[Any] = [fields]
    for _ in range(MAX_NESTING):
        level = [
            part
            for holder in level
            for part in (holder.values() if type(holder) is dict else holder)
            if type(part) is list or type(part) is dict
        ]
        if not level:
            return False
    return True


def _decode_blobs(frame: bytes) -> List[Any]:
    start = 1 + _BLOB_HEADER.size
    if len(frame) < start:
        raise ProtocolError("a blob ends inside its header")
    end = start + _BLOB_HEADER.unpack(frame[1:start])[0]
    header = _load_json(frame[start:end])
    if type(header) is not list or not header or end > len(frame):
        raise ProtocolError("a blob has a wrong header")
    encoding, *rows = header
    if type(encoding) is not str or not rows or not all(map(_is_blob_row, rows)):
        raise ProtocolError("a blob has a wrong header")
    size = sum(row[2] for row in rows)
    if size > MAX_FRAME_BYTES:
        raise ProtocolError("blobs of %d bytes are over the limit" % size)
    data = packing.unpack(frame[end:], encoding, size)
    blobs = []
    start = 0
    for digest, last, length in rows:
        blobs.append(messages.Blob(digest, last, data[start : start + length]))
        start += length
    return blobs


def _is_blob_row(row: Any) -> bool:
    """Return whether this is [digest, last, size in bytes]."""
    return type(row) is list and [type(field) for field in row] == [str, bool, int] and row[2] >= 0
