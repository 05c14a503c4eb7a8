"""Opens the gateways of one run: knows every spec, and shares one SSH connection for each host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remotest.bundle import read_bundle
from remotest.errors import SpecError, UsageError
from remotest.gateways.bootstrap import BOOT_TIMEOUT_S, Boot
from remotest.gateways.lean import import_ssh
from remotest.gateways.opening import connect_here, end_there, is_here, open_gateway
from remotest.gateways.shellscripts import REMOTE_COMMAND
from remotest.spec import GatewaySpec, SocketTarget, SshTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from remotest.errors import HostError
    from remotest.gateways.base import AgentGateway, ByteStream, OnClosed, OnFrame, OnStarted
    from remotest.gateways.hostpool import HostPool


class GatewayOpener:
    """Opens the gateway of an agent by its name. Any thread may call it, several at once."""

    def __init__(self, everything: Iterable[GatewaySpec], *, invocation_dir: Path) -> None:
        """Take in the specs of a run, each of which may be the ``via=`` of others.

        Args:
            everything: all specs of the run.
            invocation_dir: what a relative ``python=`` of ``popen`` is relative to.

        Raises:
            UsageError: a ``via=`` names nobody.
        """
        everything = tuple(everything)
        self._agents: dict[str, GatewaySpec] = {}
        self._forking: frozenset[str] = frozenset()
        self._refused: dict[GatewaySpec, HostError] = {}
        self._named = {spec.id: spec for spec in everything if spec.id is not None}
        self._invocation_dir = invocation_dir
        self._booting: dict[str, ByteStream | None] = {}  # None until it has connected.
        self._is_aborted = False
        for spec in everything:
            if spec.via is not None:
                self._lookup(spec.via)
        uses_ssh = any(isinstance(spec.target, SshTarget) for spec in everything)
        self._pool = _make_pool(self._lookup) if uses_ssh else None

    def name(self, agents: Mapping[str, GatewaySpec], forking: Collection[str] = ()) -> None:
        """Give the agents their names: agent -> how to reach it; and say which will fork."""
        self._agents.update(agents)
        self._forking = frozenset(forking)

    def get_ready(self) -> None:
        """Import what it takes to log in to hosts. They should have been dialled before.

        In the main thread, so that plugins are imported only after that: meanwhile there is a
        module that others might want, and not find.
        """
        if self._pool is not None:
            import_ssh()

    def refuse(self, spec: GatewaySpec, error: HostError) -> None:
        """Have every later try to open the gateway of a spec fail with an error that is known."""
        self._refused[spec] = error

    def _lookup(self, name: str) -> GatewaySpec:
        if name not in self._named:
            known = ", ".join(str(known) for known in self._named) or "none"
            raise UsageError(f"via={name}: no --px or --tx has id={name}; ids of this run: {known}")
        return self._named[name]

    def __call__(
        self, agent: str, on_frame: OnFrame, on_closed: OnClosed, on_started: OnStarted
    ) -> AgentGateway:
        """Open the gateway of an agent; see ``open_gateway``.

        Raises:
            HostError: also what ``refuse`` was told.
        """
        spec = self._agents[agent]
        if spec in self._refused:
            raise self._refused[spec]
        self._booting[agent] = None
        try:
            return open_gateway(
                spec,
                host=agent,
                connect=lambda *way: self._noted(agent, self._connect(*way)),
                invocation_directory=self._invocation_dir,
                bundle=read_bundle(),
                on_frame=on_frame,
                on_closed=on_closed,
                on_started=on_started,
                will_fork=agent in self._forking,
            )
        finally:
            del self._booting[agent]

    def _noted(self, agent: str, stream: ByteStream) -> ByteStream:
        """Note the stream that an agent boots on; a later one is there to end what runs there."""
        if agent in self._booting and self._booting[agent] is None:
            self._booting[agent] = stream
            if self._is_aborted:
                stream.kill()
        return stream

    def abort(self) -> None:
        """End what is being booted: what is run before an agent does not see that we leave."""
        self._is_aborted = True
        for stream in filter(None, list(self._booting.values())):
            stream.kill()

    def find_interpreters(self, spec: GatewaySpec) -> tuple[str, ...]:
        """Return the paths of the interpreters that the host of a spec has.

        Raises:
            ConnectError: it cannot be reached, or does not tell.
            SpecError: it is a socket server, which is an interpreter.
        """
        if isinstance(spec.target, SocketTarget):
            raise SpecError(f"{spec.host_label}: python= is not for socket=: that is one already")
        self._booting[spec.redacted()] = None
        stream = self._noted(spec.redacted(), self._connect(spec, REMOTE_COMMAND))
        boot = Boot(stream, host=spec.redacted(), python=None, setup=spec.setup)
        try:
            found = boot.list_interpreters(timeout_s=BOOT_TIMEOUT_S)
        except BaseException:  # As in open_gateway: nothing may be left running.
            stream.kill()
            if boot.pid is not None and not is_here(spec):
                end_there(spec, self._connect, boot.pid)
            raise
        finally:
            self._booting.pop(spec.redacted(), None)
        stream.kill()
        return found

    def _connect(self, spec: GatewaySpec, command: str) -> ByteStream:
        """Return the stream of a spec, through another host where ``via`` says so."""
        if isinstance(spec.target, SshTarget):
            return self._ssh().session(spec, command)
        if spec.via is None or self._lookup(spec.via).target is None:
            return connect_here(spec, command)
        if isinstance(spec.target, SocketTarget):
            return self._ssh().forward(spec, spec.target.host, spec.target.port)
        return self._ssh().session(spec, command)

    def _ssh(self) -> HostPool:
        if self._pool is None:
            raise UsageError("via= names a gateway that is not on another machine by ssh=")
        return self._pool

    def take_notes(self) -> list[str]:
        """Return what the user should hear about connections, each note once. Main thread."""
        return [] if self._pool is None else self._pool.take_notes()

    def close(self) -> None:
        """Close every connection. Never raises."""
        if self._pool is not None:
            self._pool.close()


def _make_pool(lookup: Callable[[str], GatewaySpec]) -> HostPool:
    # Not at the top: popen needs none of it.
    from remotest.gateways.hostpool import HostPool  # noqa: PLC0415
    from remotest.gateways.surroundings import surroundings_here  # noqa: PLC0415

    return HostPool(surroundings_here(), lookup)
