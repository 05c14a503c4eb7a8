"""A TCP proxy whose line can be slow, cut, corrupted or dead, from one byte to the next.

It stands between a client and a server on loopback. What it does to the bytes is changed while
they flow, by calls or by triggers: ``proxy.after(FROM_HOST, 10_000, proxy.cut)`` cuts the line when
exactly so many more bytes have come from the host. Nothing depends on chance or on a clock.
"""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK_BYTES: Final = 64 * 1024
BACKLOG: Final = 100
CLOSE_TIMEOUT_S: Final = 10.0
"""For the threads of a proxy to end: they wait for nothing but what wakes them."""

RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER that makes ``close`` send RST instead of FIN."""


class Direction(enum.Enum):
    """Which way bytes go."""

    TO_HOST = "to the host"
    FROM_HOST = "from the host"


TO_HOST: Final = Direction.TO_HOST
FROM_HOST: Final = Direction.FROM_HOST
BOTH: Final = (TO_HOST, FROM_HOST)


class _Link:
    """One connection through the proxy: both sockets, and what wakes its two threads."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.sockets = {TO_HOST: (client, server), FROM_HOST: (server, client)}
        self.waking, self.wake = socket.socketpair()
        self.is_cut = False
        self.threads_left = 2
        for one in (client, server):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def cut(self, *, reset: bool) -> None:
        """Make both threads leave; the last one closes, and so resets, the sockets."""
        if not self.is_cut:
            self.is_cut = True
            for one in self.sockets[TO_HOST] if reset else ():
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.wake.send(b"x")

    def receive(self, source: socket.socket) -> bytes | None:
        """Return bytes, ``b""`` at the end, None when the link was cut."""
        readable, _, _ = select.select([source, self.waking], [], [])
        return None if self.waking in readable else source.recv(CHUNK_BYTES)

    def send(self, target: socket.socket, data: bytes) -> None:
        """Send all of it, unless the link is cut meanwhile."""
        while data:
            readable, writable, _ = select.select([self.waking], [target], [])
            if readable:
                return
            if writable:
                data = data[target.send(data) :]

    def close(self) -> None:
        for one in (*self.sockets[TO_HOST], self.waking, self.wake):
            one.close()


