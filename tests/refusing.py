"""An SSH server that lets anybody in and runs no command: what sshd cannot do."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import paramiko
import sshd

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

WAIT_S: Final = 30.0


class Refusing(paramiko.ServerInterface):
    """Lets anybody in, and runs no command; in which way, the user's name says."""

    def __init__(self, transport: paramiko.Transport) -> None:
        self._transport = transport

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002  paramiko's interface
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002  as above
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002  as above
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002  as above
        user = self._transport.get_username()
        if user == "explains":
            channel.sendall_stderr(b"no commands here\n")
        if user == "hangs-up":
            self._transport.close()
        return False


@contextlib.contextmanager
def running(directory: Path, users: Collection[str]) -> Iterator[list[str]]:
    """Run such a server, to which each user comes once; give their ssh_config entries."""
    path = sshd.make_key(directory / "refusing_key")
    host_key = paramiko.Ed25519Key.from_private_key_file(str(path))
    known_hosts = directory / "refusing_known_hosts"
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in users:
                transport = paramiko.Transport(listener.accept()[0])
                transports.append(transport)
                transport.add_server_key(host_key)
                transport.start_server(event=threading.Event(), server=Refusing(transport))

        thread = threading.Thread(target=serve, daemon=True)  # Nobody may have come.
        thread.start()
        port = listener.getsockname()[1]
        known_hosts.write_text(f"[127.0.0.1]:{port} {Path(f'{path}.pub').read_text()}")
        yield [
            f"Host {user}\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n"
            f"  UserKnownHostsFile {known_hosts}\n"
            for user in users
        ]
        thread.join(WAIT_S)
    for transport in transports:
        transport.close()
