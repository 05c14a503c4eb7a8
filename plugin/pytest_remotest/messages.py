"""Every message that crosses a link, and the codec of frames that both ends share.

A *message* is a ``NamedTuple`` below. A *frame* is the bytes of one channel item: a kind byte,
then for ``W`` the worker that it comes from or goes to, then a JSON array of messages, each
``[name, field, ...]``. A ``B`` frame carries exactly one ``Blob`` with its raw bytes behind the
JSON. Decoding validates names, counts and types: only ``ProtocolError`` escapes.
"""

import json
import struct
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

PROTOCOL = 1  # Raised with every change of a frame or message that an older peer would misread.

MAX_FRAME_BYTES = 16 * 1024 * 1024  # A larger frame is a broken or hostile peer, never ours.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024  # Of one message as JSON: what is larger is cut or split.
MAX_BATCH_BYTES = 1024 * 1024  # Messages wait for each other up to here, then their frame goes.
MAX_OUTPUT_CHARS = 256 * 1024 * 1024  # Of a workeroutput: plugins leave whole reports there.
MAX_BATCH_ITEMS = 5000  # List items we put into a message: keeps frames far below the limit.


class ProtocolError(Exception):
    """The peer sent bytes that are no valid frame. Never raised for our own mistakes."""


# -- agent -> controller ---------------------------------------------------------------------


class Greeting(NamedTuple):
    """First message of an agent: who it is. ``info`` is described in ``describe``."""

    protocol: int
    info: Dict[str, Any]


class SyncWant(NamedTuple):
    """Digests (sha256, hex) of the manifest that the host lacks. ``last`` ends the list."""

    digests: List[str]
    last: bool


class SyncDone(NamedTuple):
    """The tree on the host equals the manifest. ``tree`` is its absolute path, as text."""

    tree: str
    notes: List[str]


class SyncFailed(NamedTuple):
    """The tree could not be made; the run cannot start on this host."""

    reason: str
    remedy: str


class Room(NamedTuple):
    """Answer to AskRoom. ``place`` is a directory that exists: the tree's, or one above it.

    ``free_files`` is None where the disk does not count them.
    """

    place: str
    total_bytes: int
    free_bytes: int
    free_files: Optional[int]


class WorkerExited(NamedTuple):
    """A worker's process is gone. ``status`` is negative for a signal, as in ``subprocess``.

    ``output`` is the tail of what the process printed outside of pytest's capture.
    """

    worker: str
    status: int
    output: str


class WorkerOutput(NamedTuple):
    """Something a worker printed outside of pytest's capture, as it came."""

    worker: str
    text: str


# -- controller -> agent ---------------------------------------------------------------------


class SyncOpen(NamedTuple):
    """Begin a tree. ``project`` keys it; ``directory`` overrides its place, ``cache`` the cache.

    The host answers the last SyncEntries with SyncWant and has changed nothing so far.
    """

    project: str
    run_uid: str
    cache: Optional[str]
    directory: Optional[str]


class SyncEntries(NamedTuple):
    """A part of the manifest, rows as ``entries.to_row`` makes them; ``last`` ends it."""

    entries: List[List[Any]]
    last: bool


class Blob(NamedTuple):
    """Bytes of one file, in order; ``last`` completes it. Travels alone in a ``B`` frame."""

    digest: str
    last: bool
    data: bytes


class SyncCommit(NamedTuple):
    """Make the tree equal to the manifest as soon as all wanted blobs are there, then SyncDone.

    It is sent right behind the last SyncEntries, so that a tree that lacks nothing costs one round
    trip. Without it the host only says what it would want.
    """


class AskRoom(NamedTuple):
    """Tell how much room there is where SyncOpen would put a tree; SyncFailed if that is unknown.

    Nothing is changed by it.
    """

    cache: Optional[str]
    directory: Optional[str]


class HoldTree(NamedTuple):
    """Lease a tree that another agent of this run has synced on the same host."""

    tree: str


class SpawnWorker(NamedTuple):
    """Start a pytest process.

    ``python_path`` are directories to put first on sys.path; with ``whole_path`` they *are*
    sys.path. ``worker_input`` is packed (see ``values.pack``).
    """

    worker: str
    arguments: List[str]
    directory: str
    environment: Dict[str, str]
    python_path: List[str]
    whole_path: bool
    nice: int
    worker_input: Any


class StopWorker(NamedTuple):
    """Send a signal to a worker's process group."""

    worker: str
    signal: int


class Goodbye(NamedTuple):
    """The run is over: end every process of it, release the tree, exit."""


# -- controller -> worker --------------------------------------------------------------------


class RunItems(NamedTuple):
    """Append items, by position in the worker's own collection, to its queue."""

    positions: List[int]


class ReclaimItems(NamedTuple):
    """Give back those of these items that have not begun."""

    positions: List[int]


class Finish(NamedTuple):
    """Nothing more comes: run the queue empty and end the session."""


class StopSession(NamedTuple):
    """Begin no further item: end the session after the one that runs."""

    reason: str


# -- worker -> controller --------------------------------------------------------------------


class SessionStarted(NamedTuple):
    """pytest's session has started. ``info`` is packed: xdist's ``workerinfo``."""

    info: Any


class ItemGroups(NamedTuple):
    """Rows [position, ``xdist_group``] of items to be collected; only under ``loadgroup``."""

    rows: List[List[Any]]


class Collected(NamedTuple):
    """Node ids in the worker's order; ``last`` ends the list."""

    ids: List[str]
    last: bool


class LogStart(NamedTuple):
    """pytest_runtest_logstart; the item at ``position`` has begun."""

    position: int
    node_id: str
    location: Optional[List[Any]]


