"""``remotest serve``: a small SSH server for machines that have none.

It lets in the public keys of a file, runs commands as the current user, and can do nothing else:
no shell, no terminal, no file transfer, no forwarding. When a connection ends, so do its commands.
"""

from __future__ import annotations

import collections
import contextlib
import getpass
import logging
import os
import signal
import socket
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import paramiko
from paramiko import common
from paramiko.packet import Packetizer

from remotest.errors import UsageError
from remotest.gateways.afterclose import silence_after_close
from remotest.gateways.hostkeys import fingerprint
from remotest.gateways.keyfiles import parse_public_key
from remotest.gateways.servecommand import ServedCommand
from remotest.gateways.sshagent import USABLE_KEY_TYPES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Callbacks = collections.deque[Callable[[], None]]

DEFAULT_PORT: Final = 2222
DEFAULT_HOST_KEY: Final = Path("~/.config/remotest/serve_host_key")
DEFAULT_AUTHORIZED_KEYS: Final = Path("~/.ssh/authorized_keys")

MAX_CONNECTIONS: Final = 32  # Each takes a thread; a controller opens one for each host.
MAX_SESSIONS_PER_CONNECTION: Final = 64  # Each takes a process; one for each interpreter is used.
LOGIN_GRACE_S: Final = 30.0  # As LoginGraceTime in deploy/sshd_config.
KEEPALIVE_S: Final = 15  # As ClientAliveInterval and ClientAliveCountMax in deploy/sshd_config.
KEEPALIVE_COUNT: Final = 3
ACCEPT_WAIT_S: Final = 0.25  # How often who waits for a connection or a channel looks around.
END_TIMEOUT_S: Final = 10.0  # For commands to end once the server does: their own grace and more.
BACKLOG: Final = 32

PARAMIKO_LOGGER: Final = "remotest.serve.paramiko"
"""Silent unless somebody sets its level: every port scan would be a traceback."""

_logger = logging.getLogger("remotest.serve")
logging.getLogger(PARAMIKO_LOGGER).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How to serve.

    Attributes:
        bind: address to listen on.
        port: port to listen on; 0 takes a free one.
        authorized_keys: file of the public keys that are let in.
        host_key: file of the server's own key; made where there is none.
    """

    bind: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    authorized_keys: Path = DEFAULT_AUTHORIZED_KEYS
    host_key: Path = DEFAULT_HOST_KEY


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server listens, and what a client needs to know of it.

    Attributes:
        host: as a client should call it.
        port: the port.
        user: the user that it lets in.
        key_type: type of the host key.
        public_key: the host key, in base64.
        fingerprint: the host key's fingerprint.
    """

    host: str
    port: int
    user: str
    key_type: str
    public_key: str
    fingerprint: str

    @property
    def spec(self) -> str:
        """The ``--tx`` of the server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh={self.user}@{host}:{self.port}"

    @property
    def known_hosts_line(self) -> str:
        """What a client's known_hosts should say of the server."""
        return f"[{self.host}]:{self.port} {self.key_type} {self.public_key}"


def serve(options: ServeOptions, *, ready: Callable[[Address], None]) -> None:
    """Serve until KeyboardInterrupt; then end all commands and return.

    Args:
        options: how to serve.
        ready: called once, when the server listens.

    Raises:
        UsageError: nobody could log in, or the address cannot be had.
    """
    server = ExecServer(options)
    try:
        ready(server.address)
        server.serve()
    except KeyboardInterrupt:
        return
    finally:
        server.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``remotest serve`` to a parser."""
    parser.add_argument(
        "--bind",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on (default: %(default)s, which only this machine reaches)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="port to listen on, 0 for any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--authorized-keys",
        type=Path,
        default=DEFAULT_AUTHORIZED_KEYS,
        metavar="FILE",
        help="public keys to let in (default: %(default)s)",
    )
    parser.add_argument(
        "--host-key",
        type=Path,
        default=DEFAULT_HOST_KEY,
        metavar="FILE",
        help="the server's own key, made on first use (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve as the parsed arguments say until the process is told to end; return 0.

    Raises:
        UsageError: as ``serve``.
    """
    # Ending by SIGTERM is how containers and service managers stop a server: commands go too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = ServeOptions(
        bind=arguments.bind,
        port=arguments.port,
        authorized_keys=arguments.authorized_keys,
        host_key=arguments.host_key,
    )
    try:
        serve(options, ready=tell)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def tell(address: Address) -> None:
    """Tell the user that the server is ready."""
    print(describe(address), flush=True)  # noqa: T201  output


