"""Interpreters on this machine, started as child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING, BinaryIO, Final

from remotest.errors import STDERR_TAIL_BYTES, ConnectError
from remotest.gateways.tcp import SocketStream

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTLE_S: Final = 1.0
"""For what a process wrote or did last to reach us after its stream has ended."""

END_S: Final = 3.0
"""For a process that is told to end to take along what it has started: its guard takes 2 s."""


class PopenStream(SocketStream):
    """A process of this machine; its standard input and output are one socket, as under sshd.

    The process leads a session of its own: a Ctrl-C on the terminal is for the controller, which
    ends its hosts in order.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        """Start the process.

        Raises:
            OSError: the program is missing, or no process can be made.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    argv,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        super().__init__(ours)
        assert self._process.stderr is not None
        self._tail = b""
        self._collector = threading.Thread(
            target=self._collect, args=(self._process.stderr,), name="remotest-stderr", daemon=True
        )
        self._collector.start()

    @property
    def pid(self) -> int:
        """The process id, which is also that of its group and session."""
        return self._process.pid

    def _collect(self, stderr: BinaryIO) -> None:
        with stderr:
            while data := os.read(stderr.fileno(), STDERR_TAIL_BYTES):
                self._tail = (self._tail + data)[-STDERR_TAIL_BYTES:]

    def error_tail(self) -> str:
        """See ``ByteStream``. Of a process that has ended it waits for the last word."""
        if self._process.poll() is not None:
            self._collector.join(SETTLE_S)
        return self._tail.decode("utf-8", "replace")

    def exit_status(self, timeout_s: float) -> int | None:
        """See ``ByteStream``. Negative for a signal, as in ``subprocess``."""
        try:
            return self._process.wait(max(0, timeout_s))
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """See ``ByteStream``. Ends the whole process group."""
        if self.exit_status(0) is None:
            self._signal_group(signal.SIGTERM, signal.SIGCONT)
            self.exit_status(END_S)
        # Also after the process's own end: what it left in its group keeps the group's id.
        self._signal_group(signal.SIGKILL)
        super().kill()
        self.exit_status(SETTLE_S)

    def _signal_group(self, *numbers: signal.Signals) -> None:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)


def start_here(command: str, host: str = "popen") -> PopenStream:
    """Run a command of sh as a process of this machine.

    Raises:
        ConnectError: no process can be made.
    """
    try:
        return PopenStream(("/bin/sh", "-c", command))
    except OSError as error:
        raise ConnectError(
            host=host,
            phase="start",
            cause=f"cannot start /bin/sh: {error.strerror}",
            remedy="end other processes, or raise the limits that `ulimit -a` shows",
        ) from error
