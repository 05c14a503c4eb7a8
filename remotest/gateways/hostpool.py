"""One SSH connection for each host, shared by all sessions to it."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import functools
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from remotest.errors import ConnectError, UsageError
from remotest.gateways.attempts import SessionRefused
from remotest.gateways.base import HEARTBEAT_S
from remotest.gateways.connecting import connect
from remotest.gateways.sshhost import label_of, resolve_host
from remotest.spec import SshTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from remotest.gateways.keyfiles import KeyRing
    from remotest.gateways.ssh import SshConnection
    from remotest.gateways.sshhost import SshHost
    from remotest.gateways.sshstream import SshStream
    from remotest.gateways.surroundings import Surroundings
    from remotest.spec import GatewaySpec

MAX_LOGINS_PER_HOST: Final = 4
"""Log-ins under way to one host at a time: sshd drops some from the tenth on (MaxStartups)."""

MAX_CONNECTIONS_PER_HOST: Final = 8
"""With sshd's MaxSessions of 10 this is room for 80 interpreters on a host."""

MAX_HOPS: Final = 8
"""Connections one inside the other; more is a circle in ssh_config."""

CONNECT_WAIT_S: Final = 300.0
"""For a connection that another thread makes: all its attempts, and a passphrase being typed."""

Route = tuple["SshHost", ...]
"""Hosts from the first, connected from here, to the last; each is connected through the former."""


@dataclass
class _Shared:
    """The connections to the end of one route; guarded by the pool's lock."""

    connections: list[SshConnection] = field(default_factory=list)
    attempt: concurrent.futures.Future[SshConnection] | None = None


