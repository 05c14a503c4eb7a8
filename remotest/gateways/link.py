"""An open gateway: execnet between the controller and the agent, hidden from all other modules.

Everything that a host sends passes ``CheckedIO`` before execnet sees it. Only frames of our one
channel and the channel's end are accepted, and their size is checked before they are read. Other
messages that execnet would obey (create channels, build lists of any length, print an error, shut
down) are refused.
"""

from __future__ import annotations

import contextlib
import functools
import struct
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Final

import execnet
from execnet import gateway_base

from pytest_remotest.messages import MAX_FRAME_BYTES, ProtocolError
from pytest_remotest.values import cut
from remotest.bundle import LOADER, pack_bundle, read_bundle
from remotest.errors import STDERR_TAIL_BYTES, TALKING, HostLost
from remotest.gateways.base import PACKET_BYTES, WRITE_STALL_S
from remotest.gateways.bootlines import engine_message
from remotest.gateways.bootstrap import EXIT_STATUS_WAIT_S, describe_end
from remotest.gateways.enginecache import engine_source
from remotest.sync.memory import cache_root

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from remotest.gateways.base import ByteStream, OnClosed, OnFrame
    from remotest.gateways.bootlines import Interpreter
    from remotest.gateways.bootstrap import Booted

READ_BYTES: Final = 64 * 1024
"""What is asked of a stream at once: small reads cost paramiko more than the network does."""

KILL_WAIT_S: Final = 5.0
"""For the reader thread to see the end of a stream that was killed: a moment, on a busy machine."""

START_TIMEOUT_S: Final = 2 * WRITE_STALL_S
"""From execnet's start to that of our agent: two writes to a host that may stall."""

MARGIN_BYTES: Final = 4096
"""For the messages of execnet around the loader and the bundle, or a frame: some 100 bytes."""

CHANNEL_ID: Final = 1
"""The first channel that our side of an execnet gateway makes, and the only one."""

_HEADER: Final = struct.Struct("!bii")  # kind, channel, length
_LENGTH: Final = struct.Struct("!i")
_ENVELOPE_BYTES: Final = 1 + _LENGTH.size + 1  # type, length, stop: around one bytes or str
_DATA: Final = gateway_base.Message.CHANNEL_DATA
_CLOSE: Final = gateway_base.Message.CHANNEL_CLOSE
_CLOSE_ERROR: Final = gateway_base.Message.CHANNEL_CLOSE_ERROR
_TYPE_OF: Final = {_DATA: gateway_base.opcode.BYTES, _CLOSE_ERROR: gateway_base.opcode.PY3STRING}

CLOSED_BY_US: Final = "closed by the controller"
AGENT_ENDED: Final = "the agent ended"


_preparing = threading.Lock()


def size_bytes(bundle: Mapping[str, str], cache: str | None) -> int:
    """Return how much ``AgentLink.start`` says, and a little more."""
    engine, packed = _prepared(bundle, cache)
    return len(engine) + len(bundle[LOADER]) + len(packed) + MARGIN_BYTES


def prepare() -> None:
    """Make what hosts are told first, where that is the same for all; see ``enginecache``."""
    _prepared(read_bundle(), None)


def _prepared(bundle: Mapping[str, str], cache: str | None) -> tuple[bytes, bytes]:
    """Return what makes an interpreter run execnet, and the packed bundle, which is sent next.

    Both are made once. Hosts that are opened at the same time wait for the first to have made them.
    """
    with _preparing:
        packed = pack_bundle(bundle)
        return _engine(packed, cache), packed


@functools.lru_cache(maxsize=8)  # Some hosts may have a cache of their own.
def _engine(packed: bytes, cache: str | None) -> bytes:
    return engine_message(engine_source(cache_root()), read_bundle(), packed=packed, cache=cache)


