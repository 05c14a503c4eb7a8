"""What comes over a link: execnet's messages, frames in them, packed values in those."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Final

from execnet import gateway_base
from fuzz.guard import watching
from fuzz.inputs import JSON, edited, like, to_json
from fuzz.target import Target
from hypothesis import strategies as st
from wireexamples import EXAMPLES

from pytest_remotest import frames, messages, packing, values
from remotest.gateways.link import CheckedIO

READ_TIMEOUT_S: Final = 60
"""For a thread that is never in the way of another."""

WHOLE_FRAMES: Final = [
    *(frames.encode([example]) for example in EXAMPLES),
    frames.encode([messages.Finish(), messages.Goodbye()], "gw10"),
    frames.encode_blobs(
        [messages.Blob("00ff", True, b"\xff\x00"), messages.Blob("00", False, b"")]
    ),
    frames.encode_blobs([messages.Blob("00ff", True, b"x" * 999)], packing.ZLIB),
]
WORDS: Final = (
    *(b"[", b"]", b"{", b'"', b",", b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"\\ud800"),
    *(b"9" * 700, b"[" * 1000, b'{"a":1,"a":2}', b'"Blob"', b"W\xff", b"B\xff\xff\xff\xff"),
)


def check_frame(data: bytes) -> None:
    for read in (frames.decode, frames.decode_body, frames.split_worker_frame):
        with watching(), contextlib.suppress(messages.ProtocolError):
            read(data)


def rows() -> st.SearchStrategy[Any]:
    """Return bodies of messages whose fields are of any kind."""
    named = [[type(example).__name__, *example] for example in EXAMPLES]
    return st.lists(st.sampled_from(named).flatmap(like), max_size=3)


def as_received(body: bytes) -> list[Any]:
    """Return the messages of a body, as the reader thread of a link has them; none of what is none.

    Its stack is shallow: what is nested so deep that it can just be read there is more than others
    can look through.
    """
    found: list[Any] = []

    def read() -> None:
        with contextlib.suppress(messages.ProtocolError):
            found.extend(frames.decode_body(body))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join(READ_TIMEOUT_S)
    return found


FRAME: Final = Target(
    name="frame",
    check=check_frame,
    inputs=st.binary()
    | edited(WHOLE_FRAMES, WORDS)
    | st.builds(bytes.__add__, st.sampled_from([b"", b"A", b"W\x03gw0"]), rows().map(to_json)),
)


class _Received:
    """A byte stream from which all has been read already."""

    def read(self, _: int) -> bytes:
        return b""


def check_link(data: bytes) -> None:
    """What passes is one bytes object or one text for execnet, and so for us."""
    reader = CheckedIO(_Received())  # type: ignore[arg-type]  # no more is asked of it
    reader.begin_reading(data)
    with watching(), contextlib.suppress(EOFError):
        while True:
            kind, channel, length = gateway_base.struct.unpack("!bii", reader.read(9))
            payload = reader.read(length)
            assert channel == 1
            if kind == gateway_base.Message.CHANNEL_CLOSE:
                assert payload == b""
                continue
            loaded = gateway_base.loads_internal(payload)
            is_data = kind == gateway_base.Message.CHANNEL_DATA
            assert type(loaded) is (bytes if is_data else str)


def execnet_message(kind: int, payload: bytes) -> bytes:
    return gateway_base.struct.pack("!bii", kind, 1, len(payload)) + payload


LINK_EXAMPLES: Final = [
    execnet_message(4, gateway_base.dumps_internal(b'A[["Pong"]]')),
    execnet_message(5, b""),
    execnet_message(6, gateway_base.dumps_internal("Traceback")),
]
LINK: Final = Target(
    name="link",
    check=check_link,
    inputs=st.binary()
    | st.lists(edited(LINK_EXAMPLES, WORDS), max_size=3).map(b"".join)
    | st.builds(execnet_message, st.integers(-128, 127), st.binary()),
)


def check_packed(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    with watching(), contextlib.suppress(messages.ProtocolError):
        value = values.unpack_text(text)
        # Not the value itself: a NaN in it is no other, and what is too deep becomes words.
        assert values.unpack_text(values.pack_text(value)) is not NotImplemented


def forms() -> st.SearchStrategy[Any]:
    """Return packed values with anything in the place of their parts."""
    kinds = ["int", "float", "bytes", "tuple", "set", "frozenset", "dict"]
    return st.recursive(
        JSON,
        lambda inner: st.builds(
            lambda kind, content: {kind: content}, st.sampled_from(kinds), st.lists(inner) | inner
        ),
        max_leaves=6,
    )


PACKED: Final = Target(
    name="packed",
    check=check_packed,
    inputs=forms().map(to_json)
    | edited([values.pack_text(("a", {1, 2}, {b"x": 1.5, (): None})).encode()], WORDS),
)

TARGETS: Final = (FRAME, LINK, PACKED)
