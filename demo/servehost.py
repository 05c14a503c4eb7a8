"""The demo's ssh host where no sshd is installed: ``remotest serve`` on loopback."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LISTENING: Final = "listening on 127.0.0.1:"
KNOWN_HOST: Final = "echo '"
STOP_TIMEOUT_S: Final = 10.0  # It gives its commands 5 s to end.


@contextlib.contextmanager
def running(directory: Path, environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Serve for the time of a ``with`` block; give the ssh_config lines of the host.

    Args:
        directory: an empty folder for keys.
        environment: of the server, and so of what runs on it.
    """
    key = directory / "client_key"
    (directory / "authorized_keys").write_bytes(make_key(key))
    server = subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("remotest")), "serve", "--port", "0"),
            *("--authorized-keys", str(directory / "authorized_keys")),
            *("--host-key", str(directory / "host_key")),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(environment),
    )
    try:
        port, known_host = read_address(server)
        known_hosts = directory / "known_hosts"
        known_hosts.write_text(f"{known_host}\n")
        yield [
            "  HostName 127.0.0.1",
            f"  Port {port}",
            f"  IdentityFile {key}",
            "  IdentitiesOnly yes",
            f"  UserKnownHostsFile {known_hosts}",
            "  GlobalKnownHostsFile none",
        ]
    finally:
        server.terminate()
        server.communicate(timeout=STOP_TIMEOUT_S)


def make_key(path: Path) -> bytes:
    """Write a new private key and return its public key, as a line of authorized_keys."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n"


def read_address(server: subprocess.Popen[str]) -> tuple[str, str]:
    """Return port and known_hosts line from what the server prints when it listens."""
    port = ""
    assert server.stdout is not None
    for line in server.stdout:
        words = line.strip()
        if words.startswith(LISTENING):
            port = words.removeprefix(LISTENING).split()[0]
        elif words.startswith(KNOWN_HOST):
            return port, words.removeprefix(KNOWN_HOST).partition("'")[0]
    sys.exit("remotest serve ended before it listened")
