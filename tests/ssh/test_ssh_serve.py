"""``remotest serve`` as a program: what it says, what it refuses, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import sshd
from sshclient import READ_TIMEOUT_S, pool_in, read_all

from remotest.errors import UsageError
from remotest.gateways.serve import ExecServer, ServeOptions, read_authorized_keys
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import argparse, sys
from remotest.gateways.serve import add_arguments, run
parser = argparse.ArgumentParser()
add_arguments(parser)
sys.exit(run(parser.parse_args()))
"""


@pytest.fixture
def authorized_keys(tmp_path: Path) -> Path:
    """Put the key that a client in ``tmp_path`` has by default into the server's file."""
    (tmp_path / ".ssh").mkdir()
    sshd.make_key(tmp_path / ".ssh" / "id_ed25519")
    path = tmp_path / "authorized_keys"
    path.write_text((tmp_path / ".ssh" / "id_ed25519.pub").read_text())
    path.chmod(0o600)
    return path


def test_what_it_prints_is_all_that_a_client_needs(tmp_path: Path, authorized_keys: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "--port", "0"]
    command += ["--authorized-keys", str(authorized_keys), "--host-key", str(tmp_path / "key")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(7)]
        printed = re.fullmatch(
            r"listening on 127\.0\.0\.1:(\d+) for (\S+)\n"
            r"host key: ecdsa-sha2-nistp256 SHA256:\S{43}\n"
            r"\n"
            r"on the machine that you run pytest on, once:\n"
            r"    echo '(\[127\.0\.0\.1\]:\1 ecdsa-sha2-nistp256 \S+)' >> ~/\.ssh/known_hosts\n"
            r"and then:\n"
            r"    pytest -d --tx ssh=\2@127\.0\.0\.1:\1",
            "\n".join(lines),
        )
        assert printed is not None, lines
        (tmp_path / ".ssh" / "known_hosts").write_text(printed[3] + "\n")
        target = SshTarget(host="127.0.0.1", user=printed[2], port=int(printed[1]))
        with pool_in(tmp_path) as pool:
            stream = pool.session(GatewaySpec(target=target), "echo in; exec cat")
            assert stream.read(10, READ_TIMEOUT_S) == b"in\n"
            process.send_signal(signal.SIGTERM)
            assert read_all(stream) == b""
        assert process.wait(READ_TIMEOUT_S) == 0


def options_in(tmp_path: Path, **changes: object) -> ServeOptions:
    return ServeOptions(
        **{
            "port": 0,
            "authorized_keys": tmp_path / "authorized_keys",
            "host_key": tmp_path / "deep" / "key",
            **changes,
        }
    )


@pytest.mark.usefixtures("authorized_keys")
def test_the_host_key_is_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    fingerprints = set()
    for _ in range(2):
        server = ExecServer(options_in(tmp_path))
        fingerprints.add(server.address.fingerprint)
        server.close()
    key = tmp_path / "deep" / "key"
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(key)], check=True, capture_output=True, text=True
    ).stdout

    assert fingerprints == {shown.split()[1]}
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o777 == 0o700


def test_no_server_that_nobody_could_use(tmp_path: Path, authorized_keys: Path) -> None:
    authorized_keys.write_text("# nobody\n")
    with pytest.raises(UsageError) as nobody:
        ExecServer(options_in(tmp_path))
    with pytest.raises(UsageError) as missing:
        ExecServer(options_in(tmp_path, authorized_keys=tmp_path / "missing"))

    assert str(nobody.value) == (
        f"no key in {authorized_keys}, so nobody could log in: put a public key there, "
        "or name another file with --authorized-keys"
    )
    assert str(missing.value) == f"{tmp_path}/missing cannot be read: No such file or directory"


@pytest.mark.usefixtures("authorized_keys")
def test_no_server_on_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^cannot listen on 127\.0\.0\.1:{port}: "):
            ExecServer(options_in(tmp_path, port=port))


@pytest.mark.usefixtures("authorized_keys")
def test_no_server_whose_host_key_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("no key")
    with pytest.raises(UsageError, match=rf"^the host key {tmp_path}/bad cannot be used: "):
        ExecServer(options_in(tmp_path, host_key=tmp_path / "bad"))


def test_keys_with_restrictions_are_not_let_in(tmp_path: Path) -> None:
    path = tmp_path / "authorized_keys"
    path.write_text(
        "ssh-ed25519 b25l me@box\n"
        'command="date" ssh-ed25519 dHdv\n'
        "# ssh-ed25519 dGhyZWU=\n"
        "ssh-ed25519 %%%\n"
        "sk-ssh-ed25519@openssh.com Zm91cg==\n"
    )
    path.chmod(0o600)
    assert read_authorized_keys(path) == {b"one"}

    path.chmod(0o620)
    with pytest.raises(UsageError) as caught:
        read_authorized_keys(path)
    assert str(caught.value) == f"{path} can be written by others: chmod 600 {path}"
