"""A ByteStream over one SSH channel."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST

from remotest.errors import STDERR_TAIL_BYTES
from remotest.gateways.base import PACKET_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.errors import ConnectError

READ_BYTES: Final = 64 * 1024
"""How much is taken from the channel at once.

paramiko deletes what was read from the front of an array: with megabytes waiting there, small
reads cost a thousand times what large ones do.
"""


PRIVATE: Final = ((paramiko.Channel, "_event_pending"), (paramiko.Transport, "_send_user_message"))
"""What is used of paramiko that it does not promise. All have it from 3.5.0 to 5.1.0; with one that
has not, a command is waited for."""


class SshStream:
    """The standard streams of a command on a host, or a forwarded connection.

    A write has no deadline unless one is given: a command may well not read for a while. It ends
    when the other side takes the bytes, when the connection is lost, or with ``kill``.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        command: str | None = None,
        refusal: Callable[[str], ConnectError | None] = lambda _: None,
    ) -> None:
        """Take in a channel that is open, and have the host begin a command on it.

        What is written from now on goes along with that: nobody waits for the host to agree.

        Args:
            channel: of the stream.
            command: what is to be begun; None for a channel that is a connection by itself.
            refusal: returns the error of a host that has not begun it, if it is still there; it
                is given the last that was said on the error stream.

        Raises:
            paramiko.SSHException: it cannot be asked for, or was waited for and is refused.
        """
        self._channel = channel
        self._refusal = refusal
        self._arrived = _Arrivals()
        self._unread = b""
        self._error_tail = b""
        self._error_lock = threading.Lock()
        # The same event for both: paramiko sets it for data and for the end.
        channel.in_buffer.set_event(self._arrived)
        channel.in_stderr_buffer.set_event(self._arrived)
        if command is not None:
            _ask_for(channel, command)

    @property
    def room_bytes(self) -> int:
        """What the host has said to take, less what was sent."""
        return self._channel.out_window_size

    def read(self, size: int, timeout_s: float | None = None) -> bytes:
        """Return between 1 and ``size`` bytes, or ``b""`` at the end of the stream.

        Raises:
            TimeoutError: nothing came within ``timeout_s``.
            ConnectError: the host did not begin the command.
        """
        if not self._unread:
            self._unread = self._receive(timeout_s)
            is_begun = self._unread or self._channel.event_ready
            if not is_begun and (error := self._refusal(self.error_tail())):
                raise error
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def write(self, data: bytes | memoryview, stall_s: float | None = None) -> None:
        """Write all of ``data``.

        Raises:
            OSError: the other side is gone.
            TimeoutError: it took nothing for ``stall_s``.
        """
        self._channel.settimeout(stall_s)
        # paramiko's own sendall copies the rest for every packet, and never ends after close_write.
        view = memoryview(data)
        while view:
            try:
                sent = self._channel.send(view[:PACKET_BYTES].tobytes())
            except (paramiko.SSHException, EOFError) as error:
                raise OSError(f"the connection is lost: {error}") from error
            if sent == 0:
                raise OSError("the stream is closed for writing")
            view = view[sent:]

    def close_write(self) -> None:
        """Let the command see the end of its input. Never raises."""
        try:
            self._channel.shutdown_write()
        except (OSError, EOFError, paramiko.SSHException):
            return  # The connection is gone: the command sees its end anyway.

    def kill(self) -> None:
        """Close the channel; the server then closes the command's streams. Never raises."""
        try:
            self._channel.close()
        except (OSError, EOFError, paramiko.SSHException):
            return  # The connection is gone, and the channel with it.

    def error_tail(self) -> str:
        """Return the last that the command said on its error stream."""
        self._collect_errors()
        return self._error_tail.decode("utf-8", "replace")

    def exit_status(self, timeout_s: float) -> int | None:
        """Return the exit status, or None where there is none yet or a signal ended the command."""
        self._channel.status_event.wait(timeout_s)
        status = self._channel.exit_status
        return status if status >= 0 else None

    def _receive(self, timeout_s: float | None) -> bytes:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._arrived.forget()
            self._collect_errors()
            # Whatever comes from here on sets the event again, so nothing is slept through.
            if self._channel.recv_ready() or self._channel.eof_received or self._channel.closed:
                return self._channel.recv(READ_BYTES)
            remaining_s = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._arrived.wait(remaining_s):
                raise TimeoutError(f"nothing came within {timeout_s:g} s")

    def _collect_errors(self) -> None:
        """Move what waits on the error stream into the tail.

        It has to be taken even if nobody wants it: both streams share one window, and a full
        error stream would stop the other one.
        """
        with self._error_lock:
            while self._channel.recv_stderr_ready():
                self._error_tail += self._channel.recv_stderr(READ_BYTES)
                self._error_tail = self._error_tail[-STDERR_TAIL_BYTES:]


def _ask_for(channel: paramiko.Channel, command: str) -> None:
    """Ask for a command as ``Channel.exec_command`` does, which then waits for the answer."""
    if not all(hasattr(owner, name) for owner, name in PRIVATE):
        channel.exec_command(command)
        return
    request = paramiko.Message()
    request.add_byte(cMSG_CHANNEL_REQUEST)
    request.add_int(channel.remote_chanid)
    request.add_string("exec")
    request.add_boolean(True)
    request.add_string(command)
    untyped: Any = channel
    untyped._event_pending()  # noqa: SLF001  the waiting is all that is left out
    untyped.transport._send_user_message(request)  # noqa: SLF001  as above


class _Arrivals(threading.Event):
    """Set when either stream has something new; only the reader resets it.

    paramiko clears the event of a stream that was read empty, which would hide the arrival of
    data on the other one.
    """

    def clear(self) -> None:
        """Do nothing: see ``forget``."""

    def forget(self) -> None:
        """Reset the event."""
        super().clear()
