"""A session that is asked for before the log-in is accepted, and what becomes of it otherwise."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paramiko
import pytest
import sshd
from paramiko.common import (
    MSG_CHANNEL_OPEN,
    MSG_USERAUTH_REQUEST,
    cMSG_CHANNEL_OPEN_FAILURE,
    cMSG_UNIMPLEMENTED,
)
from sshclient import output_of, pool_in, spec_of

from remotest.errors import ConnectError, NotLetInError
from remotest.gateways import earlysession
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sshd import SshServer

WAIT_S = 30.0

TOO_EARLY = "dispatch_protocol_error: type 90"
"""What OpenSSH's server logs of one that it did not take."""


@pytest.fixture
def wrong_key(tmp_path: Path) -> Path:
    return sshd.make_key(tmp_path / "wrong")


def name_first(server: SshServer, key: Path) -> None:
    """Have the client try a key before the right one."""
    config = server.ssh_config_path.read_text()
    server.ssh_config_path.write_text(f"IdentityFile {key}\n{config}")


def test_the_first_key_is_refused_and_the_second_accepted(tmp_path: Path, wrong_key: Path) -> None:
    with (
        sshd.running(tmp_path, lines=["MaxAuthTries 2"]) as server,
        pool_in(tmp_path) as pool,
    ):
        name_first(server, wrong_key)
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"
        assert output_of(pool, spec_of(server), "echo again") == b"again\n"
        log = server.log()
    assert [log.count(text) for text in (TOO_EARLY, "Accepted publickey")] == [1, 1]


def test_no_other_session_is_opened_than_the_one_asked_for_early(tmp_path: Path) -> None:
    with (
        sshd.running(tmp_path, lines=["MaxSessions 1"]) as server,
        pool_in(tmp_path) as pool,
    ):
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"
        log = server.log()
    assert [log.count(text) for text in (TOO_EARLY, "Accepted publickey")] == [0, 1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "AuthenticationMethods publickey,keyboard-interactive",
            "accepted, but the server also wants keyboard-interactive",
        ),
        ("DenyUsers *", "not accepted"),
        ("MaxAuthTries 1", "the server hung up before all keys were tried"),
    ],
    ids=["second-factor", "denied", "hung-up"],
)
def test_who_is_not_let_in_is_told_what_is_the_matter(
    tmp_path: Path, wrong_key: Path, line: str, message: str
) -> None:
    lines = [line, "KbdInteractiveAuthentication yes"]
    with sshd.running(tmp_path, lines=lines) as server, pool_in(tmp_path) as pool:
        if "MaxAuthTries" in line:
            name_first(server, wrong_key)
        with pytest.raises(NotLetInError, match=message):
            pool.session(spec_of(server), "true")


def test_a_key_that_is_tried_alone_is_tried_once(tmp_path: Path) -> None:
    with sshd.running(tmp_path, lines=["MaxAuthTries 1"]) as server, pool_in(tmp_path) as pool:
        name_first(server, sshd.make_key(tmp_path / "wrong", "rsa"))
        with pytest.raises(NotLetInError, match="the server hung up"):
            pool.session(spec_of(server), "true")
        log = server.log()
    assert log.count("Connection from") == 1


def test_a_server_that_opens_no_sessions(tmp_path: Path) -> None:
    with (
        sshd.running(tmp_path, lines=["MaxSessions 0"]) as server,
        pool_in(tmp_path) as pool,
        pytest.raises(ConnectError, match="the server allows no further session"),
    ):
        pool.session(spec_of(server), "true")


class _Impostor(paramiko.Transport):
    """Says that it is OpenSSH, and does something else with the first that is too early."""

    def __init__(
        self, connection: socket.socket, manner: str | None, asked: threading.Event
    ) -> None:
        super().__init__(connection)
        self.local_version = "SSH-2.0-OpenSSH_9.9"
        if manner is None:
            return
        table: dict[int, Any] = self._handler_table  # type: ignore[attr-defined]  # Not in the stubs.
        open_as_usual = table[MSG_CHANNEL_OPEN]
        is_first = True

        def opened(message: paramiko.Message) -> None:
            nonlocal is_first
            asked.set()
            was_first, is_first = is_first, False
            if not was_first:
                open_as_usual(message)
            elif manner == "hangs up":
                self.close()
            elif manner != "is silent":
                message.get_text()
                self._send_message(_turned_down(message, manner))  # type: ignore[attr-defined]  # As above.

        table[MSG_CHANNEL_OPEN] = opened
        if manner == "hangs up before":
            table[MSG_USERAUTH_REQUEST] = lambda _: self.close()


