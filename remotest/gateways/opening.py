"""One door for every way to reach an interpreter: a spec becomes an open gateway."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from remotest.errors import ConnectError, SpecError
from remotest.gateways.base import HEARTBEAT_S, ByteStream
from remotest.gateways.bootlines import Marker, python_line
from remotest.gateways.bootstrap import (
    BOOT_TIMEOUT_S,
    EXIT_STATUS_WAIT_S,
    Boot,
    Booted,
    describe_end,
)
from remotest.gateways.link import AgentLink, size_bytes
from remotest.gateways.popen import start_here
from remotest.gateways.shellscripts import REMOTE_COMMAND, end_line, told_command
from remotest.gateways.tcp import connect_socket
from remotest.interpreters import uv_request
from remotest.spec import GatewaySpec, SocketTarget, SshTarget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from remotest.gateways.base import OnClosed, OnFrame, OnStarted

END_TIMEOUT_S: Final = 5.0
"""For a shell on a host to kill a process there."""

Connect: TypeAlias = Callable[[GatewaySpec, str], ByteStream]
"""Makes the stream of a spec, in whose shell, if it has one, a command runs. Or a ConnectError."""


def connect_here(spec: GatewaySpec, command: str) -> ByteStream:
    """Return the stream of a ``popen`` or ``socket`` spec, as seen from this machine.

    Raises:
        ConnectError: no process can be made, or nothing listens there.
    """
    assert not isinstance(spec.target, SshTarget)
    return start_here(command) if spec.target is None else connect_socket(spec.target)


def open_gateway(
    spec: GatewaySpec,
    *,
    host: str,
    connect: Connect,
    invocation_directory: Path,
    bundle: Mapping[str, str],
    on_frame: OnFrame,
    on_closed: OnClosed,
    on_started: OnStarted = lambda _: None,
    will_fork: bool = False,
    timeout_s: float = BOOT_TIMEOUT_S,
) -> AgentLink:
    """Reach the interpreter of a spec and run our agent in it.

    Blocks for as long as connecting takes, plus ``timeout_s`` at most. Any thread may call this,
    any number of them at once. The agent greets through ``on_frame``; waiting for that is the
    caller's.

    Args:
        spec: what to reach.
        host: the host as the user wrote it, for errors.
        connect: makes the stream.
        invocation_directory: where a relative ``python=`` or ``env=venv:`` of ``popen`` begins.
        bundle: what the agent is loaded from; see ``read_bundle``.
        on_frame: see ``AgentGateway``.
        on_closed: see ``AgentGateway``; not called where this raises. It may be called before
            this returns.
        on_started: see ``AgentGateway``.
        will_fork: whether workers will probably be forked: what they fork from begins at once.
        timeout_s: how long the host may take to listen once the stream is there, and then the
            interpreter to answer; with ``setup=``, SETUP_TIMEOUT_S more.

    Raises:
        SpecError: ``python=`` for a socket server, which is its own interpreter.
        ConnectError: no stream, or no usable interpreter behind it. Nothing is left running.
    """
    is_socket = isinstance(spec.target, SocketTarget)
    if is_socket and spec.python is not None:
        raise SpecError(f"{host}: python= is not for socket=: the server is the interpreter")
    is_local = is_here(spec)
    python = spec.interpreter
    # After setup= the first of PATH is meant, as on a host.
    if is_local and not (python is None and spec.setup is not None):
        python = python_here(python, invocation_directory)
    marker = Marker.new()
    is_quick = spec.setup is None and spec.interpreters != "uv"
    told = told_command(python, marker, python_line(marker)) if is_quick else None
    stream = connect(spec, told or REMOTE_COMMAND)
    boot = Boot(
        stream,
        host=host,
        python=python,
        marker=marker,
        setup=spec.setup,
        uv_request=uv_request(python),
        may_install=spec.interpreters == "uv",
    )

    def end() -> None:
        if boot.pid is not None and not is_local:
            end_there(spec, connect, boot.pid)

    link = AgentLink(
        stream,
        host=host,
        is_local=is_local,
        heartbeat_s=spec.heartbeat_s or HEARTBEAT_S,
        on_frame=on_frame,
        on_closed=on_closed,
        end_there=end,
    )
    try:
        boot.say("interpreter" if is_socket else "program" if told else "shell", timeout_s)
        # A socket server reads more than its line, and drops that.
        if is_quick and not is_socket:
            _start_ahead(link, stream, bundle, spec.cache, will_fork=will_fork)
        if is_ahead := link.is_started:
            on_started(link)
        booted = boot.hear(timeout_s)
        if not is_ahead:
            try:
                link.start(bundle, cache=spec.cache, will_fork=will_fork)
            except OSError:
                raise _lost(stream, host, booted) from None
            on_started(link)
        link.listen(booted)
    except BaseException:  # Also Ctrl-C: nothing may be left running.
        link.abandon()
        stream.kill()
        end()
        raise
    return link


def _start_ahead(
    link: AgentLink,
    stream: ByteStream,
    bundle: Mapping[str, str],
    cache: str | None,
    *,
    will_fork: bool,
) -> None:
    """Say what comes next before the interpreter has answered, where nobody waits for room.

    That saves a round trip. What may run before the interpreter, for long, takes nothing.
    """
    if stream.room_bytes >= size_bytes(bundle, cache):
        with contextlib.suppress(OSError):  # What is read then says more.
            link.start(bundle, cache=cache, will_fork=will_fork)


def is_here(spec: GatewaySpec) -> bool:
    """Return whether what a spec reaches is a process of this machine."""
    return spec.target is None and spec.via is None


def end_there(spec: GatewaySpec, connect: Connect, pid: int) -> None:
    """End an interpreter on its host that does not answer: closing its session does not.

    Where the host cannot be reached any more, nothing can be done, and nothing is raised.
    """
    try:
        stream = connect(spec, REMOTE_COMMAND)
    except ConnectError:
        return
    try:
        stream.write(end_line(pid), END_TIMEOUT_S)
        stream.exit_status(END_TIMEOUT_S)
    except OSError:
        return
    finally:
        stream.kill()


def python_here(python: str | None, invocation_directory: Path) -> str:
    """Return an interpreter of this machine as a path or name that depends on no folder."""
    if python is None:
        return sys.executable
    if "/" in python and not python.startswith("~/"):
        return str(invocation_directory / python)
    return python


def _lost(stream: ByteStream, host: str, booted: Booted) -> ConnectError:
    status = stream.exit_status(EXIT_STATUS_WAIT_S)
    return ConnectError(
        host=host,
        phase="boot",
        cause=f"{booted.interpreter} answered, but then {describe_end(status)}",
        remedy="start it there by hand: what does it say?",
        stderr=stream.error_tail(),
    )