class Proxy:
    """A proxy in front of one port of this machine. Its methods may be called from any thread.

    Attributes:
        port: where it listens on 127.0.0.1; it stays the same when it refuses and listens again.
        delay_s: how long each piece of up to 64 KiB is held up in each direction.
        bytes_per_s: how many bytes pass in each direction; None for as many as there are.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._links: list[_Link] = []
        self._unanswered: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._passed = dict.fromkeys(Direction, 0)
        self._triggers: dict[Direction, list[tuple[int, Callable[[], None]]]] = {
            direction: [] for direction in Direction
        }
        self._swallowed: set[Direction] = set()
        self._to_flip: set[Direction] = set()
        self._to_drop = 0
        self._is_silent = False
        self.accepted_count = 0
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.port = 0
        self._listener: socket.socket | None = None
        self.listen()

    # -- what happens to connections that are made -----------------------------------------

    def listen(self) -> None:
        """Listen, again after ``refuse``."""
        self._listener = socket.create_server(
            ("127.0.0.1", self.port), backlog=BACKLOG, reuse_port=False
        )
        self.port = self._listener.getsockname()[1]
        self._start(self._accept, self._listener)

    def refuse(self) -> None:
        """Let new connections be refused, as where no server runs. Open ones stay."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)  # Wakes the thread that accepts.
            listener.close()

    def drop(self, count: int) -> None:
        """Hang up on so many of the next connections before a byte has passed."""
        with self._lock:
            self._to_drop = count

    def say_nothing(self) -> None:
        """Accept new connections and leave them at that."""
        self._is_silent = True

    # -- what happens to those that are open -----------------------------------------------

    def cut(self, *, reset: bool = False) -> None:
        """End every open connection on both sides, by FIN or by RST."""
        with self._lock:
            for link in self._links:
                link.cut(reset=reset)

    def blackhole(self, *directions: Direction) -> None:
        """Swallow what is sent, the end of a connection too, as a firewall that forgot it.

        Connections stay open on both sides. Without a direction, both are meant.
        """
        self._swallowed |= set(directions or BOTH)

    def heal(self) -> None:
        """Let bytes pass again. What was swallowed is lost."""
        self._swallowed.clear()

    def corrupt(self, direction: Direction) -> None:
        """Flip all bits of the next byte in a direction."""
        self._to_flip.add(direction)

    def after(self, direction: Direction, count: int, action: Callable[[], None]) -> None:
        """Do something when exactly so many more bytes have passed in a direction.

        Args:
            direction: whose bytes are counted, over all connections.
            count: how many.
            action: called once, in a thread of the proxy, before the next byte passes.
        """
        with self._lock:
            self._triggers[direction].append((self._passed[direction] + count, action))
            self._triggers[direction].sort(key=lambda trigger: trigger[0])

    def passed(self, direction: Direction) -> int:
        """Return how many bytes have come to the proxy in a direction, swallowed ones too."""
        return self._passed[direction]

    def close(self) -> None:
        """End everything and wait for it."""
        self._closing.set()
        self.refuse()
        self.cut()
        for one in self._unanswered:
            one.close()
        for thread in self._threads:
            thread.join(CLOSE_TIMEOUT_S)
            assert not thread.is_alive(), f"{thread.name} does not end"

    # -- threads ---------------------------------------------------------------------------

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # It was closed.
                return
            with self._lock:
                self.accepted_count += 1
                is_dropped = self._to_drop > 0
                self._to_drop -= is_dropped
            if is_dropped:
                client.close()
            elif self._is_silent:
                self._unanswered.append(client)
            else:
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:  # Nobody listens behind us; the client learns it by an end.
            client.close()
            return
        link = _Link(client, server)
        with self._lock:
            self._links.append(link)
        for direction in Direction:
            self._start(self._pump, link, direction)

    def _pump(self, link: _Link, direction: Direction) -> None:
        source, target = link.sockets[direction]
        try:
            while data := link.receive(source):
                self._pass_on(link, direction, data)
            if data == b"" and direction not in self._swallowed:
                target.shutdown(socket.SHUT_WR)
        except OSError:  # One side has reset the connection: so does the other one see it.
            if direction not in self._swallowed:
                link.cut(reset=True)
        with self._lock:
            link.threads_left -= 1
            if not link.threads_left and link in self._links:
                self._links.remove(link)
                link.close()

    def _pass_on(self, link: _Link, direction: Direction, data: bytes) -> None:
        while data and not link.is_cut:
            with self._lock:
                triggers = self._triggers[direction]
                room = triggers[0][0] - self._passed[direction] if triggers else len(data)
                piece, data = data[:room], data[room:]
                self._passed[direction] += len(piece)
                due = [t for t in triggers if t[0] <= self._passed[direction]]
                del triggers[: len(due)]
            if piece and direction not in self._swallowed:
                self._hold_up(len(piece))
                link.send(link.sockets[direction][1], self._touched(direction, piece))
            for _, action in due:
                action()

    def _hold_up(self, byte_count: int) -> None:
        rate = self.bytes_per_s
        self._closing.wait(self.delay_s + (byte_count / rate if rate else 0.0))

    def _touched(self, direction: Direction, piece: bytes) -> bytes:
        if direction not in self._to_flip:
            return piece
        self._to_flip.remove(direction)
        return bytes([piece[0] ^ 0xFF]) + piece[1:]


@contextlib.contextmanager
def running(server_port: int) -> Iterator[Proxy]:
    """Run a proxy in front of a port for the time of a ``with`` block."""
    proxy = Proxy(server_port)
    try:
        yield proxy
    finally:
        proxy.close()