class HostPool:
    """Opens sessions on hosts. All methods may be called by any thread.

    Keys never leave this machine: a host behind another one is logged in to from here, through
    the connection to the other one.
    """

    def __init__(self, surroundings: Surroundings, lookup: Callable[[str], GatewaySpec]) -> None:
        """Make an empty pool.

        Args:
            surroundings: where keys and configuration are.
            lookup: returns the spec that ``via=ID`` names; raises UsageError for none.
        """
        self._surroundings = surroundings
        self._lookup = lookup
        self._ring: KeyRing | None = None
        self._lock = threading.Lock()
        self._shared: dict[Route, _Shared] = {}
        self._logins: dict[tuple[tuple[str, int], ...], threading.Semaphore] = {}
        self._notes: collections.deque[str] = collections.deque()
        self._is_closed = False

    def take_notes(self) -> list[str]:
        """Return what the user should hear about connections, each note once."""
        return [self._notes.popleft() for _ in range(len(self._notes))]

    def session(self, spec: GatewaySpec, command: str) -> SshStream:
        """Run a command on the host of a spec.

        Raises:
            ConnectError: the host cannot be reached or does not run it.
            UsageError: ``via`` names no SSH host.
        """
        route = self._route_of(spec, ())
        refused: list[SshConnection] = []
        while True:
            connection = self._connection(
                route,
                refused,
                spec.heartbeat_s or HEARTBEAT_S,
                asks_early=not refused,
            )
            try:
                return connection.open_session(command)
            except ConnectError as error:
                is_worth_another = isinstance(error, SessionRefused) or not connection.is_open
                refused.append(connection)
                if not is_worth_another or len(refused) >= MAX_CONNECTIONS_PER_HOST:
                    raise

    def forward(self, spec: GatewaySpec, hostname: str, port: int) -> SshStream:
        """Return a stream to what the host of a spec reaches as ``hostname:port``.

        Raises:
            ConnectError: the host cannot be reached, or cannot reach that.
            UsageError: ``via`` names no SSH host.
        """
        return self._connection(self._route_of(spec, ())).forward(hostname, port)

    def close(self) -> None:
        """Close all connections. Never raises."""
        with self._lock:
            self._is_closed = True
            routes = sorted(self._shared, key=len, reverse=True)
            connections = [c for route in routes for c in self._shared[route].connections]
            self._shared.clear()
        for connection in connections:
            connection.close()

    def _route_of(self, spec: GatewaySpec, seen: tuple[str, ...]) -> Route:
        """Return the way to the host of a spec."""
        route: Route = ()
        if spec.via is not None:
            if spec.via in seen:
                raise UsageError(f"via= goes in a circle: {' -> '.join((*seen, spec.via))}")
            route = self._route_of(self._lookup(spec.via), (*seen, spec.via))
        if isinstance(spec.target, SshTarget):
            route += self._hops_to(spec.target, spec, None, 0)
        if not route:
            raise UsageError(f"via={seen[-1] if seen else ''} names no ssh= gateway")
        if any(host.proxy_command for host in route[1:]):
            raise UsageError(
                f"{route[-1].label}: a ProxyCommand runs on this machine and cannot lead on from "
                "via= or ProxyJump; set ProxyCommand none for the host"
            )
        return route

    def _hops_to(
        self,
        target: SshTarget,
        spec: GatewaySpec,
        jumps: tuple[SshTarget, ...] | None,
        depth: int,
    ) -> Route:
        """Return the hosts to go through and the target.

        As in ssh, the jumps of a list go one through the other, and only the first looks into
        ssh_config for jumps of its own.
        """
        if depth >= MAX_HOPS:
            raise ConnectError(
                host=label_of(target),
                phase="read ssh_config",
                cause=f"ProxyJump leads through more than {MAX_HOPS} hosts",
                remedy=f"set ProxyJump none for {target.host} if it jumps through itself",
            )
        host = resolve_host(target, spec, self._surroundings)
        before = host.jumps if jumps is None else jumps
        if not before:
            return (host,)
        return (*self._hops_to(before[-1], spec, before[:-1] or None, depth + 1), host)

    def _connection(
        self,
        route: Route,
        refused: Sequence[SshConnection] = (),
        longest_silence_s: float = HEARTBEAT_S,
        *,
        asks_early: bool = False,
    ) -> SshConnection:
        """Return an open connection that is not one of ``refused``, made now if need be.

        Nor one that has been silent for as long as an agent on it may be: the host may have gone
        without a word. It is not closed: maybe somebody else on it has more patience.
        """
        with self._lock:
            if self._is_closed:
                raise ConnectError(host=route[-1].label, phase="connect", cause="the run is ending")
            shared = self._shared.setdefault(_key(route), _Shared())
            shared.connections = [c for c in shared.connections if c.is_open]
            for connection in reversed(shared.connections):
                if connection not in refused and connection.silence_s < longest_silence_s:
                    return connection
            attempt = shared.attempt
            if attempt is None:
                mine = shared.attempt = concurrent.futures.Future()
        if attempt is None:
            return self._make(route, shared, mine, asks_early=asks_early)
        try:
            return attempt.result(CONNECT_WAIT_S)
        except concurrent.futures.TimeoutError as error:
            raise ConnectError(
                host=route[-1].label,
                phase="connect",
                cause=f"another connection to it has not come up within {CONNECT_WAIT_S:g} s",
            ) from error

    def _make(
        self,
        route: Route,
        shared: _Shared,
        attempt: concurrent.futures.Future[SshConnection],
        *,
        asks_early: bool,
    ) -> SshConnection:
        """Connect for this thread and all that wait for ``attempt``."""
        try:
            connection = self._log_in(route, asks_early=asks_early)
        except BaseException as error:
            with self._lock:
                shared.attempt = None
            attempt.set_exception(error)
            raise
        with self._lock:
            shared.attempt = None
            shared.connections.append(connection)
            is_closed = self._is_closed
        attempt.set_result(connection)
        if is_closed:
            connection.close()
        return connection

    def _log_in(self, route: Route, *, asks_early: bool) -> SshConnection:
        host = route[-1]
        carry = None
        if len(route) > 1:
            carrier = self._connection(route[:-1])
            carry = functools.partial(carrier.carry, host.hostname, host.port)
        with self._login_slot(route):
            connection = connect(
                host,
                surroundings=self._surroundings,
                ring=self._key_ring,
                carry=carry,
                asks_early=asks_early,
            )
        self._notes.extend(connection.notes)
        return connection

    def _key_ring(self) -> KeyRing:
        """Return what opens key files, the same for all hosts."""
        # Not at the top: it imports paramiko, for which a host is dialled first.
        from remotest.gateways.keyfiles import KeyRing  # noqa: PLC0415

        with self._lock:
            if self._ring is None:
                self._ring = KeyRing(self._surroundings.ask_passphrase)
            return self._ring

    @contextlib.contextmanager
    def _login_slot(self, route: Route) -> Iterator[None]:
        """Hold one of the few log-ins that may be under way to a host, whoever logs in."""
        place = tuple((host.hostname, host.port) for host in route)
        with self._lock:
            slots = self._logins.setdefault(place, threading.Semaphore(MAX_LOGINS_PER_HOST))
        if not slots.acquire(timeout=CONNECT_WAIT_S):
            raise ConnectError(
                host=route[-1].label,
                phase="connect",
                cause=f"the log-ins before this one took longer than {CONNECT_WAIT_S:g} s",
            )
        try:
            yield
        finally:
            slots.release()


def _key(route: Route) -> Route:
    """Return what makes two routes the same: the names that people gave to hosts do not.

    All else does: who trusts other host keys, or logs in by another key, gets no connection that
    somebody else has made.
    """
    return tuple(replace(host, label="") for host in route)
