"""Which keys are tried: files, certificates, and agents that hold what we cannot use."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import threading
from typing import TYPE_CHECKING

import paramiko
import pytest
import sshd
from sshclient import output_of, pool_in, spec_of

from remotest.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sshd import SshServer


def text(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class FakeAgent:
    """An agent that lists what it is told to, and signs with keys that it has in files."""

    def __init__(
        self, path: Path, listed: Sequence[tuple[bytes, str]], keys: Sequence[Path]
    ) -> None:
        self.asked_to_sign: list[bytes] = []
        self._listed = listed
        self._keys = {
            key.asbytes(): key
            for key in (paramiko.Ed25519Key.from_private_key_file(str(file)) for file in keys)
        }
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(struct.error):
                while True:
                    size = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))[0]
                    request = connection.recv(size, socket.MSG_WAITALL)
                    connection.sendall(text(self._answer(request)))

    def _answer(self, request: bytes) -> bytes:
        if request[0] == 11:
            listed = b"".join(text(blob) + text(name.encode()) for blob, name in self._listed)
            return bytes([12]) + struct.pack(">I", len(self._listed)) + listed
        message = paramiko.Message(request[1:])
        blob, data = message.get_string(), message.get_string()
        self.asked_to_sign.append(blob)
        if blob not in self._keys:
            return bytes([5])
        return bytes([14]) + text(bytes(self._keys[blob].sign_ssh_data(data)))


def blob_of(key: Path) -> bytes:
    return paramiko.Ed25519Key.from_private_key_file(str(key)).asbytes()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    """Run a server whose key no client configuration names."""
    with sshd.running(tmp_path) as server:
        config = server.ssh_config_path.read_text().splitlines(keepends=True)
        kept = [line for line in config if "Identit" not in line]
        server.ssh_config_path.write_text("".join(kept))
        yield server


FIDO = text(b"sk-ssh-ed25519@openssh.com") + text(b"\1" * 32) + text(b"ssh:")


def test_a_security_token_in_the_agent_does_not_disturb(tmp_path: Path, server: SshServer) -> None:
    listed = [(FIDO, "token"), (text(b"future-key") + b"?", "new"), (b"", "broken")]
    agent = FakeAgent(
        tmp_path / "agent",
        [*listed, (blob_of(server.client_key), "mine")],
        [server.client_key],
    )
    try:
        with pool_in(tmp_path, environment={"SSH_AUTH_SOCK": str(tmp_path / "agent")}) as pool:
            assert output_of(pool, spec_of(server), "echo in") == b"in\n"
    finally:
        agent.stop()
    assert agent.asked_to_sign == [blob_of(server.client_key)]


def test_a_key_that_the_agent_will_not_use_is_passed_over(
    tmp_path: Path, server: SshServer
) -> None:
    refused = sshd.make_key(tmp_path / "refused")
    with server.authorized_keys.open("a") as file:
        file.write((tmp_path / "refused.pub").read_text())
    mine = blob_of(server.client_key)
    agent = FakeAgent(
        tmp_path / "agent", [(blob_of(refused), "refused"), (mine, "mine")], [server.client_key]
    )
    try:
        with pool_in(tmp_path, environment={"SSH_AUTH_SOCK": str(tmp_path / "agent")}) as pool:
            assert output_of(pool, spec_of(server), "echo in") == b"in\n"
    finally:
        agent.stop()
    assert agent.asked_to_sign == [blob_of(refused), mine]


def test_what_an_agent_that_is_of_no_use_looks_like(tmp_path: Path, server: SshServer) -> None:
    other = sshd.make_key(tmp_path / "other")
    agent = FakeAgent(tmp_path / "agent", [(FIDO, "token"), (blob_of(other), "other")], [])
    try:
        with (
            pool_in(tmp_path, environment={"SSH_AUTH_SOCK": str(tmp_path / "agent")}) as pool,
            pytest.raises(ConnectError) as caught,
        ):
            pool.session(spec_of(server), "true")
    finally:
        agent.stop()
    assert caught.value.cause == (
        f"permission denied for user {server.user}; the server takes publickey; "
        "tried agent key token: keys of type sk-ssh-ed25519@openssh.com are not supported; "
        "agent key other: the agent refuses"
    )


def test_a_dead_agent_is_only_a_note(tmp_path: Path, server: SshServer) -> None:
    gone = str(tmp_path / "gone")
    (tmp_path / ".ssh").mkdir()
    shutil.copy(server.client_key, tmp_path / ".ssh" / "id_ed25519")
    with pool_in(tmp_path, environment={"SSH_AUTH_SOCK": gone}) as pool:
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"


@pytest.fixture
def real_agent(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "real-agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()  # It listens once it has said where.
    yield path
    process.terminate()
    process.wait(10)
    process.stdout.close()


def add_to_agent(agent: Path, *keys: Path) -> None:
    subprocess.run(
        ["ssh-add", "-q", *map(str, keys)],
        check=True,
        capture_output=True,
        env={**os.environ, "SSH_AUTH_SOCK": str(agent)},
    )


@pytest.mark.parametrize("key_type", ["ed25519", "rsa", "ecdsa"])
def test_a_key_of_a_real_agent(
    tmp_path: Path, server: SshServer, real_agent: Path, key_type: str
) -> None:
    key = sshd.make_key(tmp_path / "held", key_type)
    add_to_agent(real_agent, key)
    shutil.copy(f"{key}.pub", server.authorized_keys)
    with pool_in(tmp_path, environment={"SSH_AUTH_SOCK": str(real_agent)}) as pool:
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"


def test_the_named_key_comes_first_of_many_in_the_agent(
    tmp_path: Path, server: SshServer, real_agent: Path
) -> None:
    many = [sshd.make_key(tmp_path / f"key{number}") for number in range(8)]
    add_to_agent(real_agent, *many)
    shutil.copy(f"{many[7]}.pub", server.authorized_keys)
    # Only the public half is named: the private one is in the agent alone, encrypted or not.
    shutil.copy(f"{many[7]}.pub", tmp_path / "named.pub")
    config = server.ssh_config_path.read_text()
    environment = {"SSH_AUTH_SOCK": str(real_agent)}
    with (
        pool_in(tmp_path, environment=environment) as pool,
        pytest.raises(ConnectError, match="the server hung up before all keys were tried"),
    ):
        pool.session(spec_of(server), "true")

    server.ssh_config_path.write_text(f"IdentityFile {tmp_path}/named.pub\n{config}")
    with pool_in(tmp_path, environment=environment) as pool:
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"


def test_identities_only_leaves_the_other_keys_of_the_agent_alone(
    tmp_path: Path, server: SshServer, real_agent: Path
) -> None:
    add_to_agent(real_agent, server.client_key)
    other = sshd.make_key(tmp_path / "other")
    config = server.ssh_config_path.read_text()
    server.ssh_config_path.write_text(f"IdentityFile {other}\nIdentitiesOnly yes\n{config}")
    with (
        pool_in(tmp_path, environment={"SSH_AUTH_SOCK": str(real_agent)}) as pool,
        pytest.raises(ConnectError) as caught,
    ):
        pool.session(spec_of(server), "true")
    assert caught.value.cause.endswith(f"tried {other}: not accepted")


@pytest.mark.parametrize("key_type", ["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize("passphrase", ["", "open sesame"])
def test_a_key_file(tmp_path: Path, server: SshServer, key_type: str, passphrase: str) -> None:
    key = sshd.make_key(tmp_path / "key", key_type, passphrase=passphrase)
    shutil.copy(f"{key}.pub", server.authorized_keys)
    config = server.ssh_config_path.read_text()
    server.ssh_config_path.write_text(f"IdentityFile ~/key\n{config}")
    with pool_in(tmp_path, ask=lambda _: passphrase) as pool:
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"


def test_a_certificate_beside_the_key(tmp_path: Path) -> None:
    authority = sshd.make_key(tmp_path / "authority")
    with sshd.running(tmp_path, lines=[f"TrustedUserCAKeys {authority}.pub"]) as server:
        sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", server.user]
        subprocess.run([*sign, f"{server.client_key}.pub"], check=True, capture_output=True)
        server.authorized_keys.write_text("")
        with pool_in(tmp_path) as pool:
            assert output_of(pool, spec_of(server), "echo in") == b"in\n"
