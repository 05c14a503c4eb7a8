"""One fault's stage: hosts, a project, and a run of it that is watched to its end and beyond."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import interpreters
import projects
import sshd
from faultlab import processes, proxy, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from faultlab.contenders import Contender
    from faultlab.proxy import Proxy
    from sshd import SshServer

COOKIE: Final = "FAULTLAB_RUN"
EVENT_TIMEOUT_S: Final = 100.0
"""For the moment of a fault to come: a run on a busy machine takes a while to begin."""

AS_FROM_A_TERMINAL: Final = ("env", "--default-signal")
"""What is started in the background, or by nohup, would hand signals down as ignored."""

KILL_TIMEOUT_S: Final = 20.0
FIFO_BYTES: Final = 64 * 1024  # All that Linux keeps in one: no word is read in two parts.


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a run was seen to do.

    Attributes:
        status: its exit status; None where it was killed because it hung.
        output: both streams.
        seconds: from its start to its end.
        account: what became of its items.
        left: command lines of processes of the run that were alive 10 s after its end.
    """

    status: int | None
    output: str
    seconds: float
    account: sample.Account
    left: tuple[str, ...]


@dataclass(kw_only=True)
class Host:
    """A machine that tests can run on: a real sshd on loopback, maybe behind a proxy.

    Attributes:
        server: the sshd.
        line: the proxy in front of it, where one was asked for.
        home: HOME of its sessions.
        config: the ssh_config file that leads to it; a fault may write to it.
        known_hosts: the keys that it is known by; a fault may write to it.
    """

    name: str
    server: SshServer
    home: Path
    line: Proxy | None = None
    config: Path = field(init=False)
    known_hosts: Path = field(init=False)

    def __post_init__(self) -> None:
        port = self.server.port if self.line is None else self.line.port
        self.known_hosts = self.server.directory / "client_known_hosts"
        key = self.server.known_hosts.read_text().partition(" ")[2]
        self.known_hosts.write_text(f"[127.0.0.1]:{port} {key}")
        self.config = self.server.directory / "client_config"
        self.config.write_text(
            self.server.ssh_config_path.read_text()
            .replace(f"Port {self.server.port}", f"Port {port}")
            .replace(str(self.server.known_hosts), str(self.known_hosts))
        )

    @property
    def wire(self) -> Proxy:
        """The proxy of a host that was made with ``proxied=True``."""
        assert self.line is not None
        return self.line

    def configure(self, *lines: str) -> None:
        """Put options in front of the client's configuration, where they win."""
        self.config.write_text("\n".join([*lines, self.config.read_text()]))


