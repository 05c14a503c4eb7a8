"""A ``--tx`` string <-> a frozen GatewaySpec. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

AUTO: Final = "auto"
WorkerCount: TypeAlias = int | Literal["auto"]


@dataclass(frozen=True, kw_only=True)
class SshTarget:
    """``[user@]host[:port]``; host may be an alias that ssh_config resolves."""

    host: str
    user: str | None = None
    port: int | None = None


@dataclass(frozen=True, kw_only=True)
class SocketTarget:
    """``host:port`` of an execnet socket server."""

    host: str
    port: int


@dataclass(frozen=True, kw_only=True)
class GatewaySpec:
    """Where and how one worker runs. ``target`` None is this machine (``popen``)."""

    target: SshTarget | SocketTarget | None = None
    via: str | None = None
    python: str | None = None
    chdir: str | None = None
    id: str | None = None
    nice: int | None = None
    env: tuple[tuple[str, str | None], ...] = ()
    ssh_config: str | None = None
    hostkey: Literal["strict", "accept-new"] | None = None
    connect_timeout_s: float | None = None
    cache: str | None = None
    sync: Literal["tree", "none"] | None = None
    execmodel: str | None = None
    dont_write_bytecode: bool = False


@dataclass(frozen=True, kw_only=True)
class TxRequest:
    """One ``--tx``: so many workers of a spec."""

    spec: GatewaySpec
    count: WorkerCount = 1