def describe(address: Address) -> str:
    """Return what to tell the user of a server that is ready."""
    return "\n".join(
        (
            f"listening on {address.host}:{address.port} for {address.user}",
            f"host key: {address.key_type} {address.fingerprint}",
            "",
            "on the machine that you run pytest on, once:",
            f"    echo '{address.known_hosts_line}' >> ~/.ssh/known_hosts",
            "and then:",
            f"    pytest -d --tx {address.spec}",
        )
    )


class ExecServer:
    """The server. ``serve`` blocks; ``close`` may be called by another thread."""

    def __init__(self, options: ServeOptions) -> None:
        """Read the keys and listen.

        Raises:
            UsageError: nobody could log in, or the address cannot be had.
        """
        self._authorized_keys = options.authorized_keys.expanduser()
        if not read_authorized_keys(self._authorized_keys):
            raise UsageError(
                f"no key in {self._authorized_keys}, so nobody could log in: put a public key "
                "there, or name another file with --authorized-keys"
            )
        self._host_key = load_host_key(options.host_key.expanduser())
        self._user = getpass.getuser()
        self._listener = _listen(options.bind, options.port)
        # A signal that comes just before a wait begins does not end that wait, only the next.
        self._listener.settimeout(ACCEPT_WAIT_S)
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, paramiko.Transport] = {}
        self._is_closed = False
        host, port, *_ = self._listener.getsockname()
        self.address = Address(
            host=socket.gethostname() if host in {"0.0.0.0", "::"} else host,  # noqa: S104  compared
            port=port,
            user=self._user,
            key_type=self._host_key.get_name(),
            public_key=self._host_key.get_base64(),
            fingerprint=fingerprint(self._host_key.asbytes()),
        )

    def serve(self) -> None:
        """Take connections until ``close``."""
        while True:
            try:
                connection, peer = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                if self._is_closed:
                    return
                raise
            with self._lock:
                if len(self._connections) >= MAX_CONNECTIONS or self._is_closed:
                    connection.close()
                    continue
                transport = paramiko.Transport(connection, packetizer_class=_Packetizer)
                thread = threading.Thread(
                    target=self._serve_connection, args=(transport, str(peer[0])), daemon=True
                )
                self._connections[thread] = transport
            _tune(connection)
            thread.start()

    def close(self) -> None:
        """Stop listening, end all connections and their commands. May be called again."""
        with self._lock:
            self._is_closed = True
            connections = dict(self._connections)
        with contextlib.suppress(OSError):  # Where it is closed already.
            self._listener.shutdown(socket.SHUT_RDWR)  # Wakes accept, which close does not.
        self._listener.close()
        for transport in connections.values():
            transport.close()
        for thread in connections:
            thread.join(END_TIMEOUT_S)

    def _serve_connection(self, transport: paramiko.Transport, peer: str) -> None:
        packetizer = transport.packetizer
        assert isinstance(packetizer, _Packetizer), "made with it"
        policy = _ExecOnly(self._user, self._authorized_keys, peer, packetizer.answered)
        try:
            transport.set_log_channel(PARAMIKO_LOGGER)
            transport.add_server_key(self._host_key)
            transport.set_keepalive(KEEPALIVE_S)
            transport.start_server(event=threading.Event(), server=policy)
            grace = threading.Timer(
                LOGIN_GRACE_S,
                lambda: None if transport.is_authenticated() else transport.close(),
            )
            grace.daemon = True
            grace.start()
            channels: list[paramiko.Channel] = []
            while transport.is_active():
                # A channel that nobody holds is closed by paramiko, before its command comes.
                channel = transport.accept(ACCEPT_WAIT_S)
                channels = [c for c in (*channels, channel) if c is not None and not c.closed]
            grace.cancel()
        except (paramiko.SSHException, EOFError, OSError) as error:
            _logger.info("%s: %s", peer, error)
        finally:
            transport.close()
            policy.end()
            with self._lock:
                self._connections.pop(threading.current_thread(), None)


