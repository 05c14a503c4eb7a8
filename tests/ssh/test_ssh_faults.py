"""Every way in which a host does not let us in, as it looks on the screen."""

from __future__ import annotations

import dataclasses
import getpass
import re
import shutil
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
import sshd
from sshclient import nobody_to_ask, output_of, pool_in, spec_of

from remotest.errors import ConnectError
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sshd import SshServer

USER = getpass.getuser()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with sshd.running(tmp_path) as server:
        yield server


def paragraph_of(
    home: Path, spec: GatewaySpec, ask: Callable[[Path], str | None] = nobody_to_ask
) -> str:
    """Return what the user reads when the host of a spec cannot be used."""
    with pool_in(home, ask=ask) as pool, pytest.raises(ConnectError) as caught:
        pool.session(spec, "true")
    return caught.value.paragraph()


def fingerprint_of(key: Path) -> str:
    command = ["ssh-keygen", "-lf", f"{key}.pub"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]


def add_options(server: SshServer, *lines: str) -> None:
    """Put options in front of the client's configuration."""
    path = server.ssh_config_path
    path.write_text("\n".join([*lines, path.read_text()]))


def test_refused(tmp_path: Path, server: SshServer) -> None:
    server.stop()

    paragraph = paragraph_of(tmp_path, spec_of(server))
    assert re.sub(r"\d\.\d s", "T s", paragraph) == (
        f"worker: connect failed: 127.0.0.1:{server.port} refused the connection; "
        "tried 4 times in T s\n"
        "  try: check the port, and that an SSH server runs there"
    )


def test_a_server_that_is_being_restarted(tmp_path: Path, server: SshServer) -> None:
    server.stop()

    def restart(_: float) -> None:
        server.start()

    with pool_in(tmp_path, sleep=restart) as pool:
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"


def test_a_name_that_does_not_exist(tmp_path: Path) -> None:
    spec = GatewaySpec(target=SshTarget(host="nowhere.invalid", user="me", port=2200))

    message = paragraph_of(tmp_path, spec)
    assert message.startswith(
        "me@nowhere.invalid:2200: connect failed: the name nowhere.invalid cannot be resolved: "
    )
    assert message.endswith(
        "\n  try: check the name, the network (VPN?) and HostName in ssh_config"
    )


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        spec = GatewaySpec(target=SshTarget(host="127.0.0.1", port=port), connect_timeout_s=0.3)
        assert paragraph_of(tmp_path, spec) == (
            f"127.0.0.1:{port}: agree on encryption failed: "
            "the server did not answer within 0.3 s\n"
            "  try: check that an SSH server listens there; connect_timeout= waits longer"
        )


