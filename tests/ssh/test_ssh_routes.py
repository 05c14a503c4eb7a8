"""Ways to a host: through other hosts, through a command, by what ssh_config says."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import sshd
from sshclient import output_of, pool_in, spec_of

from remotest.errors import ConnectError, UsageError
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sshd import SshServer

RELAY = """
import os, socket, sys, threading
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := connection.recv(65536):
    os.write(1, data)
"""


@pytest.fixture
def jump(tmp_path: Path) -> Iterator[SshServer]:
    with sshd.running(tmp_path, name="jump", environment={"PLACE": "jump"}) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Iterator[SshServer]:
    with sshd.running(tmp_path, name="target", environment={"PLACE": "target"}) as server:
        yield server


def join_configurations(path: Path, *parts: str) -> GatewaySpec:
    path.write_text("\n".join(parts))
    return GatewaySpec(target=SshTarget(host="target"), ssh_config=str(path))


def test_a_chain_of_jump_hosts(tmp_path: Path, jump: SshServer, target: SshServer) -> None:
    spec = join_configurations(
        tmp_path / "config",
        "Host target\n  ProxyJump jump,jump-2",
        jump.ssh_config_path.read_text(),
        target.ssh_config_path.read_text(),
    )
    with pool_in(tmp_path) as pool:
        assert output_of(pool, spec, "echo $PLACE") == b"target\n"
        assert output_of(pool, spec, "echo again") == b"again\n"

    assert jump.log().count("Accepted publickey") == 2
    assert target.log().count("Accepted publickey") == 1


def test_a_jump_host_that_does_not_forward(tmp_path: Path, target: SshServer) -> None:
    with sshd.running(tmp_path, name="jump", lines=["AllowTcpForwarding no"]) as jump:
        spec = join_configurations(
            tmp_path / "config",
            "Host target\n  ProxyJump jump",
            jump.ssh_config_path.read_text(),
            target.ssh_config_path.read_text(),
        )
        with pool_in(tmp_path) as pool, pytest.raises(ConnectError) as caught:
            pool.session(spec, "true")

    assert caught.value.paragraph() == (
        f"jump: reach 127.0.0.1:{target.port} from here failed: the server forwards no connection\n"
        "  try: AllowTcpForwarding local in this host's sshd_config"
    )


def test_a_host_that_the_jump_host_cannot_reach(
    tmp_path: Path, jump: SshServer, target: SshServer
) -> None:
    target.stop()
    spec = join_configurations(
        tmp_path / "config",
        "Host target\n  ProxyJump jump",
        jump.ssh_config_path.read_text(),
        target.ssh_config_path.read_text(),
    )
    with (
        pool_in(tmp_path, sleep=lambda _: None) as pool,
        pytest.raises(ConnectError) as caught,
    ):
        pool.session(spec, "true")

    paragraph = re.sub(r"in \d+\.\d s", "in 0.0 s", caught.value.paragraph())
    assert paragraph == (
        f"jump: reach 127.0.0.1:{target.port} from here failed: the host cannot connect to it; "
        "tried 4 times in 0.0 s\n"
        "  try: check the address, and that an SSH server runs there, seen from jump"
    )


def test_a_jump_host_that_jumps_through_itself(tmp_path: Path, jump: SshServer) -> None:
    spec = join_configurations(
        tmp_path / "config", "Host *\n  ProxyJump jump", jump.ssh_config_path.read_text()
    )
    with pool_in(tmp_path) as pool, pytest.raises(ConnectError) as caught:
        pool.session(spec, "true")

    assert caught.value.paragraph() == (
        "jump: read ssh_config failed: ProxyJump leads through more than 8 hosts\n"
        "  try: set ProxyJump none for jump if it jumps through itself"
    )


def test_via_leads_through_another_gateway(
    tmp_path: Path, jump: SshServer, target: SshServer
) -> None:
    named = {"hop": spec_of(jump, id="hop")}
    with pool_in(tmp_path, named=named) as pool:
        over = spec_of(target, via="hop")
        beside = GatewaySpec(via="hop")
        assert output_of(pool, over, "echo $PLACE") == b"target\n"
        assert output_of(pool, beside, "echo $PLACE") == b"jump\n"

    assert jump.log().count("Accepted publickey") == 1


def test_via_in_a_circle_or_to_no_ssh_host(tmp_path: Path) -> None:
    named = {"a": GatewaySpec(via="b"), "b": GatewaySpec(via="a"), "local": GatewaySpec()}
    with pool_in(tmp_path, named=named) as pool:
        with pytest.raises(UsageError, match=r"^via= goes in a circle: a -> b -> a$"):
            pool.session(GatewaySpec(via="a"), "true")
        with pytest.raises(UsageError, match=r"^via=local names no ssh= gateway$"):
            pool.session(GatewaySpec(via="local"), "true")


def test_a_proxy_command(tmp_path: Path, target: SshServer) -> None:
    script = tmp_path / "relay.py"
    script.write_text(RELAY)
    command = f"{shlex.quote(sys.executable)} {shlex.quote(str(script))} %h %p"
    spec = join_configurations(
        tmp_path / "config",
        f"Host target\n  ProxyCommand {command}",
        target.ssh_config_path.read_text(),
    )
    with pool_in(tmp_path) as pool:
        assert output_of(pool, spec, "echo $PLACE") == b"target\n"

    running = subprocess.run(
        ["pgrep", "-f", str(script)], check=False, capture_output=True, text=True
    ).stdout
    assert running == ""


def test_options_of_an_included_file(tmp_path: Path, target: SshServer) -> None:
    (tmp_path / ".ssh" / "conf.d").mkdir(parents=True)
    (tmp_path / ".ssh" / "conf.d" / "one").write_text(target.ssh_config_path.read_text())
    config = tmp_path / ".ssh" / "config"
    config.write_text("Include conf.d/*\nHost *\n  User nobody\n")
    config.chmod(0o600)
    with pool_in(tmp_path) as pool:
        spec = GatewaySpec(target=SshTarget(host="target"))
        assert output_of(pool, spec, "echo $PLACE") == b"target\n"


@pytest.mark.parametrize("known", ["ed25519", "rsa", "ecdsa"])
def test_a_host_of_several_keys_is_known_by_one(tmp_path: Path, known: str) -> None:
    with sshd.running(tmp_path, host_key_types=["rsa", "ecdsa", "ed25519"]) as server:
        public = (server.directory / f"host_{known}.pub").read_text()
        server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public}")
        with pool_in(tmp_path) as pool:
            assert output_of(pool, spec_of(server), "echo in") == b"in\n"


@pytest.mark.parametrize("form", ["hashed", "pattern", "alias", "without port"])
def test_how_known_hosts_may_name_a_host(tmp_path: Path, form: str) -> None:
    with sshd.running(tmp_path) as server, pool_in(tmp_path) as pool:
        key = server.known_hosts.read_text().split(maxsplit=1)[1]
        config = server.ssh_config_path.read_text()
        if form == "hashed":
            command = ["ssh-keygen", "-q", "-H", "-f", str(server.known_hosts)]
            subprocess.run(command, check=True, capture_output=True)
            assert "127.0.0.1" not in server.known_hosts.read_text()
        elif form == "pattern":
            server.known_hosts.write_text(f"other,[127.0.*]:* {key}")
        elif form == "alias":
            server.known_hosts.write_text(f"the-machine {key}")
            server.ssh_config_path.write_text(f"HostKeyAlias the-machine\n{config}")
        else:
            server.known_hosts.write_text(f"127.0.0.1 {key}")

        assert output_of(pool, spec_of(server), "echo in") == b"in\n"


def test_a_new_key_is_kept_hashed_where_ssh_config_says_so(tmp_path: Path) -> None:
    with sshd.running(tmp_path) as server, pool_in(tmp_path) as pool:
        config = server.ssh_config_path.read_text()
        server.ssh_config_path.write_text(f"HashKnownHosts yes\n{config}")
        server.known_hosts.write_text("# no line end")
        spec = dataclasses.replace(spec_of(server), hostkey="accept-new")
        assert output_of(pool, spec, "echo in") == b"in\n"

        found = subprocess.run(
            ["ssh-keygen", "-F", f"[127.0.0.1]:{server.port}", "-f", str(server.known_hosts)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert "found: line 2" in found
        assert "127.0.0.1" not in server.known_hosts.read_text()
