"""A line with a round trip loses nothing, keeps the order, and hands on the end."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from bench.delay import DelayLine

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUND_TRIP_S = 0.02
WAIT_S = 30
DATA = b"".join(b"%07d\n" % number for number in range(500_000))


@contextlib.contextmanager
def echoing() -> Iterator[int]:
    """Run a server that says hello, then everything that it hears, until the end of that."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello\n")
            while data := connection.recv(1 << 16):
                connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(WAIT_S)
    listener.close()
    assert not thread.is_alive()


@pytest.fixture
def line() -> Iterator[DelayLine]:
    with echoing() as port:
        line = DelayLine(port, ROUND_TRIP_S)
        yield line
        line.close()


def test_all_comes_back_in_its_order_and_then_the_end(line: DelayLine) -> None:
    with socket.create_connection(("127.0.0.1", line.port), WAIT_S) as client:

        def speak() -> None:
            client.sendall(DATA)
            client.shutdown(socket.SHUT_WR)

        speaker = threading.Thread(target=speak)
        speaker.start()
        heard = b"".join(iter(lambda: client.recv(1 << 16), b""))
        speaker.join(WAIT_S)
    assert heard == b"hello\n" + DATA


def test_a_client_that_leaves_is_missed_by_the_server(line: DelayLine) -> None:
    with socket.create_connection(("127.0.0.1", line.port), WAIT_S) as client:
        client.sendall(DATA)  # The fixture waits for the server, which ends by this.


def test_nobody_behind_the_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    line = DelayLine(port, ROUND_TRIP_S)
    with socket.create_connection(("127.0.0.1", line.port), WAIT_S) as client:
        assert client.recv(1) == b""
    line.close()