class _Packetizer(Packetizer):
    """Runs what has to wait until the answer to a client's request is sent.

    paramiko sends the answer when the policy has returned, then reads on. A command that is
    quicker than that would report its end before its start.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection)
        self.answered: Callbacks = collections.deque()

    def read_message(self) -> tuple[int, paramiko.Message]:
        while self.answered:
            self.answered.popleft()()
        return super().read_message()


class _ExecOnly(paramiko.ServerInterface):
    """What one connection may do: log in by public key and run commands.

    All that is not overridden here is refused by paramiko: passwords, shells, terminals,
    subsystems, environment variables, forwarding of ports, of the agent, of a display.
    """

    def __init__(self, user: str, authorized_keys: Path, peer: str, answered: Callbacks) -> None:
        """Make the policy of one connection.

        Args:
            user: the only user that there is.
            authorized_keys: file of the keys that are let in.
            peer: the client's address, for the log.
            answered: takes what is to be done once the answer to a request is sent.
        """
        self._answered = answered
        self._user = user
        self._authorized_keys = authorized_keys
        self._peer = peer
        self._lock = threading.Lock()
        self._commands: list[ServedCommand] = []

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002  paramiko's interface
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        # Read each time: a key that was taken out of the file must not come in any more.
        if username != self._user or key.asbytes() not in _keys_or_none(self._authorized_keys):
            _logger.info("%s: refused %s for %s", self._peer, key.get_name(), username)
            return common.AUTH_FAILED
        return common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002  as above
        if kind != "session":
            return common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        with self._lock:
            self._commands = [command for command in self._commands if not command.has_ended]
            if len(self._commands) >= MAX_SESSIONS_PER_CONNECTION:
                return common.OPEN_FAILED_RESOURCE_SHORTAGE
        return common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        try:
            started = ServedCommand(silence_after_close(channel), os.fsdecode(command))
        except (OSError, ValueError) as error:
            _logger.warning("%s: cannot start a command: %s", self._peer, error)
            return False
        with self._lock:
            self._commands.append(started)
        self._answered.append(started.relay)
        return True

    def end(self) -> None:
        """Wait until all commands of the connection, whose channels are closed, are gone."""
        for command in self._commands:
            command.join(END_TIMEOUT_S)


def read_authorized_keys(path: Path) -> frozenset[bytes]:
    """Return the public keys of a file in the format of ``authorized_keys``.

    A line with options in front (``from=``, ``command=``...) is passed over: they restrict what
    the key may do, and they are not understood here.

    Raises:
        UsageError: the file cannot be read, or others may write to it.
    """
    try:
        if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(f"{path} can be written by others: chmod 600 {path}")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    keys: set[bytes] = set()
    for line in lines:
        public = parse_public_key(line)
        if public is not None and public[0] in USABLE_KEY_TYPES:
            keys.add(public[1])
    return frozenset(keys)


def load_host_key(path: Path) -> paramiko.PKey:
    """Return the server's key; make one, that only its owner can read, where there is none.

    Raises:
        UsageError: the file cannot be read or written, or holds no such key.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                paramiko.ECDSAKey.generate().write_private_key(file)
        return paramiko.ECDSAKey.from_private_key_file(str(path))
    except (OSError, ValueError, paramiko.SSHException) as error:
        raise UsageError(f"the host key {path} cannot be used: {error}") from error


def _keys_or_none(path: Path) -> frozenset[bytes]:
    try:
        return read_authorized_keys(path)
    except UsageError as error:
        _logger.warning("%s", error)
        return frozenset()


def _listen(bind: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            bind, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise UsageError(f"cannot listen on {bind}:{port}: {error}") from error


def _tune(connection: socket.socket) -> None:
    """Send small packets at once, and have the kernel notice a client that is gone."""
    with contextlib.suppress(OSError):  # The client has hung up already.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            patience_ms = KEEPALIVE_S * KEEPALIVE_COUNT * 1000
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
