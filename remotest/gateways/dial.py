"""The connection below SSH: a TCP socket, or the input and output of a ProxyCommand."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from remotest.errors import STDERR_TAIL_BYTES
from remotest.gateways.attempts import (
    NAME_ATTEMPTS,
    DialError,
    attempts_after,
    is_passing_name_error,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import paramiko

    from remotest.gateways.sshhost import SshHost

PHASE: Final = "connect"
PROXY_END_TIMEOUT_S: Final = 2.0  # A proxy that was told to end has nothing left to do.


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """What carries an SSH connection.

    Attributes:
        socket: a socket, or what behaves like one.
        finish: closes it and returns what was said beside it (by a ProxyCommand), if anything.
            Never raises; may be called again.
    """

    socket: socket.socket | paramiko.Channel
    finish: Callable[[], str]


class HeardSocket:
    """A socket that knows when it was last heard of; all else is the socket's own."""

    def __init__(self, inner: socket.socket | paramiko.Channel) -> None:
        self._inner = inner
        self.heard_s = time.monotonic()

    def recv(self, size: int) -> bytes:
        """Return what has come, as ``socket.recv`` does."""
        data = self._inner.recv(size)
        self.heard_s = time.monotonic()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def open_carrier(host: SshHost) -> Carrier:
    """Connect to a host directly or by its ProxyCommand.

    Raises:
        DialError: it cannot be reached.
    """
    if host.proxy_command is not None:
        return start_proxy(host.proxy_command)
    return carrier_of(dial(host))


def carrier_of(connection: socket.socket | paramiko.Channel) -> Carrier:
    """Return the carrier that an open connection is."""

    def finish() -> str:
        connection.close()
        return ""

    return Carrier(socket=connection, finish=finish)


def dial(host: SshHost) -> socket.socket:
    """Open a TCP connection to a host.

    Raises:
        DialError: no address of the host takes it.
    """
    try:
        addresses = socket.getaddrinfo(
            host.hostname, host.port, host.address_family, socket.SOCK_STREAM
        )
    except (socket.gaierror, UnicodeError) as error:
        failure = DialError(
            host=host.label,
            phase=PHASE,
            cause=f"the name {host.hostname} cannot be resolved: {_reason(error)}",
            remedy="check the name, the network (VPN?) and HostName in ssh_config",
        )
        if is_passing_name_error(error):
            failure.attempts = NAME_ATTEMPTS
        else:
            failure.fault = "wrong"
        raise failure from error
    failures: dict[str, OSError] = {}
    for family, kind, protocol, _, address in addresses:
        connection = _PromptSocket(family, kind, protocol)
        try:
            connection.settimeout(host.connect_timeout_s)
            connection.connect(address)
            _tune(connection, host)
        except OSError as error:
            connection.close()
            failures[str(address[0])] = error
        else:
            return connection
    raise _unreachable(host, failures)


def start_proxy(command: str) -> Carrier:
    """Start a ProxyCommand, the way ssh does: a shell that becomes the command."""
    ours, theirs = socket.socketpair()
    errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by finish
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {command}"],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=errors,
            start_new_session=True,
        )
    finally:
        theirs.close()

    once = threading.Lock()

    def finish() -> str:
        with once:
            if errors.closed:
                return ""
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(PROXY_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):  # It hangs in the kernel.
                    process.wait(PROXY_END_TIMEOUT_S)
            ours.close()
            with errors:
                size = errors.seek(0, os.SEEK_END)
                errors.seek(max(0, size - STDERR_TAIL_BYTES))
                return errors.read().decode(errors="replace")

    return Carrier(socket=ours, finish=finish)


class _PromptSocket(socket.socket):
    """A TCP socket that acknowledges at once.

    sshd leaves Nagle's algorithm on for sessions without a terminal: it holds each second small
    packet back until the first is acknowledged, which takes 40 ms if the kernel is left to it. A
    log-in and the start of a command are made of such packets.
    """

    def recv(self, size: int, flags: int = 0) -> bytes:
        if hasattr(socket, "TCP_QUICKACK"):  # Linux; it has to be asked for again each time.
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return super().recv(size, flags)


def _tune(connection: socket.socket, host: SshHost) -> None:
    """Send small packets at once, and have the kernel give up on a peer that is gone.

    Without the second, a connection cut without a word (a laptop that went to sleep, a firewall)
    would stay open for a quarter of an hour with data under way, and for ever without.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        patience_ms = int(host.keepalive_s * host.keepalive_count * 1000)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)


def _unreachable(host: SshHost, failures: dict[str, OSError]) -> DialError:
    errors = list(failures.values())
    where = " and ".join(
        f"[{address}]:{host.port}" if ":" in address else f"{address}:{host.port}"
        for address in failures
    )
    if all(isinstance(error, ConnectionRefusedError) for error in errors):
        cause = f"{where} refused the connection"
        remedy = "check the port, and that an SSH server runs there"
    elif all(isinstance(error, TimeoutError) for error in errors):
        cause = f"{where} did not answer within {host.connect_timeout_s:g} s"
        remedy = (
            "check that the machine is up and no firewall is in between; "
            "connect_timeout= waits longer"
        )
    else:
        cause = "; ".join(f"{address}: {_reason(error)}" for address, error in failures.items())
        remedy = "check the network (VPN?) and the address"
    failure = DialError(host=host.label, phase=PHASE, cause=cause, remedy=remedy)
    failure.attempts = attempts_after(errors)
    return failure


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
