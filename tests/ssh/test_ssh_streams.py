"""What every SSH server gives us: OpenSSH's and our own pass the same tests."""

from __future__ import annotations

import contextlib
import getpass
import shlex
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import leftovers
import paramiko
import pytest
import sshd
from sshclient import READ_TIMEOUT_S, output_of, pool_in, read_all, spec_of

from remotest.errors import ConnectError
from remotest.gateways.serve import ExecServer, ServeOptions
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remotest.gateways.hostpool import HostPool

SEND_MESSAGE: Any = paramiko.Transport._send_user_message  # type: ignore[attr-defined]  # Not in the stubs.
MEGABYTE = 1 << 20


@contextlib.contextmanager
def running_serve(directory: Path) -> Iterator[GatewaySpec]:
    """Run our own server and let a spec's key in."""
    key = sshd.make_key(directory / "key")
    (directory / "key.pub").rename(directory / "authorized_keys")
    server = ExecServer(
        ServeOptions(
            port=0,
            authorized_keys=directory / "authorized_keys",
            host_key=directory / "made" / "host_key",
        )
    )
    (directory / "known_hosts").write_text(server.address.known_hosts_line + "\n")
    config = directory / "config"
    config.write_text(
        f"Host served\n  HostName 127.0.0.1\n  Port {server.address.port}\n"
        f"  IdentityFile {key}\n  UserKnownHostsFile {directory / 'known_hosts'}\n"
    )
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield GatewaySpec(
            target=SshTarget(host="served", user=getpass.getuser()), ssh_config=str(config)
        )
    finally:
        server.close()
        thread.join()