class CheckedIO:
    """What execnet reads from and writes to: a byte stream, buffered and checked.

    Attributes:
        fault: why reading ended, where that was not just the end of the stream.
        channel_is_open: whether the host has not yet ended the channel.
        broke_protocol: the fault is what the host has said.
    """

    def __init__(self, stream: ByteStream) -> None:
        self.execmodel = gateway_base.get_execmodel("thread")
        self.fault = ""
        self.channel_is_open = True
        self.broke_protocol = False
        self._stream = stream
        self._buffer = bytearray()
        self._payload: bytes | None = None
        self._may_read = threading.Event()
        self._writing = threading.Lock()

    def begin_reading(self, received: bytes = b"", fault: str = "") -> None:
        """Let execnet's thread read, which waits for this; or end it, with a reason.

        ``received`` has come already.
        """
        self._buffer += received
        self.fault = fault
        self._may_read.set()

    def read(self, size: int) -> bytes:
        """Return, in turns, the header and the payload of the next message that is allowed.

        Raises:
            EOFError: the stream has ended, or the host broke the protocol; see ``fault``.
        """
        if self._payload is not None:
            payload, self._payload = self._payload, None
            return payload
        assert size == _HEADER.size
        if not self._may_read.wait(START_TIMEOUT_S):
            self.fault = "never started"
        if self.fault:
            raise EOFError(self.fault)
        header = self._take(size)
        kind, channel, length = _HEADER.unpack(header)
        self._check_header(kind, channel, length)
        self._payload = self._take(length)
        self._check_payload(kind, self._payload)
        self.channel_is_open = kind == _DATA
        return header

    def _check_header(self, kind: int, channel: int, length: int) -> None:
        if not self.channel_is_open:
            raise self._violation("it said more after its end")
        if kind not in (_DATA, _CLOSE, _CLOSE_ERROR) or channel != CHANNEL_ID:
            raise self._violation(f"a message of kind {kind} on channel {channel}")
        if not 0 <= length <= MAX_FRAME_BYTES + _ENVELOPE_BYTES:
            raise self._violation(f"a frame of {length} bytes, the limit is {MAX_FRAME_BYTES}")

    def _check_payload(self, kind: int, payload: bytes) -> None:
        """Let through only one bytes object, one text, or nothing, by the kind of message."""
        if kind == _CLOSE:
            if payload:
                raise self._violation("an end that is not empty")
            return
        length = _LENGTH.pack(max(0, len(payload) - _ENVELOPE_BYTES))
        start = _TYPE_OF[kind] + length
        if not payload.startswith(start) or not payload.endswith(gateway_base.opcode.STOP):
            raise self._violation("an item that is no frame")
        if kind == _CLOSE_ERROR:
            try:
                payload[len(start) : -1].decode("utf-8")
            except UnicodeDecodeError:
                raise self._violation("an error that is no text") from None

    def _violation(self, what: str) -> EOFError:
        self.refuse(what)
        return EOFError(self.fault)

    def refuse(self, what: str) -> None:
        """Note what the host has said that it may not."""
        self.broke_protocol = True
        self.fault = f"the host broke the protocol: {what}"

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            piece = self._stream.read(READ_BYTES)
            if not piece:
                raise EOFError("the stream ended")
            self._buffer += piece
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def write(self, data: bytes) -> None:
        """Write all of a message. Any thread may call this.

        Before there is anything to read, nobody watches whether the host still takes something.

        Raises:
            OSError: the other side is gone.
        """
        stall_s = None if self._may_read.is_set() else WRITE_STALL_S
        with self._writing:
            self._stream.write(data, stall_s)

    def send(self, frame: bytes) -> None:
        """Write a frame as execnet's channel does, which copies all of it twice before.

        For copies of large frames the kernel looks for memory again and again. Any thread may call
        this.

        Raises:
            OSError: the other side is gone.
        """
        start = _HEADER.pack(_DATA, CHANNEL_ID, len(frame) + _ENVELOPE_BYTES)
        start += _TYPE_OF[_DATA] + _LENGTH.pack(len(frame))
        # Two pieces that are copied, and between them whole packets.
        view = memoryview(frame)
        first = PACKET_BYTES - len(start)
        last = max(0, len(frame) - first) % PACKET_BYTES
        with self._writing:
            if len(frame) > first:
                self._stream.write(start + view[:first])
                self._stream.write(view[first : len(frame) - last])
                self._stream.write(b"".join([view[len(frame) - last :], gateway_base.opcode.STOP]))
            else:
                self._stream.write(start + frame + gateway_base.opcode.STOP)

    def close_read(self) -> None:
        """Do nothing: the gateway, not execnet, ends the stream."""

    def close_write(self) -> None:
        """Let the host see that nothing more comes."""
        self._stream.close_write()

    def wait(self) -> None:
        """Do nothing: the gateway, not execnet, waits for the process."""

    def kill(self) -> None:
        """Do nothing: the gateway, not execnet, ends the process."""