def _turned_down(request: paramiko.Message, manner: str) -> paramiko.Message:
    answer = paramiko.Message()
    if manner == "does not know it":
        answer.add_byte(cMSG_UNIMPLEMENTED)
        answer.add_int(request.seqno)  # type: ignore[attr-defined]  # Not in the stubs.
    else:
        answer.add_byte(cMSG_CHANNEL_OPEN_FAILURE)
        answer.add_int(request.get_int())
        answer.add_int(1)
        answer.add_string("")
        answer.add_string("en")
    return answer


class _Interface(paramiko.ServerInterface):
    """Lets anybody in; each command says that it is there."""

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002  paramiko's interface
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002  as above
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002  as above
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002  as above
        channel.sendall(b"in\n")
        return True


@contextlib.contextmanager
def impostor(
    directory: Path, manner: str, connections: int
) -> Iterator[tuple[GatewaySpec, threading.Event]]:
    """Run such a server for so many connections, of which all but the first find a usual one.

    The event is set when the first has been asked for a session.
    """
    key = sshd.make_key(directory / "impostor")
    mine = sshd.make_key(directory / "mine")
    transports: list[paramiko.Transport] = []
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for number in range(connections):
                transport = _Impostor(listener.accept()[0], None if number else manner, asked)
                transports.append(transport)
                transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(key)))
                transport.start_server(event=threading.Event(), server=_Interface())

        thread = threading.Thread(target=serve, daemon=True)  # Nobody may have come.
        thread.start()
        port = listener.getsockname()[1]
        known_hosts = directory / "known"
        known_hosts.write_text(f"[127.0.0.1]:{port} {Path(f'{key}.pub').read_text()}")
        config = directory / "config"
        config.write_text(
            f"Host it\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {mine}\n"
            f"  UserKnownHostsFile {known_hosts}\n"
        )
        yield GatewaySpec(target=SshTarget(host="it"), ssh_config=str(config)), asked
        thread.join(WAIT_S)
    for transport in transports:
        transport.close()


@pytest.mark.parametrize(
    ("manner", "connections"),
    [
        ("hangs up before", 2),
        ("hangs up", 2),
        ("refuses", 1),
        ("does not know it", 1),
        ("is silent", 1),
    ],
)
def test_a_server_that_only_says_it_is_openssh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manner: str, connections: int
) -> None:
    monkeypatch.setattr(earlysession, "PATIENCE_S", 0.2)
    with impostor(tmp_path, manner, connections) as (spec, _), pool_in(tmp_path) as pool:
        stream = pool.session(spec, "true")
        assert stream.read(100, WAIT_S) == b"in\n"
        stream.kill()


def test_who_waits_for_a_session_learns_that_the_connection_was_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlysession, "PATIENCE_S", 3600.0)
    with (
        impostor(tmp_path, "is silent", 1) as (spec, asked),
        pool_in(tmp_path) as pool,
        ThreadPoolExecutor() as threads,
    ):
        session = threads.submit(pool.session, spec, "true")
        assert asked.wait(WAIT_S)
        pool.close()
        with pytest.raises(ConnectError, match="the run is ending"):
            session.result(WAIT_S)


@pytest.mark.parametrize(
    "version",
    ["SSH-2.0-OpenSSH_for_Windows_9.5", "SSH-2.0-dropbear_2022.83", "SSH-2.0-AsyncSSH_2.17.0"],
)
def test_others_are_not_asked_so_early(version: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = paramiko.Transport(ours)
        transport.remote_version = version
        assert earlysession.early_session(transport) is None