class Run:
    """A run that goes on."""

    def __init__(self, scene: Scene, arguments: Sequence[str], *, each: bool) -> None:
        self._scene = scene
        self._each = each
        self._began_s = time.monotonic()
        self._output = scene.new_output()
        self.junit = scene.project.directory / "junit.xml"
        with self._output.open("wb") as stream:
            self.process = subprocess.Popen(
                arguments,
                cwd=scene.project.directory,
                env=dict(scene.project.environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(errors="replace")

    def hears(self, *words: str) -> bool:
        """Wait until tests have told these; say whether they did before the run's end."""
        return self._waits_for(lambda told: set(words) <= told)

    def knows_what_runs(self) -> bool:
        """Wait until the controller knows of a test that it is where it told that it runs."""

        def is_known(told: set[str]) -> bool:
            return any(word.replace("here:", "seen:") in told for word in told if "here:" in word)

        return self._waits_for(is_known)

    def _waits_for(self, is_told: Callable[[set[str]], bool]) -> bool:
        """Wait until enough was told; say whether that was before the run's end."""
        told = self._scene.told
        with contextlib.ExitStack() as stack:
            try:
                end = os.pidfd_open(self.process.pid)
            except ProcessLookupError:
                return is_told(set(told))
            stack.callback(os.close, end)
            while not is_told(set(told)):
                fifo = self._scene.fifo
                readable, _, _ = select.select([fifo, end], [], [], self._patience_s)
                if fifo not in readable:
                    return False
                self._scene.listen()
        return True

    @property
    def _patience_s(self) -> float:
        spent_s = time.monotonic() - self._began_s
        return max(0.0, min(EVENT_TIMEOUT_S, self._scene.contender.deadline_s - spent_s))

    def signal(self, number: signal.Signals) -> None:
        """Signal all processes of the run here, as a terminal does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def finish(self) -> Seen:
        """Wait for its end, or make one; look what it reported and what it left behind."""
        spent_s = time.monotonic() - self._began_s
        try:
            status = self.process.wait(max(0.0, self._scene.contender.deadline_s - spent_s))
        except subprocess.TimeoutExpired:
            status = None
            self.signal(signal.SIGKILL)
            self.process.wait(KILL_TIMEOUT_S)
        seconds = time.monotonic() - self._began_s
        left = processes.left_after(self._scene.alive)
        return Seen(
            status=status,
            output=self.output,
            seconds=seconds,
            account=sample.account(self._scene.notes, self.junit, self.output, each=self._each),
            left=tuple(processes.describe(process_id) for process_id in left),
        )


class Scene:
    """A stage for one fault and one contender. What is made on it is gone at the end."""

    def __init__(self, directory: Path, contender: Contender, stack: contextlib.ExitStack) -> None:
        self.directory = directory
        self.contender = contender
        self._stack = stack
        self.cookie = uuid.uuid4().hex
        self.notes = directory / "notes"
        self.told: list[str] = []
        self._outputs: list[Path] = []
        self.fifo = self._open_fifo("fifo")
        self._go = self._open_fifo("go")
        home = directory / "controller-home"
        home.mkdir()
        shell = {**os.environ, **self._variables("here"), "HOME": str(home)}
        shell.pop("SSH_AUTH_SOCK", None)
        self.project = projects.make(directory / "project", shell, sample.PLAIN)
        # After the hosts were stopped, or what a dead run left there would go on.
        stack.callback(processes.kill_all, self.alive)

    def listen(self) -> None:
        """Take in what tests have told, without waiting."""
        with contextlib.suppress(BlockingIOError):
            self.told += os.read(self.fifo, FIFO_BYTES).decode().split()

    def alive(self) -> list[int]:
        """Return what lives of the runs, also what tests have told by its process id.

        That is for those that are started with an empty environment.
        """
        self.listen()
        named = {int(word[4:]) for word in self.told if word.startswith("pid:")}
        found = set(filter(processes.is_alive, named))
        return sorted(found.union(processes.with_variable(COOKIE, self.cookie)))

    def _open_fifo(self, name: str) -> int:
        """Make a FIFO on which nobody's opening blocks, as we hold both of its ends."""
        os.mkfifo(self.directory / name)
        handle = os.open(self.directory / name, os.O_RDWR | os.O_NONBLOCK)
        self._stack.callback(os.close, handle)
        return handle

    def _variables(self, host: str) -> dict[str, str]:
        return {
            COOKIE: self.cookie,
            sample.HOST: host,
            sample.NOTES: str(self.notes),
            sample.FIFO: str(self.directory / "fifo"),
            sample.GO: str(self.directory / "go"),
        }

    def new_output(self) -> Path:
        """Return a new file for what a run prints."""
        self._outputs.append(self.directory / f"output-{len(self._outputs)}")
        return self._outputs[-1]

    # -- what a fault is made of -----------------------------------------------------------

    def use(self, manager: AbstractContextManager[Path]) -> Path:
        """Enter something for as long as the scene lasts, such as ``homes.full(...)``."""
        return self._stack.enter_context(manager)

    def host(
        self,
        name: str,
        *,
        proxied: bool = False,
        home: Path | None = None,
        shell: str | None = None,
        lines: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
    ) -> Host:
        """Start a host.

        Args:
            name: what it is called, in ssh_config and in the notes of its tests.
            proxied: whether a proxy of ours stands in front of it: ``host.wire``.
            home: HOME of its sessions; an empty directory of its own if not said.
            shell: what plays the login shell.
            lines: of sshd_config.
            variables: more environment variables of its sessions.
        """
        if home is None:
            home = self.directory / f"home-{name}"
            home.mkdir()
        server = self._stack.enter_context(
            sshd.running(
                self.directory,
                name=name,
                home=home,
                shell=shell,
                lines=lines,
                environment={
                    "PATH": os.environ["PATH"],
                    **self._variables(name),
                    **(variables or {}),
                },
            )
        )
        line = self._stack.enter_context(proxy.running(server.port)) if proxied else None
        return Host(name=name, server=server, home=home, line=line)

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the project, instead of those with like names."""
        self.project.write(files)

    def write_tests(self, text: str) -> None:
        """Write what the project tests, instead of the six tests that pass."""
        self.project.write({"test_it.py": text})

    @property
    def python(self) -> Path:
        """The interpreter of hosts where a fault is not about that."""
        return self.contender.host_python()

    def interpreter(self, name: str) -> Path:
        """Return another interpreter that has pytest."""
        return interpreters.with_pytest(name)

    def let_go(self) -> None:
        """Let one test go on that called ``wait``."""
        os.write(self._go, b"go\n")

    def forget(self) -> None:
        """Forget what tests have noted so far, so that only the next run counts."""
        self.notes.unlink(missing_ok=True)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Leave out what is noted in a ``with`` block: another run than the one that counts."""
        noted = self.notes.read_bytes()
        yield
        self.notes.write_bytes(noted)

    # -- running ---------------------------------------------------------------------------

    def spec(self, host: Host, *, python: Path | str | None = None, ours: str = "") -> str:
        """Return the ``--tx`` of a host.

        Args:
            host: which.
            python: what is named as its interpreter.
            ours: keys of a spec that only remotest has, for example ``heartbeat=1``.
        """
        keys = [f"ssh={host.name}", f"ssh_config={host.config}", f"python={python or self.python}"]
        return "//".join([*keys, ours] if ours and self.contender.is_remotest else keys)

    def start(
        self,
        *specs: str | Host,
        dist: str = "load",
        arguments: Sequence[str] = (),
        ours: Sequence[str] = (),
        prefix: Sequence[str] = (),
    ) -> Run:
        """Start pytest in the project.

        Args:
            specs: values of ``--tx``, or hosts.
            dist: value of ``--dist``.
            arguments: options of both contenders.
            ours: options that only remotest has.
            prefix: a command in front, which starts the rest.
        """
        texts = [one if isinstance(one, str) else self.spec(one) for one in specs]
        command = [
            *AS_FROM_A_TERMINAL,
            *prefix,
            *(str(self.contender.controller()), "-m", "pytest", f"--dist={dist}"),
            *(f"--tx={text}" for text in texts),
            *self.contender.arguments,
            *("--junitxml=junit.xml", "-p", "no:cacheprovider"),
            *arguments,
            *(ours if self.contender.is_remotest else ()),
        ]
        return Run(self, command, each=dist == "each")

    def run(
        self,
        *specs: str | Host,
        dist: str = "load",
        arguments: Sequence[str] = (),
        ours: Sequence[str] = (),
        prefix: Sequence[str] = (),
    ) -> Seen:
        """Start pytest in the project, as ``start`` does, and wait for its end."""
        run = self.start(*specs, dist=dist, arguments=arguments, ours=ours, prefix=prefix)
        return run.finish()


@contextlib.contextmanager
def scene(directory: Path, contender: Contender) -> Iterator[Scene]:
    """Make a stage in a new directory for the time of a ``with`` block."""
    directory.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        yield Scene(directory, contender, stack)
