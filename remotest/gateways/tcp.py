"""Byte streams over TCP sockets: the ``socket=host:port`` of a spec."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING, Final

from remotest.gateways.attempts import (
    NAME_ATTEMPTS,
    DialError,
    attempts_after,
    is_passing_name_error,
    persist,
)
from remotest.gateways.base import WRITE_STALL_S

if TYPE_CHECKING:
    from remotest.spec import SocketTarget

CONNECT_TIMEOUT_S: Final = 10.0
"""A SYN lost twice is repeated within 7 s."""


class SocketStream:
    """A ``ByteStream`` over a connected stream socket, which it owns."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._reading = threading.Lock()
        self._writing = threading.Lock()

    @property
    def room_bytes(self) -> int:
        """See ``ByteStream``."""
        return 0

    def read(self, size: int, timeout_s: float | None = None) -> bytes:
        """See ``ByteStream``."""
        with self._reading:
            try:
                self._wait_for(select.POLLIN, timeout_s)
                return self._socket.recv(size)
            except TimeoutError:
                raise
            except OSError:  # Reset by the other side, or closed by us: either way the end.
                return b""

    def write(self, data: bytes | memoryview, stall_s: float | None = None) -> None:
        """See ``ByteStream``."""
        with self._writing:
            waiting = memoryview(data)
            while waiting:
                try:
                    waiting = waiting[self._socket.send(waiting) :]
                except BlockingIOError:  # noqa: PERF203  rare: a full buffer
                    self._wait_for(select.POLLOUT, WRITE_STALL_S if stall_s is None else stall_s)

    def _wait_for(self, event: int, timeout_s: float | None) -> None:
        if self._socket.fileno() < 0:
            raise OSError("the stream is closed")
        poller = select.poll()
        poller.register(self._socket, event)
        if not poller.poll(None if timeout_s is None else max(0, timeout_s) * 1000):
            raise TimeoutError(f"nothing moved for {timeout_s:g} s")

    def close_write(self) -> None:
        """See ``ByteStream``."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """See ``ByteStream``. The process behind a socket server is not ours to end."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # Whoever reads or writes now returns.
        with self._reading, self._writing:
            self._socket.close()

    def error_tail(self) -> str:
        """See ``ByteStream``. A socket server keeps its error stream to itself."""
        return ""

    def exit_status(self, timeout_s: float) -> int | None:
        """See ``ByteStream``. Not to be known through a socket."""
        del timeout_s
        return None


def connect_socket(target: SocketTarget, timeout_s: float = CONNECT_TIMEOUT_S) -> SocketStream:
    """Connect to a socket server of execnet; try again where it is only being restarted.

    Raises:
        DialError: there is no such host, or nothing listens there.
    """
    return persist(lambda: _connect_once(target, timeout_s), limit_s=timeout_s)


def _connect_once(target: SocketTarget, timeout_s: float) -> SocketStream:
    try:
        connection = socket.create_connection((target.host, target.port), timeout_s)
    except OSError as error:
        failure = DialError(
            host=f"{target.host}:{target.port}",
            phase="connect",
            cause=_cause(error, target.host, timeout_s),
            remedy="check that `python -m execnet.script.socketserver` runs there",
        )
        failure.attempts = attempts_after([error])
        if is_passing_name_error(error):
            failure.attempts = NAME_ATTEMPTS
        elif isinstance(error, socket.gaierror):
            failure.fault = "wrong"
        raise failure from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return SocketStream(connection)


def _cause(error: OSError, host: str, timeout_s: float) -> str:
    if isinstance(error, socket.gaierror):
        return f"no address is known for {host!r} ({error.strerror})"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    return (error.strerror or str(error)).lower()
