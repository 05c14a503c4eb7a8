"""A command that ``remotest serve`` runs for a client."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import paramiko

if TYPE_CHECKING:
    from collections.abc import Callable

RELAY_BYTES: Final = 64 * 1024  # A pipe's capacity on Linux; SSH cuts it into packets by itself.

END_GRACE_S: Final = 5.0
"""For a command to end by itself once its input has ended: remotest's agent then kills its tests.

With what follows this stays below the 10 s within which nothing of a run may be alive any more.
"""


class ServedCommand:
    """A shell command in a process group of its own, its streams relayed over a channel.

    It ends with its channel: when the client closes that, or the connection is lost, the command's
    input ends, and a little later all of its process group is killed.
    """

    def __init__(self, channel: paramiko.Channel, command: str) -> None:
        """Start the command; what it says waits until ``relay``.

        Raises:
            OSError: no process can be started.
            ValueError: the command holds a null character.
        """
        self._channel = channel
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=Path.home(),
            start_new_session=True,
        )
        self._taking = threading.Lock()
        self._is_relayed = False
        self._is_over = False
        self._exit_status = 0
        self._exited = threading.Event()
        _start(self._await_exit)
        self._keeper = threading.Thread(target=self._end_with_channel, daemon=True)
        self._keeper.start()

    def relay(self) -> None:
        """Connect the command with the client; called once."""
        with self._taking:
            if self._is_over:
                return
            self._is_relayed = True
        outputs = [
            _start(_relay_output, self._process.stdout, self._channel.sendall),
            _start(_relay_output, self._process.stderr, self._channel.sendall_stderr),
        ]
        _start(self._relay_input, self._process.stdin)
        _start(self._report_exit, outputs)

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left of the command."""
        return not self._keeper.is_alive()

    def join(self, timeout_s: float) -> None:
        """Wait until nothing is left of the command."""
        self._keeper.join(timeout_s)

    def _relay_input(self, pipe: IO[bytes]) -> None:
        """Hand on what the client sends; the client's end of file ends the command's input."""
        with pipe, contextlib.suppress(OSError):  # The command has closed its input.
            while data := self._channel.recv(RELAY_BYTES):
                _write_all(pipe.fileno(), data)

    def _await_exit(self) -> None:
        """Note how the command ends, and leave it a zombie: so nobody else gets its group's id."""
        result = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        assert result is not None, "waited without WNOHANG"
        # As a shell: ended by a signal is 128 and more.
        signalled = result.si_code != os.CLD_EXITED
        self._exit_status = result.si_status + (128 if signalled else 0)
        self._exited.set()

    def _report_exit(self, outputs: list[threading.Thread]) -> None:
        """Tell the client how the command ended, once all of its output is sent."""
        self._exited.wait()
        for thread in outputs:
            thread.join()
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):  # The client is gone.
            if not self._channel.closed:
                self._channel.send_exit_status(self._exit_status)
            self._channel.close()

    def _end_with_channel(self) -> None:
        """Wait for the end of the channel, whoever closed it, and leave nothing behind."""
        self._channel.status_event.wait()
        self._exited.wait(END_GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._exited.wait()
        self._process.wait()
        with self._taking:
            self._is_over = True
        if not self._is_relayed:  # Else each pipe is closed by the thread that relays it.
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                assert pipe is not None
                pipe.close()


def _relay_output(pipe: IO[bytes], send: Callable[[bytes], object]) -> None:
    """Hand on what the command writes; a client that does not read holds it up."""
    # An error is a client that is gone: the command then finds its output closed.
    with pipe, contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        while data := os.read(pipe.fileno(), RELAY_BYTES):
            send(data)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _start(target: Callable[..., object], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()
    return thread
