"""The controller's end of a gateway, where the test plays a host that means no good."""

from __future__ import annotations

import gc
import socket
import struct
from typing import TYPE_CHECKING, Final

import pytest
from gatewayworld import WAIT_S, Recorder, socket_pair, stub_bundle

from pytest_remotest import frames
from pytest_remotest.messages import MAX_FRAME_BYTES
from remotest.gateways.base import PACKET_BYTES
from remotest.gateways.bootlines import Interpreter
from remotest.gateways.bootstrap import Booted
from remotest.gateways.link import AgentLink, CheckedIO

if TYPE_CHECKING:
    from collections.abc import Iterator

STATUS, RECONFIGURE, TERMINATE, EXEC, DATA, CLOSE, CLOSE_ERROR, LAST_MESSAGE = range(8)

INTERPRETER: Final = Interpreter(version=(3, 11, 7), implementation="cpython", executable="/python")


def message(
    kind: int, payload: bytes = b"", *, channel: int = 1, length: int | None = None
) -> bytes:
    size = len(payload) if length is None else length
    return struct.pack("!bii", kind, channel, size) + payload


def item(content: bytes, kind: bytes = b"A") -> bytes:
    return kind + struct.pack("!i", len(content)) + content + b"Q"


class Host:
    """The other end of a link; it has read all that a link says at its start."""

    def __init__(self, received: bytes = b"", recorder: Recorder | None = None) -> None:
        stream, self.socket = socket_pair()
        self.recorder = recorder or Recorder()
        self.link = AgentLink(
            stream,
            host="bad",
            is_local=True,
            heartbeat_s=30.0,
            end_there=lambda: None,
            on_frame=self.recorder.on_frame,
            on_closed=self.recorder.on_closed,
        )
        # All of it fits the socket's buffer: nobody has to read at the same time.
        self.link.start(stub_bundle())
        self.link.listen(Booted(interpreter=INTERPRETER, noise="", received=received))

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reason(self) -> str:
        """Return the one reason that the link's end was told with."""
        (reason,) = self.recorder.closed()
        return reason


class Reader(Recorder):
    """Reads what comes, as the driver does."""

    def on_frame(self, frame: bytes) -> None:
        frames.decode(frame)


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.socket.shutdown(socket.SHUT_RDWR)
    host.link.close(WAIT_S)
    host.socket.close()


def test_frames_pass(host: Host) -> None:
    host.say(message(DATA, item(b"one")) + message(DATA, item(b"")))
    assert [host.recorder.frame() for _ in range(2)] == [b"one", b""]


class Sink:
    """A stream that only takes."""

    room_bytes = 0

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes | memoryview, _: float | None = None) -> None:
        self.pieces.append(bytes(data))


