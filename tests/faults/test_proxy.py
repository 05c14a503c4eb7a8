"""The proxy of the lab does to a line what it is told, at the byte that it is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final

import pytest
from faultlab import proxy
from faultlab.proxy import FROM_HOST, TO_HOST, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S: Final = 30.0
HELLO: Final = b"hello"


class Ends:
    """Both ends of a connection through a proxy."""

    def __init__(self, line: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.line = line
        self.client = client
        self.server = server

    def receive(self, count: int, *, at: str) -> bytes:
        """Return so many bytes that arrive at the ``client`` or ``server``."""
        data = b""
        end: socket.socket = getattr(self, at)
        while len(data) < count and (piece := end.recv(count - len(data))):
            data += piece
        return data


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_S)
        yield listener


@pytest.fixture
def line(listener: socket.socket) -> Iterator[Proxy]:
    with proxy.running(listener.getsockname()[1]) as line:
        yield line


@pytest.fixture
def ends(line: Proxy, listener: socket.socket) -> Iterator[Ends]:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connect(line))
        server, _ = listener.accept()
        stack.enter_context(server)
        server.settimeout(WAIT_S)
        yield Ends(line, client, server)


def connect(line: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), WAIT_S)


def test_bytes_and_ends_pass_both_ways(ends: Ends) -> None:
    ends.client.sendall(HELLO)
    assert ends.receive(5, at="server") == HELLO
    ends.client.shutdown(socket.SHUT_WR)
    assert ends.receive(1, at="server") == b""
    ends.server.sendall(HELLO[::-1])
    assert ends.receive(5, at="client") == HELLO[::-1]
    assert (ends.line.passed(TO_HOST), ends.line.passed(FROM_HOST)) == (5, 5)


def test_much_passes_a_slow_line_unchanged(ends: Ends) -> None:
    data = bytes(range(256)) * 2000
    ends.line.delay_s = 0.001
    ends.line.bytes_per_s = 5_000_000
    writer = threading.Thread(target=ends.client.sendall, args=(data,))
    writer.start()
    assert ends.receive(len(data), at="server") == data
    writer.join(WAIT_S)


def is_reset(one: socket.socket) -> bool:
    """Read to the end, and return whether that was a reset."""
    try:
        while one.recv(5):
            pass
    except ConnectionResetError:
        return True
    return False


@pytest.mark.parametrize("reset", [False, True])
def test_a_line_is_cut_at_a_byte(ends: Ends, reset: bool) -> None:
    ends.line.after(TO_HOST, 3, lambda: ends.line.cut(reset=reset))

    ends.client.sendall(HELLO)

    if reset:  # What was on its way is lost with it.
        for one in (ends.client, ends.server):
            assert is_reset(one)
    else:
        assert ends.receive(5, at="server") == b"hel"
        # The proxy has left bytes unread, which makes an end of its own a reset.
        with contextlib.suppress(ConnectionResetError):
            assert ends.receive(1, at="client") == b""


def test_one_byte_is_changed(ends: Ends) -> None:
    ends.line.after(FROM_HOST, 2, lambda: ends.line.corrupt(FROM_HOST))
    ends.server.sendall(HELLO)
    assert ends.receive(5, at="client") == b"he" + bytes([HELLO[2] ^ 0xFF]) + b"lo"


def test_a_black_hole_swallows_bytes_and_ends(ends: Ends) -> None:
    ends.line.after(TO_HOST, 2, lambda: ends.line.blackhole(TO_HOST))
    swallowed = threading.Event()
    ends.line.after(TO_HOST, 5, swallowed.set)

    ends.client.sendall(HELLO)
    assert ends.receive(2, at="server") == b"he"
    assert swallowed.wait(WAIT_S)
    ends.server.sendall(HELLO)
    assert ends.receive(5, at="client") == HELLO
    ends.line.heal()
    ends.client.sendall(b"again")
    assert ends.receive(5, at="server") == b"again"


def test_refused_and_accepted_again(line: Proxy, listener: socket.socket) -> None:
    port = line.port
    line.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(line)
    line.listen()
    with connect(line) as client:
        client.sendall(HELLO)
        server, _ = listener.accept()
        with server:
            assert server.recv(5) == HELLO
    assert line.port == port


def test_the_first_connections_are_dropped(line: Proxy, listener: socket.socket) -> None:
    line.drop(2)
    for _ in range(2):
        with connect(line) as client:
            assert client.recv(1) == b""
    with connect(line) as client:
        client.sendall(HELLO)
        server, _ = listener.accept()
        with server:
            assert server.recv(5) == HELLO
    assert line.accepted_count == 3


def test_a_line_that_says_nothing(line: Proxy, listener: socket.socket) -> None:
    line.say_nothing()
    listener.settimeout(0.0)
    with connect(line) as client:
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
        with pytest.raises(BlockingIOError):
            listener.accept()
