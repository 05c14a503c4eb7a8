"""A host that always has one byte more to say gets no more time than one that says nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final

import pytest
from gatewayworld import WAIT_S, socket_pair
from sshclient import pool_in

from remotest.errors import ConnectError
from remotest.gateways.bootstrap import Boot
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACE_S: Final = 0.02
TIMEOUT_S: Final = 0.4  # Time for twenty bytes, each of which could start it anew.
MORE_THAN_ROOM_BYTES: Final = 64 * 1024 * 1024


@contextlib.contextmanager
def dribbling(connection: socket.socket, said: bytes) -> Iterator[None]:
    """Say this at once, then a letter now and then, as long as anybody listens."""
    is_over = threading.Event()

    def dribble() -> None:
        with contextlib.suppress(OSError):
            connection.sendall(said)
            while not is_over.wait(PACE_S):
                connection.sendall(b"x")

    thread = threading.Thread(target=dribble)
    thread.start()
    yield
    is_over.set()
    thread.join(WAIT_S)
    connection.close()


def test_an_interpreter_that_never_comes_to_the_point() -> None:
    stream, theirs = socket_pair()
    boot = Boot(stream, host="slow", python="python3")
    boot.say("shell", WAIT_S)
    with dribbling(theirs, b"Welcome\n"), pytest.raises(ConnectError) as caught:
        boot.hear(TIMEOUT_S)
    stream.kill()
    assert caught.value.cause == f"our command did not begin within {TIMEOUT_S:g} s"
    assert caught.value.stderr.startswith("Welcome\nxx")


def test_a_host_that_does_not_listen() -> None:
    stream, theirs = socket_pair()
    boot = Boot(stream, host="slow", python="python3")
    with theirs:
        with pytest.raises(TimeoutError):
            stream.write(bytes(MORE_THAN_ROOM_BYTES), TIMEOUT_S)
        with pytest.raises(ConnectError) as caught:
            boot.say("shell", TIMEOUT_S)
    stream.kill()
    assert caught.value.cause == f"our command did not begin within {TIMEOUT_S:g} s"


@pytest.mark.parametrize("said", [b"SSH-2.0-", b"SSH-2.0-slow\r\n\0\0\1\4"])
def test_a_server_that_never_comes_to_the_point(tmp_path: Path, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        port = listener.getsockname()[1]
        target = SshTarget(host="127.0.0.1", port=port)
        spec = GatewaySpec(target=target, connect_timeout_s=TIMEOUT_S)

        def accept() -> None:
            stack.enter_context(dribbling(listener.accept()[0], said))

        thread = threading.Thread(target=accept)
        thread.start()
        with pool_in(tmp_path) as pool, pytest.raises(ConnectError) as caught:
            pool.session(spec, "true")
        thread.join(WAIT_S)
    assert caught.value.cause == f"the server did not answer within {TIMEOUT_S:g} s"
