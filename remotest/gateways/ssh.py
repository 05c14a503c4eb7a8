"""An SSH connection to one host, over paramiko."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final, cast

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from remotest.errors import ConnectError
from remotest.gateways.afterclose import silence_after_close
from remotest.gateways.attempts import (
    DROPPED_ATTEMPTS,
    REFUSED_ATTEMPTS,
    DialError,
    SessionRefused,
)
from remotest.gateways.dial import HeardSocket, carrier_of
from remotest.gateways.earlysession import early_session
from remotest.gateways.hostkeys import algorithms_to_offer
from remotest.gateways.hosttrust import known_keys_for, names_of, require_trust
from remotest.gateways.logins import log_in
from remotest.gateways.sshstream import SshStream

if TYPE_CHECKING:
    import socket

    from remotest.errors import Fault
    from remotest.gateways.dial import Carrier
    from remotest.gateways.earlysession import EarlySession
    from remotest.gateways.hostkeys import KnownKey
    from remotest.gateways.keyfiles import KeyRing
    from remotest.gateways.sshhost import SshHost

LOGIN_TIMEOUT_S: Final = 60.0
"""For each key tried: a person may have to touch or confirm something; sshd allows 120 s."""

OPEN_TIMEOUT_S: Final = 30.0
"""For a host to start a command: a loaded one with a slow home may take 10 s."""

CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
"""GCM first: it is the fastest here. Nothing of the CBC kind."""

MACS: Final = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)

PARAMIKO_LOGGER: Final = "remotest.ssh.paramiko"
"""Silent unless somebody sets its level: what paramiko logs as an error, with a traceback, is
raised here as one paragraph."""

NOT_STRICT: Final = (
    "its SSH server does not know strict key exchange (CVE-2023-48795): update it there"
)
"""A server that knows it is held to it: paramiko then takes nothing else during the exchange."""

logging.getLogger(PARAMIKO_LOGGER).setLevel(logging.CRITICAL + 1)


class SshConnection:
    """A connection that is logged in. Its methods may be called by any thread.

    Attributes:
        host: whom it leads to.
        notes: what the user should hear about it, one line each.
    """

    def __init__(
        self,
        host: SshHost,
        transport: paramiko.Transport,
        carrier: Carrier,
        heard: HeardSocket,
        early: EarlySession | None,
    ) -> None:
        self.host = host
        self.notes: tuple[str, ...] = ()
        if not getattr(transport, "agreed_on_strict_kex", True):  # Not in the type stubs.
            self.notes = (f"{host.label}: {NOT_STRICT}",)
        self._transport = transport
        self._carrier = carrier
        self._heard = heard
        self._early = early

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<SshConnection {self.host.user}@{self.host.hostname}:{self.host.port} {state}>"

    @property
    def is_open(self) -> bool:
        """Whether the connection is still there, as far as is known."""
        return self._transport.is_active()

    @property
    def silence_s(self) -> float:
        """For how long nothing has come from the host."""
        return time.monotonic() - self._heard.heard_s

    def open_session(self, command: str) -> SshStream:
        """Run a command of the account's login shell on a channel of its own.

        Neither a terminal nor the agent nor a display is asked for, whatever ssh_config says. That
        the host does not run it is told by reading from the stream.

        Raises:
            SessionRefused: the connection has as many sessions as the server allows.
            ConnectError: the connection is lost.
        """
        deadline_s = time.monotonic() + OPEN_TIMEOUT_S
        channel = self._early.take() if self._early is not None else None
        if channel is None:
            channel = self._open_channel("session", None, deadline_s - time.monotonic())
        try:
            return SshStream(channel, command, self._refusal)
        except Exception as error:  # As in _negotiate.
            channel.close()
            lost = self._error("start a command", f"the connection is lost: {error}")
            raise (self._refusal("") or lost) from error

    def _refusal(self, last_words: str) -> ConnectError | None:
        """Return the error of a host that has closed a channel and has not begun a command."""
        if not self.is_open:
            return None
        return ConnectError(
            host=self.host.label,
            phase="start a command",
            cause="the server does not let this account run commands",
            remedy=f"ask its owner; `ssh {self.host.label} echo here` by hand must answer",
            stderr=last_words,
        )

    def forward(self, hostname: str, port: int) -> SshStream:
        """Return a stream to what the host reaches as ``hostname:port``.

        Raises:
            ConnectError: the host does not forward, or cannot reach it.
        """
        return SshStream(self._open_channel("direct-tcpip", (hostname, port)))

    def carry(self, hostname: str, port: int) -> Carrier:
        """Return what carries a further SSH connection to ``hostname:port``.

        Raises:
            ConnectError: as ``forward``.
        """
        return carrier_of(self._open_channel("direct-tcpip", (hostname, port)))

    def close(self) -> None:
        """Close the connection and all that runs over it. Never raises."""
        self._transport.close()
        self._carrier.finish()

    def _open_channel(
        self, kind: str, address: tuple[str, int] | None, timeout_s: float = OPEN_TIMEOUT_S
    ) -> paramiko.Channel:
        try:
            channel = self._transport.open_channel(
                kind, address, ("127.0.0.1", 0) if address else None, timeout=timeout_s
            )
            return silence_after_close(channel)
        except Exception as error:  # As in _negotiate.
            if not self.is_open:
                raise self._error("open a channel", f"the connection is lost: {error}") from error
            if address is not None:
                raise self._forward_error(address, error) from error
            if "timeout" in str(error).lower():
                raise self._error("open a channel", "the host does not answer") from error
            raise SessionRefused(
                host=self.host.label,
                phase="open a session",
                cause="the server allows no further session on this connection",
                remedy="raise MaxSessions in the host's sshd_config",
            ) from error

    def _forward_error(self, address: tuple[str, int], error: Exception) -> ConnectError:
        target = f"{address[0]}:{address[1]}"
        prohibited = isinstance(error, paramiko.ChannelException) and error.code == 1
        if prohibited:
            return self._error(
                f"reach {target} from here",
                "the server forwards no connection",
                "AllowTcpForwarding local in this host's sshd_config",
            )
        failure = DialError(
            host=self.host.label,
            phase=f"reach {target} from here",
            cause="the host cannot connect to it",
            remedy="check the address, and that an SSH server runs there, "
            f"seen from {self.host.label}",
        )
        failure.attempts = REFUSED_ATTEMPTS
        return failure

    def _error(self, phase: str, cause: str, remedy: str = "") -> ConnectError:
        return ConnectError(host=self.host.label, phase=phase, cause=cause, remedy=remedy)


def log_in_over(
    carrier: Carrier, host: SshHost, ring: KeyRing, *, asks_early: bool
) -> SshConnection:
    """Return the connection to a host over what carries it; see ``connecting.connect``.

    Raises:
        EarlyHangUp: see ``log_in``. The carrier is closed then.
        ConnectError: it is not who it should be, or lets nobody in. The carrier is closed then.
    """
    heard = HeardSocket(carrier.socket)
    transport: paramiko.Transport | None = None
    try:
        known = known_keys_for(host)
        transport = _negotiate(host, known, carrier, heard)
        key = transport.get_remote_server_key()
        require_trust(host, known, key.get_name(), key.asbytes())
        early = early_session(transport) if asks_early else None
        log_in(transport, host, ring, early)
        transport.set_keepalive(max(1, int(host.keepalive_s)))
    except BaseException:
        if transport is not None:
            transport.close()
        carrier.finish()
        raise
    return SshConnection(host, transport, carrier, heard, early)


def _negotiate(
    host: SshHost, known: list[KnownKey], carrier: Carrier, heard: HeardSocket
) -> paramiko.Transport:
    """Exchange keys; who the host is has not been looked at yet."""
    transport = paramiko.Transport(cast("socket.socket", heard))
    try:
        transport.set_log_channel(PARAMIKO_LOGGER)
        # Longer than ours: paramiko does not say whether the server was silent or hung up.
        transport.banner_timeout = 2 * host.connect_timeout_s
        transport.auth_timeout = LOGIN_TIMEOUT_S
        options = transport.get_security_options()
        options.ciphers = tuple(name for name in CIPHERS if name in options.ciphers)
        options.digests = tuple(name for name in MACS if name in options.digests)
        options.key_types = algorithms_to_offer(
            known,
            names_of(host),
            configured=host.host_key_algorithms,
            supported=options.key_types,
        )
        _exchange_keys(transport, host.connect_timeout_s)
    except Exception as error:  # paramiko hands on whatever ended its thread: IndexError as well.
        transport.close()
        raise _negotiation_error(host, transport, error, carrier.finish()) from error
    return transport


def _exchange_keys(transport: paramiko.Transport, timeout_s: float) -> None:
    """Start the transport and wait until it is encrypted; raise whatever paramiko raised."""
    negotiated = threading.Event()
    transport.start_client(event=negotiated)
    if not negotiated.wait(timeout_s):
        raise TimeoutError
    failure = transport.get_exception()
    if failure is not None or not transport.is_active():
        raise failure or EOFError


def _negotiation_error(
    host: SshHost, transport: paramiko.Transport, error: Exception, last_words: str
) -> DialError:
    """Return the error that says how far it came."""
    phase, remedy, attempts = "agree on encryption", "", 1
    fault: Fault = "away"
    banner_came = bool(transport.remote_version)
    if isinstance(error, TimeoutError):
        cause = f"the server did not answer within {host.connect_timeout_s:g} s"
        remedy = "check that an SSH server listens there; connect_timeout= waits longer"
    elif isinstance(error, IncompatiblePeer):
        cause = f"nothing in common with {transport.remote_version}: {error}"
        remedy = "update the host's SSH server"
        fault = "wrong"
    elif host.proxy_command is not None and not banner_came:
        phase = "connect by ProxyCommand"
        cause = "the command ended before an SSH server answered"
        remedy = f"run it by hand: {host.proxy_command}"
    elif "Indecipherable" in str(error) or "codec" in str(error):  # No banner, or no text at all.
        cause = "what listens there is no SSH server"
        remedy = "check the port"
        fault = "wrong"
    elif not banner_came:
        cause = "the server closed the connection before it said a word"
        remedy = (
            "if it is busy, raise MaxStartups in its sshd_config; "
            "if it bans clients (fail2ban, hosts.deny), ask its owner"
        )
        attempts = DROPPED_ATTEMPTS
    else:
        cause = f"the server closed the connection: {error}".rstrip(": ")
        attempts = REFUSED_ATTEMPTS if isinstance(error, EOFError | OSError) else 1
    failure = DialError(host=host.label, phase=phase, cause=cause, remedy=remedy, stderr=last_words)
    failure.attempts, failure.fault = attempts, fault
    return failure
