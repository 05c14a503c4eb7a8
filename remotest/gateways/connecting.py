"""Connecting to a host: it is dialled first, and paramiko imported while it begins to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remotest.gateways.attempts import persist
from remotest.gateways.dial import open_carrier
from remotest.gateways.lean import import_ssh

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.gateways.dial import Carrier
    from remotest.gateways.keyfiles import KeyRing
    from remotest.gateways.ssh import SshConnection
    from remotest.gateways.sshhost import SshHost
    from remotest.gateways.surroundings import Surroundings


def connect(
    host: SshHost,
    *,
    surroundings: Surroundings,
    ring: Callable[[], KeyRing],
    carry: Callable[[], Carrier] | None = None,
    asks_early: bool = False,
) -> SshConnection:
    """Connect to a host and log in; try again where the server is only busy or restarting.

    No attempt begins when the host's connect time-out has passed since the first one did.

    Args:
        host: the host, resolved.
        surroundings: where the jitter of the delays comes from, and the clock.
        ring: returns what opens key files.
        carry: opens what carries the connection, if that is not a connection from here.
        asks_early: whether a session will be wanted, and may be asked for before the log-in is
            accepted.

    Raises:
        ConnectError: the host cannot be reached, is not who it should be, or lets nobody in.
    """
    return persist(
        lambda: _connect_once(host, ring, carry or (lambda: open_carrier(host)), asks_early),
        limit_s=host.connect_timeout_s,
        chance=surroundings.random,
        sleep=surroundings.sleep,
        clock=surroundings.clock,
    )


def _connect_once(
    host: SshHost, ring: Callable[[], KeyRing], carry: Callable[[], Carrier], asks_early: bool
) -> SshConnection:
    carrier = carry()
    import_ssh()
    # Not at the top: they import paramiko.
    from remotest.gateways.logins import EarlyHangUp  # noqa: PLC0415
    from remotest.gateways.ssh import log_in_over  # noqa: PLC0415

    try:
        return log_in_over(carrier, host, ring(), asks_early=asks_early)
    except EarlyHangUp:
        return log_in_over(carry(), host, ring(), asks_early=False)
