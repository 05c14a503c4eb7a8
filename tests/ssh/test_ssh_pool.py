"""Sharing connections: limits of the server are met, never hit."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import socket
from typing import TYPE_CHECKING

import pytest
import sshd
from sshclient import output_of, pool_in, read_all, spec_of, surroundings_in

from remotest.errors import ConnectError
from remotest.gateways.connecting import connect
from remotest.gateways.keyfiles import KeyRing
from remotest.gateways.sshhost import resolve_host
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from pathlib import Path

    from sshd import SshServer


def logins(server: SshServer) -> int:
    return server.log().count("Accepted publickey")


def test_all_who_ask_at_once_get_one_connection(tmp_path: Path) -> None:
    with (
        sshd.running(tmp_path) as server,
        pool_in(tmp_path) as pool,
        concurrent.futures.ThreadPoolExecutor(8) as threads,
    ):
        # Names that people give to a host do not make it another host.
        specs = [
            dataclasses.replace(spec_of(server), target=SshTarget(host=f"worker-{n}"))
            for n in range(8)
        ]
        outputs = list(threads.map(lambda spec: output_of(pool, spec, "echo in"), specs))

    assert outputs == [b"in\n"] * 8
    assert logins(server) == 1


def test_nobody_uses_a_connection_that_was_made_with_another_trust(tmp_path: Path) -> None:
    with sshd.running(tmp_path) as server, pool_in(tmp_path) as pool:
        strict = tmp_path / "strict_config"
        text = server.ssh_config_path.read_text()
        strict.write_text(text.replace(str(server.known_hosts), str(tmp_path / "nobody_known")))

        assert output_of(pool, spec_of(server), "echo in") == b"in\n"
        with pytest.raises(ConnectError, match="is not in known_hosts"):
            pool.session(dataclasses.replace(spec_of(server), ssh_config=str(strict)), "echo in")


def test_more_sessions_than_a_connection_may_have(tmp_path: Path) -> None:
    with (
        sshd.running(tmp_path, lines=["MaxSessions 10"]) as server,
        pool_in(tmp_path) as pool,
        concurrent.futures.ThreadPoolExecutor(12) as threads,
    ):
        spec = spec_of(server)
        streams = list(threads.map(lambda _: pool.session(spec, "exec cat"), range(12)))
        for number, stream in enumerate(streams):
            stream.write(b"%d" % number)
            stream.close_write()
        outputs = [read_all(stream) for stream in streams]

    assert outputs == [b"%d" % number for number in range(12)]
    assert logins(server) == 2


def test_log_ins_that_a_busy_server_drops_are_tried_again(tmp_path: Path) -> None:
    surroundings = surroundings_in(tmp_path)
    with (
        sshd.running(tmp_path, lines=["MaxStartups 3:30:10"]) as server,
        concurrent.futures.ThreadPoolExecutor(8) as threads,
    ):
        spec = spec_of(server)
        host = resolve_host(SshTarget(host="worker"), spec, surroundings)
        ring = KeyRing(surroundings.ask_passphrase)
        connections = list(
            threads.map(
                lambda _: connect(host, surroundings=surroundings, ring=lambda: ring), range(8)
            )
        )
        outputs = [read_all(connection.open_session("echo in")) for connection in connections]
        for connection in connections:
            connection.close()

    assert outputs == [b"in\n"] * 8


def test_at_most_four_log_ins_to_a_host_are_under_way(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pool_in(tmp_path) as pool,
        concurrent.futures.ThreadPoolExecutor(6) as threads,
    ):
        port = listener.getsockname()[1]
        specs = [
            GatewaySpec(target=SshTarget(host="127.0.0.1", user=f"user{n}", port=port))
            for n in range(6)
        ]
        attempts = [threads.submit(pool.session, spec, "true") for spec in specs]
        under_way = [listener.accept()[0] for _ in range(4)]
        listener.settimeout(0.3)
        with pytest.raises(TimeoutError):
            listener.accept()
        listener.settimeout(30)
        for connection in under_way:
            with connection:
                connection.sendall(b"SSH-1.5-too-old\r\n")
            if len(under_way) < len(specs):  # The end of one lets the next one begin.
                under_way.append(listener.accept()[0])
        failures = [attempt.exception() for attempt in attempts]

    assert all("nothing in common with" in str(failure) for failure in failures)


def test_all_who_wait_for_a_connection_learn_why_it_failed(tmp_path: Path) -> None:
    with (
        sshd.running(tmp_path) as server,
        pool_in(tmp_path) as pool,
        concurrent.futures.ThreadPoolExecutor(4) as threads,
    ):
        server.authorized_keys.write_text("")
        attempts = [threads.submit(pool.session, spec_of(server), "true") for _ in range(4)]
        causes = [attempt.exception() for attempt in attempts]

    assert all(isinstance(cause, ConnectError) for cause in causes)
    assert len({str(cause) for cause in causes}) == 1


def test_two_that_meet_a_new_host_agree_on_its_key(tmp_path: Path) -> None:
    with sshd.running(tmp_path) as server:
        line = server.known_hosts.read_text()
        server.known_hosts.unlink()
        spec = spec_of(server, hostkey="accept-new")

        def meet(_: int) -> bytes:
            with pool_in(tmp_path) as pool:
                return output_of(pool, spec, "echo in")

        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            outputs = list(threads.map(meet, range(2)))

        assert outputs == [b"in\n"] * 2
        assert server.known_hosts.read_text().split() == line.split()[:3]
        assert server.known_hosts.stat().st_mode & 0o777 == 0o600


def test_a_connection_agrees_on_strict_key_exchange_and_a_fast_cipher(tmp_path: Path) -> None:
    surroundings = surroundings_in(tmp_path)
    with sshd.running(tmp_path) as server:
        host = resolve_host(SshTarget(host="worker"), spec_of(server), surroundings)
        ring = KeyRing(surroundings.ask_passphrase)
        connection = connect(host, surroundings=surroundings, ring=lambda: ring)
        transport = connection._transport
        agreed = (transport.agreed_on_strict_kex, transport.remote_cipher)
        assert repr(connection) == f"<SshConnection {host.user}@127.0.0.1:{server.port} open>"
        connection.close()

    assert agreed == (True, "aes128-gcm@openssh.com")


def test_no_agent_is_forwarded_whatever_the_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    with (
        sshd.running(tmp_path, lines=["AllowAgentForwarding yes"]) as server,
        pool_in(tmp_path, environment={"SSH_AUTH_SOCK": str(tmp_path / "agent")}) as pool,
    ):
        text = server.ssh_config_path.read_text()
        server.ssh_config_path.write_text(f"ForwardAgent yes\nForwardX11 yes\n{text}")
        # The server was started from here, with a socket in its own environment.
        assert output_of(pool, spec_of(server), "echo $SSH_AUTH_SOCK $DISPLAY") == b"\n"