@pytest.fixture(params=["sshd", "serve"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GatewaySpec]:
    if request.param == "serve":
        with running_serve(tmp_path) as served:
            yield served
    else:
        with sshd.running(tmp_path) as server:
            yield spec_of(server)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[HostPool]:
    with pool_in(tmp_path) as pool:
        yield pool


def test_output_error_stream_and_exit_status_come_back(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "echo out; echo err >&2; exit 3")

    assert read_all(stream) == b"out\n"
    assert stream.error_tail() == "err\n"
    assert stream.exit_status(READ_TIMEOUT_S) == 3


def test_a_command_is_taken_as_it_is(pool: HostPool, spec: GatewaySpec) -> None:
    text = "a b  'c' \"d\" $HOME `id` \\ \n;#*"

    assert output_of(pool, spec, f"printf %s {shlex.quote(text)}") == text.encode()


def test_megabytes_go_both_ways_at_once(pool: HostPool, spec: GatewaySpec) -> None:
    sent = bytes(range(256)) * (8 * MEGABYTE // 256)
    stream = pool.session(spec, "cat")

    def write() -> None:
        stream.write(sent)
        stream.close_write()

    writer = threading.Thread(target=write)
    writer.start()
    assert read_all(stream) == sent
    writer.join()
    assert stream.exit_status(READ_TIMEOUT_S) == 0


def test_a_read_gives_no_more_than_was_asked_for(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "printf abcdef")

    assert stream.read(1, READ_TIMEOUT_S) == b"a"
    assert stream.read(4, READ_TIMEOUT_S) == b"bcde"
    assert read_all(stream) == b"f"


def test_a_read_that_times_out_loses_nothing(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "read line; echo got $line")

    with pytest.raises(TimeoutError, match=r"nothing came within 0\.05 s"):
        stream.read(10, timeout_s=0.05)
    stream.write(b"it\n")
    assert read_all(stream) == b"got it\n"


def test_a_flood_of_errors_does_not_hold_up_the_output(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "head -c 5000000 /dev/zero >&2; echo the end >&2; echo done")

    assert read_all(stream) == b"done\n"
    tail = stream.error_tail()
    assert tail.endswith("\0the end\n")
    assert len(tail) == 4096


def test_a_write_after_the_end_of_input_is_an_error(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "cat")
    stream.close_write()

    with pytest.raises(OSError, match="closed"):
        stream.write(b"more")


def test_a_write_to_a_command_that_is_gone_is_an_error(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "exec true")
    read_all(stream)
    stream.exit_status(READ_TIMEOUT_S)
    stream.kill()

    with pytest.raises(OSError, match="closed"):
        stream.write(b"x" * (4 * MEGABYTE))


def test_a_write_that_nobody_takes_ends_at_its_deadline(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "exec sleep 1000")

    with pytest.raises(TimeoutError):
        stream.write(b"x" * (64 * MEGABYTE), 0.1)
    stream.kill()


def test_a_killed_stream_ends_its_command(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "echo $$; exec cat")
    process_id = int(stream.read(20, READ_TIMEOUT_S))

    stream.kill()
    gone = f"while kill -0 {process_id} 2>/dev/null; do sleep 0.05; done; echo gone"
    assert output_of(pool, spec, gone) == b"gone\n"
    assert stream.read(1, READ_TIMEOUT_S) == b""


def test_a_closed_pool_ends_its_streams(pool: HostPool, spec: GatewaySpec) -> None:
    stream = pool.session(spec, "exec cat")
    pool.close()

    assert stream.read(1, READ_TIMEOUT_S) == b""
    assert stream.exit_status(0) is None
    with pytest.raises(ConnectError, match="the run is ending"):
        pool.session(spec, "true")


def test_many_sessions_share_one_connection(pool: HostPool, spec: GatewaySpec) -> None:
    streams = [pool.session(spec, "echo $SSH_CONNECTION; exec cat") for _ in range(5)]

    for stream in streams:
        stream.close_write()
    assert len({read_all(stream) for stream in streams}) == 1


def test_a_stream_leads_on_to_what_the_host_reaches(tmp_path: Path) -> None:
    with (
        sshd.running(tmp_path) as server,
        pool_in(tmp_path) as pool,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        port = listener.getsockname()[1]
        stream = pool.forward(spec_of(server), "127.0.0.1", port)
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"welcome")
            assert stream.read(100, READ_TIMEOUT_S) == b"welcome"
            stream.write(b"thanks")
            stream.close_write()
            assert connection.recv(100) == b"thanks"


@pytest.mark.parametrize("late", ["data", "end"])
def test_what_comes_too_late_for_a_stream_harms_no_other_stream(
    pool: HostPool, spec: GatewaySpec, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    other = pool.session(spec, "exec cat")
    stream = pool.session(spec, "echo $$; exec cat")
    process_id = int(stream.read(20, READ_TIMEOUT_S))
    send, is_checked, is_closed = SEND_MESSAGE, threading.Event(), threading.Event()
    raised: list[str] = []

    def say_late() -> None:
        try:
            if late == "data":
                stream.write(b"late")
            else:
                stream.close_write()
        except OSError as error:
            raised.append(str(error))

    sayer = threading.Thread(target=say_late)

    def send_late(transport: paramiko.Transport, message: paramiko.Message) -> None:
        if threading.current_thread() is sayer:
            is_checked.set()
            assert is_closed.wait(READ_TIMEOUT_S)
        send(transport, message)

    monkeypatch.setattr(paramiko.Transport, "_send_user_message", send_late)
    sayer.start()
    assert is_checked.wait(READ_TIMEOUT_S)
    output_of(pool, spec, f"kill {process_id}")
    assert stream.read(1, READ_TIMEOUT_S) == b""
    stream.exit_status(READ_TIMEOUT_S)
    output_of(pool, spec, "true")  # The answer to its close has come to the host before.
    is_closed.set()
    sayer.join()

    assert raised == (["the channel is closed"] if late == "data" else [])
    other.write(b"unharmed")
    assert other.read(100, READ_TIMEOUT_S) == b"unharmed"


def test_our_own_server_only_runs_commands(tmp_path: Path) -> None:
    with running_serve(tmp_path) as served:
        ssh = ["ssh", "-F", str(served.ssh_config), "-o", "BatchMode=yes"]
        refused = {
            "shell": [*ssh, "served"],
            "terminal": [*ssh, "-tt", "served", "true"],
            "subsystem": [*ssh, "-s", "served", "sftp"],
            "password": [*ssh, "-o", "PreferredAuthentications=password", "served", "true"],
            "other user": [*ssh, "-l", "somebody", "served", "true"],
            "other key": [*ssh, "-F", "none", "-i", str(other_key(tmp_path)), *direct(served)],
        }
        statuses = {
            name: subprocess.run(
                command, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=60
            ).returncode
            for name, command in refused.items()
        }
        allowed = subprocess.run(
            [*ssh, "served", "echo ran"], check=True, capture_output=True, timeout=60
        )
        with pool_in(tmp_path) as pool, pytest.raises(ConnectError) as forwarded:
            pool.forward(served, "127.0.0.1", 9)

    assert allowed.stdout == b"ran\n"
    assert statuses == dict.fromkeys(statuses, 255)
    assert forwarded.value.paragraph() == (
        f"{getpass.getuser()}@served: reach 127.0.0.1:9 from here failed: "
        "the server forwards no connection\n"
        "  try: AllowTcpForwarding local in this host's sshd_config"
    )


def other_key(directory: Path) -> Path:
    return sshd.make_key(directory / "other")


def direct(served: GatewaySpec) -> list[str]:
    """Return ssh's arguments to reach our server without its configuration."""
    lines = Path(str(served.ssh_config)).read_text().splitlines()
    options = dict(line.split() for line in lines)
    known_hosts = f"UserKnownHostsFile={options['UserKnownHostsFile']}"
    return ["-o", known_hosts, "-p", options["Port"], "127.0.0.1", "true"]


def test_our_own_server_leaves_no_process_behind(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        "print(os.getpid(), child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with running_serve(tmp_path) as served, pool_in(tmp_path) as pool:
        command = f"{shlex.quote(sys.executable)} -c {shlex.quote(script)}"
        stream = pool.session(served, command)
        ids = stream.read(100, READ_TIMEOUT_S).decode().split()
    assert [pid for pid in ids if not leftovers.has_ended(int(pid))] == []
