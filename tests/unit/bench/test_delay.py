"""A line with a round trip loses nothing, keeps the order, and hands on the end."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import pytest

from bench.delay import DelayLine

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUND_TRIP_S = 0.02
WAIT_S = 30
DATA_BYTES = 32 << 20
"""More than the kernel keeps for both ends of a connection."""


@dataclass(frozen=True)
class Echo:
    """A server that says hello, then everything that it hears, until the end of that."""

    port: int
    ended: threading.Event


@contextlib.contextmanager
def echoing() -> Iterator[Echo]:
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):  # It may see the end as a reset.
            connection.sendall(b"hello\n")
            while heard := connection.recv(1 << 16):
                connection.sendall(heard)
        ended.set()

    thread = threading.Thread(target=serve)
    thread.start()
    yield Echo(listener.getsockname()[1], ended)
    thread.join(WAIT_S)
    listener.close()


@pytest.fixture(scope="module")
def data() -> bytes:
    return Random(0).randbytes(DATA_BYTES)


@pytest.fixture
def echo() -> Iterator[Echo]:
    with echoing() as echo:
        yield echo


@pytest.fixture
def line(echo: Echo) -> Iterator[DelayLine]:
    line = DelayLine(echo.port, ROUND_TRIP_S)
    yield line
    line.close()


def test_all_comes_back_in_its_order_and_then_the_end(line: DelayLine, data: bytes) -> None:
    """Also what waits on the line, because the client takes nothing before it has said all."""
    with socket.create_connection(("127.0.0.1", line.port), WAIT_S) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        heard = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert heard == b"hello\n" + data


def test_the_server_misses_a_client_that_leaves(line: DelayLine, echo: Echo, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", line.port), WAIT_S) as client:
        client.sendall(data)
    assert echo.ended.wait(WAIT_S)


def test_nobody_behind_the_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    line = DelayLine(port, ROUND_TRIP_S)
    with socket.create_connection(("127.0.0.1", line.port), WAIT_S) as client:
        assert client.recv(1) == b""
    line.close()