class LogFinish(NamedTuple):
    """pytest_runtest_logfinish."""

    position: int
    node_id: str
    location: Optional[List[Any]]


class TestReport(NamedTuple):
    """pytest_runtest_logreport. ``data`` as ``reportwire.report_to_wire`` makes it."""

    position: int
    data: Dict[str, Any]


class CollectReport(NamedTuple):
    """A collection report that did not pass."""

    data: Dict[str, Any]


class WarningRecorded(NamedTuple):
    """pytest_warning_recorded, as plain text: nothing in it is ever imported or called."""

    category: str
    category_module: str
    text: str
    filename: str
    line: int
    when: str
    node_id: str
    location: Optional[List[Any]]


class ItemFinished(NamedTuple):
    """The worker is done with the item at ``position``."""

    position: int
    duration_s: float


class ItemsReturned(NamedTuple):
    """Answer to ReclaimItems: what had not begun and is now nobody's."""

    positions: List[int]


class InternalError(NamedTuple):
    """pytest_internalerror on the worker, as text."""

    text: str


class SessionOutput(NamedTuple):
    """A piece of the text that ``values.pack_text`` makes of xdist's ``workeroutput``.

    It comes in pieces because plugins leave whole reports there: it may be larger than a frame.
    """

    text: str


class SessionFinished(NamedTuple):
    """The session ended in order; all of its output has come.

    ``interrupted`` says why, where ``pytest.exit`` or Ctrl-C ended it; else it is empty.
    """

    interrupted: str


_MESSAGES = (
    Greeting, SyncWant, SyncDone, SyncFailed, Room, WorkerExited, WorkerOutput,
    SyncOpen, SyncEntries, Blob, SyncCommit, AskRoom, HoldTree, SpawnWorker, StopWorker, Goodbye,
    RunItems, ReclaimItems, Finish, StopSession,
    SessionStarted, ItemGroups, Collected, LogStart, LogFinish, TestReport, CollectReport,
    WarningRecorded, ItemFinished, ItemsReturned, InternalError, SessionOutput, SessionFinished,
)  # fmt: skip


def _is_int(value: Any) -> bool:
    return type(value) is int


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        return type(value) is list and all(type(item) is kind for item in value)

    return check


_CHECKS: Dict[Any, Callable[[Any], bool]] = {
    Any: lambda _: True,
    str: lambda value: type(value) is str,
    int: _is_int,
    bool: lambda value: type(value) is bool,
    float: lambda value: type(value) in (int, float),
    Optional[str]: lambda value: value is None or type(value) is str,
    Optional[int]: lambda value: value is None or type(value) is int,
    List[int]: _is_list_of(int),
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
    for message in _MESSAGES
}

AGENT_KIND = b"A"
WORKER_KIND = b"W"
BLOB_KIND = b"B"
_BLOB_HEADER = struct.Struct("!I")


def encode(messages: Iterable[Any], worker: Optional[str] = None) -> bytes:
    """Return the frame of some messages, for the agent or (from or to) one worker."""
    body = encode_body(messages)
    if worker is None:
        return AGENT_KIND + body
    name = worker.encode("ascii")
    return WORKER_KIND + bytes([len(name)]) + name + body


def encode_body(messages: Iterable[Any]) -> bytes:
    """Return the JSON array of some messages, as it stands in a frame."""
    return join_messages([encode_message(message) for message in messages])


def encode_message(message: Any) -> bytes:
    """Return the JSON of one message, for ``join_messages``."""
    row = [type(message).__name__, *message]
    return json.dumps(row, separators=(",", ":")).encode("ascii")


def join_messages(encoded: Iterable[bytes]) -> bytes:
    """Return the body of messages that ``encode_message`` has encoded."""
    return b"[" + b",".join(encoded) + b"]"


def encode_blob(blob: Blob) -> bytes:
    """Return the frame of one blob."""
    header = json.dumps([blob.digest, blob.last]).encode("ascii")
    return BLOB_KIND + _BLOB_HEADER.pack(len(header)) + header + blob.data


def decode(frame: bytes) -> Tuple[Optional[str], List[Any]]:
    """Return (worker or None, messages) of a frame.

    Raises:
        ProtocolError: for anything that ``encode`` or ``encode_blob`` cannot have made.
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
        return None, [_decode_blob(frame)]
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
        return json.loads(text.decode("ascii"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise ProtocolError("not JSON: %s" % (error,)) from None


def _decode_row(row: Any) -> Any:
    if type(row) is not list or not row or type(row[0]) is not str:
        raise ProtocolError("a message is not a list that begins with its name")
    message, checks = _TABLE.get(row[0], (None, ()))
    if message is None or message is Blob:
        raise ProtocolError("unknown message %.40r" % (row[0],))
    fields = row[1:]
    if len(fields) != len(checks):
        raise ProtocolError("%s has %d fields" % (row[0], len(fields)))
    for name, check, value in zip(message._fields, checks, fields):  # noqa: B905  3.10 has strict
        if not check(value):
            kind = type(value).__name__
            raise ProtocolError("%s.%s has a wrong value, a %s" % (row[0], name, kind))
    return message(*fields)


def _decode_blob(frame: bytes) -> Blob:
    start = 1 + _BLOB_HEADER.size
    if len(frame) < start:
        raise ProtocolError("a blob ends inside its header")
    end = start + _BLOB_HEADER.unpack(frame[1:start])[0]
    header = _load_json(frame[start:end])
    if (
        end > len(frame)
        or type(header) is not list
        or [type(field) for field in header] != [str, bool]
    ):
        raise ProtocolError("a blob has a wrong header")
    return Blob(header[0], header[1], frame[end:])