@pytest.mark.parametrize(
    ("said", "phase_and_cause"),
    [
        (b"HTTP/1.0 400 Bad Request\r\n" * 200, "what listens there is no SSH server"),
        (b"\xff\xfe\n" * 200, "what listens there is no SSH server"),
        (b"SSH-1.5-old\r\n", "nothing in common with SSH-1.5-old"),
        (b"SSH-2.0-x\r\n" + b"\0" * 64, "the server closed the connection"),
        (b"SSH-2.0-x\r\n" + b"\xff" * 64, "the server closed the connection"),
    ],
)
def test_a_server_of_another_kind(tmp_path: Path, said: bytes, phase_and_cause: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(said)
                connection.recv(100_000)

        thread = threading.Thread(target=answer)
        thread.start()
        spec = GatewaySpec(target=SshTarget(host="127.0.0.1", port=port))
        message = paragraph_of(tmp_path, spec)
        thread.join()
    start = f"127.0.0.1:{port}: agree on encryption failed: {phase_and_cause}"
    assert message.startswith(start)
    assert len(message.splitlines()) <= 2


def test_a_server_that_hangs_up_at_once_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        accepted = []

        def hang_up() -> None:
            while len(accepted) < 6:
                connection, _ = listener.accept()
                accepted.append(connection)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        spec = GatewaySpec(target=SshTarget(host="127.0.0.1", port=port))
        delays: list[float] = []
        with pool_in(tmp_path, sleep=delays.append) as pool, pytest.raises(ConnectError) as caught:
            pool.session(spec, "true")
        thread.join()
    assert [round(delay / 0.25 / 2**n, 3) for n, delay in enumerate(delays)] == [
        pytest.approx(1.0, abs=0.5)
    ] * 5
    paragraph = re.sub(r"in \d+\.\d s", "in 0.0 s", caught.value.paragraph())
    assert paragraph == (
        f"127.0.0.1:{port}: agree on encryption failed: "
        "the server closed the connection before it said a word; tried 6 times in 0.0 s\n"
        "  try: if it is busy, raise MaxStartups in its sshd_config; "
        "if it bans clients (fail2ban, hosts.deny), ask its owner"
    )


def test_a_key_that_is_not_let_in(tmp_path: Path, server: SshServer) -> None:
    other = sshd.make_key(tmp_path / "other")
    add_options(server, f"IdentityFile {other}", f"IdentityFile {tmp_path}/missing")
    server.authorized_keys.write_text("")

    assert paragraph_of(tmp_path, spec_of(server)) == (
        f"worker: log in failed: permission denied for user {USER}; "
        f"the server takes publickey; tried {tmp_path}/missing: no such file or directory; "
        f"{other}: not accepted; {server.client_key}: not accepted\n"
        f"  try: ssh-copy-id {USER}@127.0.0.1, or name the user and the key in ssh_config "
        "(User, IdentityFile)"
    )


def test_no_key_at_all(tmp_path: Path, server: SshServer) -> None:
    server.ssh_config_path.write_text(f"UserKnownHostsFile {server.known_hosts}\n")
    spec = dataclasses.replace(
        spec_of(server), target=SshTarget(host="127.0.0.1", port=server.port)
    )

    assert paragraph_of(tmp_path, spec) == (
        f"127.0.0.1:{server.port}: log in failed: permission denied for user {USER}; "
        "the server takes publickey; there is no key to try\n"
        f"  try: ssh-copy-id {USER}@127.0.0.1, or name the user and the key in ssh_config "
        "(User, IdentityFile)"
    )


def test_too_many_keys_for_the_server(tmp_path: Path) -> None:
    with sshd.running(tmp_path, lines=["MaxAuthTries 2"]) as server:
        others = [sshd.make_key(tmp_path / name) for name in ("a", "b", "c")]
        add_options(server, *(f"IdentityFile {key}" for key in others))

        message = paragraph_of(tmp_path, spec_of(server))
    assert message == (
        f"worker: log in failed: permission denied for user {USER}; "
        "the server hung up before all keys were tried; "
        f"tried {others[0]}: not accepted; {others[1]}: the server hung up\n"
        "  try: for worker name the right key in ssh_config: IdentityFile, IdentitiesOnly yes"
    )


@pytest.fixture
def encrypted(tmp_path: Path, server: SshServer) -> Path:
    """Make the only key that the server lets in an encrypted one."""
    key = sshd.make_key(tmp_path / "encrypted", passphrase="open sesame")
    shutil.copy(f"{key}.pub", server.authorized_keys)
    text = server.ssh_config_path.read_text()
    server.ssh_config_path.write_text(text.replace(str(server.client_key), str(key)))
    return key


def test_an_encrypted_key_and_nobody_to_ask(
    tmp_path: Path, server: SshServer, encrypted: Path
) -> None:
    assert paragraph_of(tmp_path, spec_of(server)) == (
        f"worker: log in failed: permission denied for user {USER}; the server takes publickey; "
        f"tried {encrypted}: needs a passphrase, and there is no terminal to ask on\n"
        "  try: ssh-add the key that needs a passphrase, or run on a terminal"
    )


def test_a_wrong_passphrase(tmp_path: Path, server: SshServer, encrypted: Path) -> None:
    assert paragraph_of(tmp_path, spec_of(server), ask=lambda path: "wrong") == (  # noqa: ARG005  the asker's interface
        f"worker: log in failed: permission denied for user {USER}; the server takes publickey; "
        f"tried {encrypted}: the passphrase does not open it\n"
        f"  try: ssh-copy-id {USER}@127.0.0.1, or name the user and the key in ssh_config "
        "(User, IdentityFile)"
    )


def test_a_passphrase_is_asked_for_once(tmp_path: Path, server: SshServer, encrypted: Path) -> None:
    asked: list[Path] = []

    def ask(path: Path) -> str:
        asked.append(path)
        return "open sesame"

    with pool_in(tmp_path, ask=ask) as pool:
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"
        server.cut_connections()
        assert output_of(pool, spec_of(server), "echo again") == b"again\n"
    assert asked == [encrypted]


def test_an_unknown_host_key(tmp_path: Path, server: SshServer) -> None:
    server.known_hosts.unlink()

    assert paragraph_of(tmp_path, spec_of(server)) == (
        f"worker: check the host key failed: [127.0.0.1]:{server.port} is not in "
        f"known_hosts; it shows the ssh-ed25519 key {fingerprint_of(server.host_key('ed25519'))}\n"
        "  try: compare the fingerprint with what the machine's owner says; then log in once "
        f"with ssh, or `ssh-keyscan -p {server.port} 127.0.0.1 >> {server.known_hosts}`, "
        "or add //hostkey=accept-new to the --tx"
    )


def test_a_changed_host_key_is_not_tried_again(tmp_path: Path, server: SshServer) -> None:
    old = fingerprint_of(server.host_key("ed25519"))
    server.new_host_key()
    new = fingerprint_of(server.host_key("ed25519"))

    expected = (
        f"worker: check the host key failed: [127.0.0.1]:{server.port} shows the ssh-ed25519 key "
        f"{new}, but is known by the ssh-ed25519 key {old} ({server.known_hosts}:1): "
        "the machine was reinstalled, or somebody is in between\n"
        "  try: ask the machine's owner for its fingerprint; only if it is the new one: "
        f"ssh-keygen -R '[127.0.0.1]:{server.port}' -f {server.known_hosts}"
    )
    assert paragraph_of(tmp_path, spec_of(server)) == expected
    assert paragraph_of(tmp_path, spec_of(server, hostkey="accept-new")) == expected
    server.stop()  # The log is complete then.
    assert server.log().count("Connection from") == 2


def test_a_revoked_host_key(tmp_path: Path, server: SshServer) -> None:
    known = server.known_hosts.read_text()
    server.known_hosts.write_text(known + "@revoked * " + known.split(maxsplit=1)[1])

    expected = (
        f"worker: check the host key failed: [127.0.0.1]:{server.port} shows the ssh-ed25519 key "
        f"{fingerprint_of(server.host_key('ed25519'))}, which {server.known_hosts}:2 revokes\n"
        "  try: do not use this host before its owner has given it a new key"
    )
    assert paragraph_of(tmp_path, spec_of(server)) == expected
    assert paragraph_of(tmp_path, spec_of(server, hostkey="accept-new")) == expected


def test_the_key_of_an_authority_is_no_host_key(tmp_path: Path, server: SshServer) -> None:
    known = server.known_hosts.read_text()
    server.known_hosts.write_text("@cert-authority " + known)

    expected = (
        "worker: check the host key failed: an authority answers for "
        f"[127.0.0.1]:{server.port} ({server.known_hosts}:1), which shows the ssh-ed25519 key "
        f"{fingerprint_of(server.host_key('ed25519'))}: remotest cannot check certificates of "
        "hosts\n"
        "  try: compare the fingerprint with what the machine's owner says; then log in once "
        f"with ssh, or `ssh-keyscan -p {server.port} 127.0.0.1 >> {server.known_hosts}`"
    )
    assert paragraph_of(tmp_path, spec_of(server)) == expected
    assert paragraph_of(tmp_path, spec_of(server, hostkey="accept-new")) == expected
    assert server.known_hosts.read_text() == "@cert-authority " + known


def test_a_file_of_revoked_keys(tmp_path: Path, server: SshServer) -> None:
    revoked = tmp_path / "revoked"
    add_options(server, f"RevokedHostKeys {revoked}")
    failed = f"worker: check the host key failed: RevokedHostKeys {revoked}"
    assert paragraph_of(tmp_path, spec_of(server)).startswith(f"{failed} cannot be read: no such")

    public = server.directory / "host_ed25519.pub"
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", revoked, public], check=True)
    expected = f"{failed} is a key revocation list, which remotest cannot read"
    assert paragraph_of(tmp_path, spec_of(server)).startswith(expected)

    revoked.write_text(f"# stolen\n{public.read_text()}")
    assert paragraph_of(tmp_path, spec_of(server, hostkey="accept-new")) == (
        f"worker: check the host key failed: [127.0.0.1]:{server.port} shows the ssh-ed25519 key "
        f"{fingerprint_of(server.host_key('ed25519'))}, which {revoked} revokes\n"
        "  try: do not use this host before its owner has given it a new key"
    )

    revoked.write_text(public.read_text().replace("AAAA", "AAAB"))
    with pool_in(tmp_path) as pool:
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"


def test_a_proxy_command_that_fails(tmp_path: Path, server: SshServer) -> None:
    add_options(server, "ProxyCommand echo no route to %h:%p >&2; exit 1")

    command = f"echo no route to 127.0.0.1:{server.port} >&2; exit 1"
    assert paragraph_of(tmp_path, spec_of(server)) == (
        "worker: connect by ProxyCommand failed: "
        "the command ended before an SSH server answered\n"
        "  last words of the host:\n"
        f"    no route to 127.0.0.1:{server.port}\n"
        f"  try: run it by hand: {command}"
    )


def test_a_host_name_in_ssh_config_that_is_a_command(tmp_path: Path, server: SshServer) -> None:
    add_options(server, f"HostName x;touch${{IFS}}{tmp_path}/owned", "ProxyCommand echo %h")

    message = paragraph_of(tmp_path, spec_of(server))
    assert message == (
        "worker: read ssh_config failed: "
        f"'x;touch${{IFS}}{tmp_path}/owned' is not a host or user name\n"
        "  try: compare with `ssh -G worker`"
    )
    assert not (tmp_path / "owned").exists()


def test_an_account_that_may_not_run_commands(tmp_path: Path) -> None:
    with sshd.running(tmp_path, lines=["ForceCommand internal-sftp", "MaxSessions 0"]) as server:
        assert paragraph_of(tmp_path, spec_of(server)) == (
            "worker: open a session failed: "
            "the server allows no further session on this connection\n"
            "  try: raise MaxSessions in the host's sshd_config"
        )


def test_a_server_that_restarts_is_found_again(tmp_path: Path, server: SshServer) -> None:
    with pool_in(tmp_path) as pool:
        assert output_of(pool, spec_of(server), "echo one") == b"one\n"
        server.stop()
        server.start()
        assert output_of(pool, spec_of(server), "echo two") == b"two\n"
