"""What of paramiko is used that it does not promise, and what is done without it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import paramiko
import pytest
import refusing
import sshd
from sshclient import output_of, pool_in, spec_of

from remotest.errors import ConnectError
from remotest.gateways import afterclose, earlysession, promptauth, sshstream
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from pathlib import Path


def test_this_paramiko_has_all_of_it() -> None:
    """Where this fails with a new paramiko: all goes on, and costs up to three round trips more."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = paramiko.Transport(ours)
    used = (
        *afterclose.PRIVATE,
        *promptauth.PRIVATE,
        *sshstream.PRIVATE,
        *earlysession.PRIVATE,
        *((transport, name) for name in earlysession.PRIVATE_OF_TRANSPORT),
    )
    assert [name for owner, name in used if not hasattr(owner, name)] == []


@pytest.fixture
def _lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (afterclose, earlysession, promptauth, sshstream):
        monkeypatch.setattr(module, "PRIVATE", ((paramiko.Transport, "not_there"),))


@pytest.mark.usefixtures("_lacking")
def test_without_it_a_host_is_reached_all_the_same(tmp_path: Path) -> None:
    with sshd.running(tmp_path) as server, pool_in(tmp_path) as pool:
        assert output_of(pool, spec_of(server), "echo in") == b"in\n"


@pytest.mark.usefixtures("_lacking")
def test_without_it_a_host_that_refuses_is_told_of_alike(tmp_path: Path) -> None:
    config = tmp_path / "config"
    with refusing.running(tmp_path, ["refuses"]) as lines, pool_in(tmp_path) as pool:
        key = sshd.make_key(tmp_path / "key")
        config.write_text("".join([*lines, f"  IdentityFile {key}\n"]))
        spec = GatewaySpec(target=SshTarget(host="refuses"), ssh_config=str(config))
        with pytest.raises(ConnectError, match="the server does not let this account run commands"):
            pool.session(spec, "true")