@pytest.mark.parametrize("packet_count", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [-15, -14, -2, -1, 0, 1, 2, 14, 15])
def test_a_frame_leaves_as_execnet_has_it_in_as_few_packets_as_can_be(
    packet_count: int, more: int
) -> None:
    frame = bytes(range(251)) * (PACKET_BYTES * 4 // 251)
    frame = frame[: max(0, packet_count * PACKET_BYTES + more)]
    sink = Sink()
    CheckedIO(sink).send(frame)  # type: ignore[arg-type]  # enough of one
    told = message(DATA, item(frame))
    assert b"".join(sink.pieces) == told
    packets = sum(-(-len(piece) // PACKET_BYTES) for piece in sink.pieces)
    assert packets == -(-len(told) // PACKET_BYTES)


def test_frames_pass_however_they_are_cut(host: Host) -> None:
    for byte in message(DATA, item(b"frame")):
        host.say(bytes([byte]))
    assert host.recorder.frame() == b"frame"


def test_what_came_with_the_answer_is_not_lost() -> None:
    host = Host(received=message(DATA, item(b"early"))[:7])
    host.say(message(DATA, item(b"early"))[7:])
    assert host.recorder.frame() == b"early"
    host.socket.close()
    assert host.reason() == "the connection ended"
    host.link.close(WAIT_S)


BROKEN: Final = {
    "run code here": (message(EXEC, item(b"1/0")), "a message of kind 3 on channel 1"),
    "another channel": (message(DATA, item(b""), channel=3), "a message of kind 4 on channel 3"),
    "no channel": (message(CLOSE, channel=0), "a message of kind 5 on channel 0"),
    "status": (message(STATUS), "a message of kind 0 on channel 1"),
    "reconfigure": (message(RECONFIGURE, channel=0), "a message of kind 1 on channel 0"),
    "terminate": (message(TERMINATE, channel=0), "a message of kind 2 on channel 0"),
    "last message": (message(LAST_MESSAGE), "a message of kind 7 on channel 1"),
    "unknown kind": (message(-7), "a message of kind -7 on channel 1"),
    "two gigabytes": (
        message(DATA, length=2**31 - 1),
        f"a frame of {2**31 - 1} bytes, the limit is {MAX_FRAME_BYTES}",
    ),
    "less than nothing": (
        message(DATA, length=-1),
        f"a frame of -1 bytes, the limit is {MAX_FRAME_BYTES}",
    ),
    "text": (message(DATA, item(b"text", b"N")), "an item that is no frame"),
    "a list of any length": (message(DATA, b"K\x7f\xff\xff\xffQ"), "an item that is no frame"),
    "a channel": (message(DATA, b"B\0\0\0\1Q"), "an item that is no frame"),
    "nothing": (message(DATA), "an item that is no frame"),
    "a wrong inner length": (
        message(DATA, item(b"abc")[:4] + b"\7abcQ"),
        "an item that is no frame",
    ),
    "two items": (message(DATA, item(b"a") + item(b"b")), "an item that is no frame"),
    "no stop": (message(DATA, item(b"a")[:-1] + b"R"), "an item that is no frame"),
    "an error that is a frame": (message(CLOSE_ERROR, item(b"a")), "an item that is no frame"),
    "an error that is no text": (
        message(CLOSE_ERROR, item(b"\xff", b"N")),
        "an error that is no text",
    ),
    "an end with a payload": (message(CLOSE, item(b"a")), "an end that is not empty"),
}


@pytest.mark.parametrize(("data", "what"), BROKEN.values(), ids=BROKEN)
def test_what_is_not_allowed_ends_the_link(host: Host, data: bytes, what: str) -> None:
    host.say(data + message(DATA, item(b"never heard")))
    assert host.reason() == f"the host broke the protocol: {what}"
    assert host.link.broke_protocol
    assert host.recorder.frames_waiting() == 0


def test_the_largest_frame_passes_and_a_larger_one_does_not(host: Host) -> None:
    host.say(message(DATA, item(bytes(MAX_FRAME_BYTES))))
    assert len(host.recorder.frame()) == MAX_FRAME_BYTES
    host.say(message(DATA, item(bytes(MAX_FRAME_BYTES + 1)))[:9])
    assert host.reason().endswith(f"the limit is {MAX_FRAME_BYTES}")


def test_a_frame_that_cannot_be_read_ends_the_link_with_one_line() -> None:
    host = Host(recorder=Reader())
    host.say(message(DATA, item(b"A{}")))
    assert host.reason() == "the host broke the protocol: a body is not a list of messages"
    assert host.link.broke_protocol
    host.socket.close()
    host.link.close(WAIT_S)


def test_an_end_is_told_and_nothing_after_it_is_heard(
    host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    host.say(message(CLOSE) + message(CLOSE_ERROR, item(b"\x1b[31mboo", b"N")))
    assert host.reason() == "the agent ended"
    host.socket.shutdown(socket.SHUT_RDWR)
    host.link.close(WAIT_S)
    assert capfd.readouterr() == ("", "")


def test_an_error_of_the_agent_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    """By us alone: execnet prints what nobody took from a channel that is no longer used."""
    host = Host()
    host.say(message(CLOSE_ERROR, item("Traceback\n\u2603\n".encode(), b"N")))
    assert host.reason() == "the agent failed: \u2603\nTraceback\n\u2603"
    host.socket.close()
    host.link.close(WAIT_S)
    del host
    gc.collect()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cut_at", [0, 1, 8, 9, 12])
def test_an_end_inside_a_message_is_an_end(host: Host, cut_at: int) -> None:
    host.say(message(DATA, item(b"frame"))[:cut_at])
    host.socket.shutdown(socket.SHUT_RDWR)
    assert host.reason() == "the connection ended"
