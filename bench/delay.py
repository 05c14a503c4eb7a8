"""A line with a round-trip time: a TCP proxy that hands every byte on after half of it.

It lets through as much as comes. Making a connection takes its round trip, too, though the client
sees it made at once: the host hears of it no sooner than it would. What such a line does not have:
a slow start, losses, a limited width.
"""

from __future__ import annotations

import collections
import contextlib
import heapq
import itertools
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_BYTES: Final = 256 * 1024
BACKLOG: Final = 100


class DelayLine:
    """A line to one port of this machine. One thread moves everything.

    Attributes:
        port: where it begins, on 127.0.0.1.
        round_trip_s: how long bytes take to the host and back.
    """

    def __init__(self, server_port: int, round_trip_s: float) -> None:
        self._server_port = server_port
        self.round_trip_s = round_trip_s
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._waking, self._wake = socket.socketpair()
        self.sources: dict[socket.socket, _Flow] = {}
        self.blocked: dict[socket.socket, _Flow] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()  # Of two that are due at the same time, the first.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Cut what is open and wait for the end."""
        self._wake.close()
        self._thread.join()

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something when so much time has passed."""
        heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._numbers), action))

    def _run(self) -> None:
        while True:
            wait_s = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            sources = [self._waking, self._listener, *self.sources]
            # Not epoll: it counts in milliseconds.
            readable, writable, _ = select.select(sources, list(self.blocked), [], wait_s)
            if self._waking in readable:
                break
            for target in writable:
                if flow := self.blocked.pop(target, None):
                    flow.write()
            for source in readable:
                if source is self._listener:
                    self._accept()
                elif flow := self.sources.get(source):
                    flow.read()
            while self._due and self._due[0][0] <= time.monotonic():
                heapq.heappop(self._due)[2]()
        self._listener.close()
        self._waking.close()
        for flow in list(self.sources.values()):
            flow.cut()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        # The request comes to the host, its answer comes back, and what follows comes to the host.
        self.later(1.5 * self.round_trip_s, lambda: self._connect(client))

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:  # Nobody listens there; the client learns it by an end.
            client.close()
            return
        for source, target in ((client, server), (server, client)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            source.setblocking(False)
            self.sources[source] = _Flow(self, source, target)
        # What the client said as soon as it thought to be connected has been under way since.
        self.sources[client].read(delay_s=0.0)


class _Flow:
    """One direction of a connection."""

    def __init__(self, line: DelayLine, source: socket.socket, target: socket.socket) -> None:
        self._line = line
        self._source = source
        self._target = target
        self._arrived: collections.deque[bytes] = collections.deque()

    def read(self, delay_s: float | None = None) -> None:
        """Take what the source has said, to hand it on in half a round trip."""
        try:
            data = self._source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._line.sources.pop(self._source, None)
        wait_s = self._line.round_trip_s / 2 if delay_s is None else delay_s
        self._line.later(wait_s, lambda: self._arrive(data))

    def _arrive(self, data: bytes) -> None:
        self._arrived.append(data)
        if self._target not in self._line.blocked:
            self.write()

    def write(self) -> None:
        """Hand on what has arrived, as far as the other side takes it."""
        while self._arrived:
            data = self._arrived.popleft()
            if not data:
                self._end()
                return
            try:
                rest = data[self._target.send(data) :]
            except BlockingIOError:
                rest = data
            except OSError:  # Nobody is there any more.
                self.cut()
                return
            if rest:
                self._arrived.appendleft(rest)
                self._line.blocked[self._target] = self
                return

    def _end(self) -> None:
        """Hand on the end; where the other direction has ended before, all is over."""
        if self._target in self._line.sources:
            with contextlib.suppress(OSError):
                self._target.shutdown(socket.SHUT_WR)
        else:
            self.cut()

    def cut(self) -> None:
        """Close both sides."""
        for one in (self._source, self._target):
            self._line.sources.pop(one, None)
            self._line.blocked.pop(one, None)
            one.close()
