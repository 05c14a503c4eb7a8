"""Somebody between us and a server who changes what goes by: strict key exchange sees it."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

import interpreters
import paramiko
import pytest
import sshd
from sshclient import output_of, pool_in, spec_of, surroundings_in

from remotest.errors import ConnectError
from remotest.gateways.connecting import connect
from remotest.gateways.keyfiles import KeyRing
from remotest.gateways.ssh import NOT_STRICT
from remotest.gateways.sshhost import resolve_host
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from projects import Project

WAIT_S: Final = 30.0
STRICT: Final = b"kex-strict-s-v00@openssh.com"

IGNORE: Final = b"\2" + b"\0\0\0\0"  # SSH_MSG_IGNORE with an empty text.
IGNORED_PACKET: Final = (12).to_bytes(4, "big") + bytes([12 - 1 - len(IGNORE)]) + IGNORE + bytes(6)


def as_it_is(key_exchange: bytes) -> bytes:
    return key_exchange


def without_strict(key_exchange: bytes) -> bytes:
    assert STRICT in key_exchange
    return key_exchange.replace(STRICT, STRICT.replace(b"strict", b"xtrict"))


def with_a_packet_more(key_exchange: bytes) -> bytes:
    """Insert what a peer must ignore: the first step of CVE-2023-48795."""
    return key_exchange + IGNORED_PACKET


@contextlib.contextmanager
def between(port: int, change: Callable[[bytes], bytes]) -> Iterator[int]:
    """Pass on what a client and the server at ``port`` say; give the port to connect to.

    ``change`` is given the server's first packet, its offer of algorithms.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_one, args=(listener, port, change))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(WAIT_S)


def serve_one(listener: socket.socket, port: int, change: Callable[[bytes], bytes]) -> None:
    client, _ = listener.accept()
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        upwards = threading.Thread(target=pass_on, args=(client, server))
        upwards.start()
        with contextlib.suppress(OSError), server.makefile("rb") as stream:
            client.sendall(stream.readline())
            length = stream.read(4)
            client.sendall(change(length + stream.read(int.from_bytes(length, "big"))))
            while data := stream.read1(65536):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        upwards.join(WAIT_S)


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (as_it_is, None),
        (without_strict, "the server closed the connection: Signature verification"),
        (with_a_packet_more, "the server closed the connection: In strict-kex mode, but was sent"),
    ],
)
def test_a_changed_key_exchange_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], cause: str | None
) -> None:
    with (
        sshd.running(tmp_path) as server,
        between(server.port, change) as port,
        pool_in(tmp_path) as pool,
    ):
        # The host is known, under the address that is dialled.
        key = server.known_hosts.read_text().split(maxsplit=1)[1]
        server.known_hosts.write_text(f"[127.0.0.1]:{port} {key}")
        config = server.ssh_config_path.read_text()
        server.ssh_config_path.write_text(f"Port {port}\n{config}")
        if cause is None:
            assert output_of(pool, spec_of(server), "echo in") == b"in\n"
            assert pool.take_notes() == []
            return
        with pytest.raises(ConnectError) as caught:
            pool.session(spec_of(server), "true")
        assert caught.value.phase == "agree on encryption"
        assert caught.value.cause.startswith(cause)


class LetsEverybodyIn(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002  paramiko's interface
        return "publickey"

    def check_auth_publickey(self, username: str, key: Any) -> int:  # noqa: ARG002  as above
        return paramiko.AUTH_SUCCESSFUL


def test_a_server_without_strict_key_exchange_is_used_and_named(tmp_path: Path) -> None:
    host_key = sshd.make_key(tmp_path / "host_key")
    (tmp_path / ".ssh").mkdir()
    sshd.make_key(tmp_path / ".ssh" / "id_ed25519")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        public = (tmp_path / "host_key.pub").read_text()
        (tmp_path / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")

        def serve() -> None:
            client, _ = listener.accept()
            transport = paramiko.Transport(client, strict_kex=False)
            transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(host_key)))
            transport.start_server(event=threading.Event(), server=LetsEverybodyIn())
            transport.join(WAIT_S)
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        surroundings = surroundings_in(tmp_path)
        target = SshTarget(host="127.0.0.1", port=port)
        host = resolve_host(target, GatewaySpec(target=target), surroundings)
        connection = connect(
            host, surroundings=surroundings, ring=lambda: KeyRing(surroundings.ask_passphrase)
        )
        connection.close()
        thread.join(WAIT_S)

    assert connection.notes == (f"127.0.0.1:{port}: {NOT_STRICT}",)


def test_the_user_of_a_run_hears_of_it(project: Project) -> None:
    project.write(
        {
            "pytest.ini": "[pytest]\n",
            "test_it.py": "def test_one():\n    pass\n",
            "conftest.py": """
                import os

                if "PYTEST_XDIST_WORKER" not in os.environ:
                    import functools
                    import paramiko

                    # As with an old server: the two do not agree on it.
                    paramiko.Transport = functools.partial(paramiko.Transport, strict_kex=False)
                """,
        }
    )

    answer = project.pytest("-d", f"--tx=ssh=old//python={interpreters.with_pytest('3.9')}")

    assert answer.status == 0
    assert answer.lines.count(f"old: {NOT_STRICT}") == 1
