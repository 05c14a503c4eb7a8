"""A real OpenSSH server on loopback, run by the current user, for tests and the demo.

It is started from ``deploy/sshd_config``: sshd takes the first value of a keyword, so what a
temporary server needs otherwise (port, host keys, the keys let in) is written in front of it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import needs
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TEMPLATE: Final = Path(__file__).resolve().parent.parent / "deploy" / "sshd_config"
PRIVILEGE_SEPARATION_DIRECTORY: Final = Path("/run/sshd")
START_TIMEOUT_S: Final = 10.0  # sshd listens after some 20 ms; a loaded machine may be slow.
PORT_ATTEMPTS: Final = 5  # Another process may take the free port before sshd does.


class SshServer:
    """A running sshd and all that a client needs to reach it.

    Attributes:
        port: the port on 127.0.0.1.
        user: the account that sshd lets in: the current one.
        client_key: private key file that is let in; ``client_key.pub`` lies beside it.
        known_hosts: file that names the server's host keys.
        authorized_keys: file of the public keys let in; write to it to let more in.
        ssh_config_path: configuration in which ``name`` and ``name-...`` are this server.
        name: alias in that configuration.
        directory: where all of the server's files are.
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "worker",
        lines: Sequence[str] = (),
        host_key_types: Sequence[str] = ("ed25519",),
        home: Path | None = None,
        shell: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.name = name
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.port = 0
        self.client_key = directory / "client_key"
        self.known_hosts = directory / "known_hosts"
        self.authorized_keys = directory / "authorized_keys"
        self.ssh_config_path = directory / "ssh_config"
        self.host_key_types = tuple(host_key_types)
        self._lines = tuple(lines)
        self._home = home
        self._shell = shell
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[str] | None = None
        self._log: list[str] = []
        self._log_changed = threading.Condition()
        self._reader: threading.Thread | None = None

    @property
    def spec(self) -> str:
        """The ``--tx`` string of this server, without an interpreter."""
        return f"ssh={self.name}//ssh_config={self.ssh_config_path}"

    def host_key(self, key_type: str) -> Path:
        """Return the private host key file of a type such as ``ed25519``."""
        return self.directory / f"host_{key_type}"

    def log(self) -> str:
        """Return all that sshd has logged so far."""
        with self._log_changed:
            return "".join(self._log)

    def wait_for_log(self, text: str, timeout_s: float = START_TIMEOUT_S) -> bool:
        """Wait until sshd has logged ``text`` or has ended; say whether it did log it."""
        with self._log_changed:
            self._log_changed.wait_for(
                lambda: text in "".join(self._log) or self._reader is None, timeout_s
            )
            return text in "".join(self._log)

    def start(self) -> None:
        """Make the keys where there are none yet and start the server on a free port.

        A server that ran before comes up again on the port that it had.
        """
        program = find_sshd()
        self._make_keys()
        ports = [self.port] if self.port else [_free_port() for _ in range(PORT_ATTEMPTS)]
        for port in ports:
            self.port = port
            self._write_files()
            self._launch(program)
            if self.wait_for_log("Server listening on 127.0.0.1"):
                return
            self.stop()
        pytest.fail(f"sshd does not start:\n{self.log()}")

    def stop(self) -> None:
        """End the server and every connection to it."""
        if self._process is None:
            return
        # First the listener: what it forks after we have looked would be missed.
        os.kill(self._process.pid, signal.SIGSTOP)
        self.cut_connections()
        self._process.kill()
        self._process.wait(START_TIMEOUT_S)
        reader = self._reader
        if reader is not None:
            reader.join(START_TIMEOUT_S)
        self._process = None

    def cut_connections(self) -> None:
        """Kill the server side of every open connection; the server goes on listening."""
        assert self._process is not None
        for pid in _descendants(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def restart_listener(self) -> None:
        """Restart the server as an upgrade of its package does: open connections stay."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(START_TIMEOUT_S)
        self._launch(find_sshd())
        assert self.wait_for_log("Server listening on 127.0.0.1"), self.log()

    def cut_links(self) -> None:
        """Kill what carries every open connection, and nothing that runs in it."""
        assert self._process is not None
        for pid in _descendants(self._process.pid):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if Path(f"/proc/{pid}/comm").read_text().startswith("sshd"):
                    os.kill(pid, signal.SIGKILL)

    def new_host_key(self, key_type: str = "ed25519") -> None:
        """Give the server another host key, as a reinstalled machine has; takes a restart."""
        self.host_key(key_type).unlink()
        make_key(self.host_key(key_type), key_type)
        self.stop()
        self.start()

    def _make_keys(self) -> None:
        if self.client_key.exists():
            return
        make_key(self.client_key, "ed25519")
        shutil.copy(f"{self.client_key}.pub", self.authorized_keys)
        for key_type in self.host_key_types:
            make_key(self.host_key(key_type), key_type)

    def _write_files(self) -> None:
        if not self.known_hosts.exists():
            self.known_hosts.write_text(
                "".join(
                    f"[127.0.0.1]:{self.port} {Path(f'{self.host_key(t)}.pub').read_text()}"
                    for t in self.host_key_types
                )
            )
        self.ssh_config_path.write_text(
            f"Host {self.name} {self.name}-*\n"
            "  HostName 127.0.0.1\n"
            f"  Port {self.port}\n"
            f"  User {self.user}\n"
            f"  IdentityFile {self.client_key}\n"
            "  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.known_hosts}\n"
            "  GlobalKnownHostsFile none\n"
        )
        (self.directory / "sshd_config").write_text(
            "\n".join([*self._own_lines(), "", TEMPLATE.read_text()])
        )

    def _own_lines(self) -> list[str]:
        """Return the lines in front of the template; the caller's own come first."""
        environment = dict(self._environment)
        if self._home is not None:
            environment["HOME"] = str(self._home)
        lines = list(self._lines)
        if environment:
            lines.append(
                "SetEnv " + " ".join(f'"{name}={value}"' for name, value in environment.items())
            )
        if self._home is not None or self._shell is not None:
            lines.append(f"ForceCommand {self._login_wrapper()}")
        return [
            *lines,
            "ListenAddress 127.0.0.1",
            f"Port {self.port}",
            *[f"HostKey {self.host_key(key_type)}" for key_type in self.host_key_types],
            f"AuthorizedKeysFile {self.authorized_keys}",
            "PidFile none",
            "UsePAM no",
            "StrictModes no",  # The temporary folder may be writable for others.
            "PermitRootLogin prohibit-password",
            "LogLevel VERBOSE",
        ]

    def _login_wrapper(self) -> Path:
        """Write what plays the login shell and home of the account, whatever these really are.

        sshd hands it the command in an environment variable; the account's real shell runs it.
        """
        shell = shlex.quote(self._shell or pwd.getpwuid(os.getuid()).pw_shell)
        path = self.directory / "login"
        path.write_text(
            "#!/bin/sh\n"
            'cd "$HOME" || exit\n'
            f"SHELL={shell}; export SHELL\n"
            f'[ -n "$SSH_ORIGINAL_COMMAND" ] || exec {shell}\n'
            f'exec {shell} -c "$SSH_ORIGINAL_COMMAND"\n'
        )
        path.chmod(0o755)
        return path

    def _launch(self, program: str) -> None:
        if os.getuid() == 0:
            PRIVILEGE_SEPARATION_DIRECTORY.mkdir(mode=0o755, exist_ok=True)
        self._log.clear()
        self._process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(self.directory / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._collect_log, args=(self._process,))
        self._reader.daemon = True
        self._reader.start()

    def _collect_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                with self._log_changed:
                    self._log.append(line)
                    self._log_changed.notify_all()
        with self._log_changed:
            self._reader = None
            self._log_changed.notify_all()


@contextlib.contextmanager
def running(
    tmp_path: Path,
    *,
    name: str = "worker",
    lines: Sequence[str] = (),
    host_key_types: Sequence[str] = ("ed25519",),
    home: Path | None = None,
    shell: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[SshServer]:
    """Run an sshd for the time of a ``with`` block, in a folder of its own below ``tmp_path``.

    Args:
        tmp_path: where to put ``sshd-NAME/``.
        name: alias of the server in its ``ssh_config_path``; also what two servers differ by.
        lines: sshd_config lines that win over all others, for example ``["MaxSessions 2"]``.
            Not SetEnv and not ForceCommand where the arguments below are used.
        host_key_types: ``ed25519``, ``rsa``, ``ecdsa``.
        home: what sessions see as HOME and start in. Where the account's shell is bash, its
            ``.bashrc`` there is read as for any log-in by ssh.
        shell: absolute path of what plays the account's login shell, for example fish.
        environment: more environment variables of the sessions.
    """
    directory = tmp_path / f"sshd-{name}"
    directory.mkdir(mode=0o700)
    server = SshServer(
        directory,
        name=name,
        lines=lines,
        host_key_types=host_key_types,
        home=home,
        shell=shell,
        environment=environment,
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


def find_sshd() -> str:
    """Return the path of sshd; without one skip the test, or fail it in CI."""
    path = os.environ.get("PATH", "") + os.pathsep + os.pathsep.join(["/usr/sbin", "/sbin"])
    program = shutil.which("sshd", path=path)
    if program is None:
        needs.lacking("no sshd here: install the package openssh-server")
    return program


def make_key(path: Path, key_type: str = "ed25519", *, passphrase: str = "") -> Path:
    """Make a key pair in ``path`` and ``path.pub`` and return ``path``."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", key_type, "-N", passphrase, "-C", path.name, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _descendants(parent: int) -> list[int]:
    """Return the ids of all processes below ``parent``."""
    table = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True
    ).stdout
    children: dict[int, list[int]] = {}
    for line in table.splitlines():
        pid, ppid = line.split()
        children.setdefault(int(ppid), []).append(int(pid))
    found: list[int] = []
    to_visit = [parent]
    while to_visit:
        below = children.get(to_visit.pop(), [])
        found += below
        to_visit += below
    return found
