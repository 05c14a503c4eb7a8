"""What tests of SSH need on the client's side."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import time
from typing import TYPE_CHECKING

from remotest.gateways.hostpool import HostPool
from remotest.gateways.surroundings import Surroundings
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sshd import SshServer

    from remotest.gateways.base import ByteStream

READ_TIMEOUT_S = 30.0


def nobody_to_ask(path: Path) -> None:
    """Answer as where there is no terminal."""


def surroundings_in(
    home: Path,
    *,
    environment: Mapping[str, str] | None = None,
    ask: Callable[[Path], str | None] = nobody_to_ask,
    sleep: Callable[[float], None] = time.sleep,
) -> Surroundings:
    """Return surroundings that know nothing of the real user's keys, agent or configuration."""
    return Surroundings(
        user=getpass.getuser(),
        home=home,
        environment=dict(environment or {}),
        system_directory=home / "etc-ssh",
        ask_passphrase=ask,
        sleep=sleep,
    )


def spec_of(server: SshServer, **changes: object) -> GatewaySpec:
    """Return the spec of a running server."""
    spec = GatewaySpec(target=SshTarget(host=server.name), ssh_config=str(server.ssh_config_path))
    return dataclasses.replace(spec, **changes)


@contextlib.contextmanager
def pool_in(
    home: Path,
    *,
    named: Mapping[str, GatewaySpec] | None = None,
    environment: Mapping[str, str] | None = None,
    ask: Callable[[Path], str | None] = nobody_to_ask,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[HostPool]:
    """Make a pool for the time of a ``with`` block; ``named`` is what ``via=`` may name."""
    specs = dict(named or {})
    surroundings = surroundings_in(home, environment=environment, ask=ask, sleep=sleep)
    pool = HostPool(surroundings, specs.__getitem__)
    try:
        yield pool
    finally:
        pool.close()


def read_all(stream: ByteStream) -> bytes:
    """Return all that a stream still has to say."""
    data = b""
    while chunk := stream.read(1 << 16, READ_TIMEOUT_S):
        data += chunk
    return data


def output_of(pool: HostPool, spec: GatewaySpec, command: str) -> bytes:
    """Run a command and return its output."""
    stream = pool.session(spec, command)
    try:
        return read_all(stream)
    finally:
        stream.kill()