class AgentLink:
    """An ``AgentGateway`` over any byte stream whose interpreter waits for execnet's engine.

    It is ``start``ed, which may be before the interpreter has answered, and then it ``listen``s.

    Attributes:
        interpreter: what the interpreter says that it is.
        noise: what the host printed before it answered; worth a warning, does no harm.
    """

    interpreter: Interpreter
    noise: str

    def __init__(
        self,
        stream: ByteStream,
        *,
        host: str,
        is_local: bool,
        heartbeat_s: float,
        on_frame: OnFrame,
        on_closed: OnClosed,
        end_there: Callable[[], None],
    ) -> None:
        self.is_local = is_local
        self.heartbeat_s = heartbeat_s
        self._stream = stream
        self._host = host
        self._on_frame = on_frame
        self._on_closed = on_closed
        self._end_there = end_there
        self._is_closing = False
        self._reason = ""
        self._callback_fault = ""
        self._given_up = ""
        self._ended = threading.Event()
        self._io = CheckedIO(stream)
        self._channel: Any = None

    @property
    def broke_protocol(self) -> bool:
        """See ``AgentGateway``."""
        return self._io.broke_protocol

    @property
    def is_started(self) -> bool:
        """Whether the interpreter was told all."""
        return self._channel is not None

    def start(
        self, bundle: Mapping[str, str], *, cache: str | None = None, will_fork: bool = False
    ) -> None:
        """Tell the interpreter to run execnet, and in it the loader, and give that the bundle.

        Args:
            bundle: what the agent is loaded from.
            cache: the host's, as the user wrote it.
            will_fork: see ``open_gateway``.

        Raises:
            OSError: the other side is gone. Neither callback is ever called.
        """
        engine, packed = _prepared(bundle, cache)
        self._stream.write(engine, WRITE_STALL_S)
        # Not registered with any execnet group: no exit handler will ever touch it.
        gateway = execnet.Gateway(self._io, execnet.XSpec("popen//id=remotest"))
        try:
            channel = gateway.remote_exec(f"{bundle[LOADER]}\n\nmain(channel, {will_fork})\n")
            channel.send(packed)
        except OSError:
            self.abandon()
            raise
        self._channel = channel

    def listen(self, booted: Booted) -> None:
        """Take in what the interpreter has answered, and from now on all that the agent says."""
        self.interpreter = booted.interpreter
        self.noise = booted.noise
        self._channel.setcallback(self._receive, endmarker=None)
        self._io.begin_reading(booted.received)

    def abandon(self) -> None:
        """End what waits for an interpreter that will not be listened to."""
        self._io.begin_reading(fault="never started")

    def send(self, frame: bytes) -> None:
        """See ``AgentGateway``."""
        if self._ended.is_set():  # a socket would tell it only at the second write
            raise self._lost()
        try:
            self._io.send(frame)
        except OSError:
            raise self._lost() from None

    def send_ahead(self, frame: bytes) -> bool:
        """See ``AgentGateway``."""
        if self._stream.room_bytes < len(frame) + MARGIN_BYTES:
            return False
        with contextlib.suppress(OSError):  # What is read then says more.
            self._io.send(frame)
        return True

    def _lost(self) -> HostLost:
        cause = self._reason or "the connection ended"
        return HostLost(host=self._host, phase=TALKING, cause=cause)

    def give_up(self, reason: str) -> None:
        """See ``AgentGateway``."""
        self._given_up = reason
        self._stream.kill()
        self._end_there()

    def close(self, timeout_s: float) -> None:
        """See ``AgentGateway``."""
        deadline = time.monotonic() + timeout_s
        self._is_closing = True
        self._stream.close_write()
        if self._ended.wait(timeout_s):
            self._stream.exit_status(deadline - time.monotonic())
            self._stream.kill()
        else:
            self._stream.kill()
            self._end_there()
        self._ended.wait(KILL_WAIT_S)

    def _receive(self, frame: bytes | None) -> None:
        """Take a frame, or None at the end. Called by execnet's reader thread."""
        if frame is None:
            self._reason = self._reason_of_end()
            self._ended.set()
            self._on_closed(self._reason)
            return
        if self._callback_fault:
            return
        try:
            self._on_frame(frame)
        except ProtocolError as error:
            self._io.refuse(str(error))
            self._stream.kill()
        except Exception:  # noqa: BLE001  execnet would send its traceback to the host
            self._callback_fault = f"the controller failed:\n{traceback.format_exc()}"
            self._stream.kill()

    def _reason_of_end(self) -> str:
        # Taken out: execnet prints what is left there.
        errors: list[Any] = self._channel._remoteerrors  # noqa: SLF001  no other way to take it
        agent_errors = [error.formatted for error in errors]
        errors.clear()
        if self._is_closing:
            return CLOSED_BY_US
        if fault := self._given_up or self._callback_fault or self._io.fault:
            return fault
        if agent_errors:
            story = cut(agent_errors[0], STDERR_TAIL_BYTES).strip()
            before, _, last = story.rpartition("\n")  # Tables show the first line alone.
            return f"the agent failed: {last}\n{story}" if before else f"the agent failed: {last}"
        if not self._io.channel_is_open:
            return AGENT_ENDED
        cause = describe_end(self._stream.exit_status(EXIT_STATUS_WAIT_S))
        last_words = self._stream.error_tail().strip()
        return f"{cause}; its last words:\n{last_words}" if last_words else cause
