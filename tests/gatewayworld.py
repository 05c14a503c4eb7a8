"""What tests of gateways share: an agent that obeys, a recorder, and hosts to reach it on."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import sshclient
import sshd

from remotest.bundle import BYTECODE, LOADER, read_bundle
from remotest.gateways.opening import connect_here, open_gateway
from remotest.gateways.tcp import SocketStream
from remotest.spec import GatewaySpec, SocketTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remotest.gateways.base import ByteStream
    from remotest.gateways.link import AgentLink

WAIT_S: Final = 30
"""For anything that is sure to come: only a broken test ever waits so long."""

STUB_AGENT: Final = """\
import os, sys, threading
def main(channel, headstart):
    channel.send(b"%d" % os.getpid())
    while True:
        try:
            frame = channel.receive()
        except EOFError:
            return
        if frame.startswith(b"exec "):
            exec(frame[5:].decode("utf-8"), {"channel": channel})
        else:
            channel.send(frame)
"""
"""Says its process id, then echoes frames, or executes those that begin with ``exec``."""


def stub_bundle(**modules: str) -> dict[str, str]:
    """Return a bundle of our own loader, the stub agent, and what is given."""
    bundle = {"pytest_remotest": "", **{name: read_bundle()[name] for name in (LOADER, BYTECODE)}}
    bundle["pytest_remotest.agent"] = STUB_AGENT
    return bundle | {f"pytest_remotest.{name}": source for name, source in modules.items()}


class Recorder:
    """The callbacks of one gateway, and what they were called with."""

    def __init__(self) -> None:
        self._frames: queue.Queue[bytes] = queue.Queue()
        self._closed = threading.Event()
        self.reasons: list[str] = []

    def on_frame(self, frame: bytes) -> None:
        self._frames.put(frame)

    def on_closed(self, reason: str) -> None:
        self.reasons.append(reason)
        self._closed.set()

    def frame(self) -> bytes:
        """Wait for the next frame."""
        return self._frames.get(timeout=WAIT_S)

    def frames_waiting(self) -> int:
        """Return how many frames have come that nobody has asked for."""
        return self._frames.qsize()

    def closed(self) -> list[str]:
        """Wait for the end and return all reasons that were told."""
        assert self._closed.wait(WAIT_S)
        return self.reasons


class World:
    """A way to reach interpreters, and what it needs to work.

    ``popen``; ``socket``: a server of execnet here; ``ssh``; ``forwarded``: a server of execnet
    reached through an SSH connection, as with ``via=``.
    """

    def __init__(self, kind: str, directory: Path, stack: contextlib.ExitStack) -> None:
        self.kind = kind
        self.has_shell = kind in ("popen", "ssh")
        self._directory = directory
        self._stack = stack
        self._spec = GatewaySpec()
        if not self.has_shell:
            self._spec = GatewaySpec(target=self._start_socket_server())
        if kind in ("ssh", "forwarded"):
            self._start_sshd(None)

    def open(
        self,
        recorder: Recorder,
        *,
        python: str | Path | None = None,
        setup: str | None = None,
        interpreters: Literal["host", "uv"] | None = None,
        bundle: dict[str, str] | None = None,
        will_fork: bool = False,
        timeout_s: float = WAIT_S,
    ) -> AgentLink:
        """Open a gateway; it is closed at the end of the test."""
        name = None if python is None else str(python)
        gateway = open_gateway(
            dataclasses.replace(self._spec, python=name, setup=setup, interpreters=interpreters),
            host=self.kind,
            connect=self._connect,
            invocation_directory=self._directory,
            bundle=bundle or stub_bundle(),
            on_frame=recorder.on_frame,
            on_closed=recorder.on_closed,
            will_fork=will_fork,
            timeout_s=timeout_s,
        )
        self._stack.callback(gateway.close, WAIT_S)
        return gateway

    def log_in_through(self, shell: str) -> None:
        """Make this the login shell of the host. Only for ssh."""
        self._start_sshd(shell)

    def _connect(self, spec: GatewaySpec, command: str) -> ByteStream:
        if self.kind == "ssh":
            return self._pool.session(spec, command)
        if self.kind == "forwarded":
            assert isinstance(spec.target, SocketTarget)
            return self._pool.forward(self._ssh_spec, spec.target.host, spec.target.port)
        return connect_here(spec, command)

    def _start_socket_server(self) -> SocketTarget:
        server = subprocess.Popen(
            [sys.executable, "-u", "-m", "execnet.script.socketserver", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
        )
        self._stack.enter_context(server)
        self._stack.callback(server.kill)
        assert server.stdout is not None
        port = server.stdout.readline().split()[-1].strip(b"()")
        return SocketTarget(host="127.0.0.1", port=int(port))

    def _start_sshd(self, shell: str | None) -> None:
        home = self._directory / f"home-{Path(shell or 'default').name}"
        home.mkdir()
        server = self._stack.enter_context(sshd.running(home, home=home, shell=shell))
        self._pool = self._stack.enter_context(sshclient.pool_in(home))
        self._ssh_spec = sshclient.spec_of(server)
        if self.kind == "ssh":
            self._spec = self._ssh_spec


@contextlib.contextmanager
def make_world(kind: str, directory: Path) -> Iterator[World]:
    """Build a world for the time of a ``with`` block; its gateways are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield World(kind, directory, stack)


class Watched:
    """A process whose end can be waited for, by a handle that no other process can get."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def has_ended(self) -> bool:
        """Wait for the process's end."""
        poller = select.poll()
        poller.register(self._handle, select.POLLIN)
        return bool(poller.poll(WAIT_S * 1000))

    def __del__(self) -> None:
        os.close(self._handle)


def executable(path: Path, text: str) -> Path:
    """Write a program and return its path."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def socket_pair() -> tuple[SocketStream, socket.socket]:
    """Return a stream and its other end, where the test plays the host."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(WAIT_S)
    return SocketStream(ours), theirs
