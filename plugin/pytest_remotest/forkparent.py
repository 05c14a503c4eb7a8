"""A process that workers fork from, as its agent holds it, and what the agent forks by it."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
from typing import Any, Dict, List, Optional, Tuple, Union

from pytest_remotest import forking, loader
from pytest_remotest.messages import ProtocolError
from pytest_remotest.pipes import read_body
from pytest_remotest.supervise import KILL_DEADLINE_S, signal_group

# From a request to its answer. A fork takes a few ms; a machine that swaps may take seconds, and
# what is frozen never answers: its agent does nothing else meanwhile.
ANSWER_S = 5

SHOWN_BYTES = 40  # Of what is no answer: enough to find who wrote it.

_TIMEVAL = struct.Struct("@ll")  # Seconds and microseconds, as the kernel takes them.


class ForkedProcess:
    """A child of this process that another one has forked: as much of Popen as a worker needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: Optional[int] = None

    def poll(self) -> Optional[int]:
        """Return how it ended, as Popen does; None while it lives."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == self.pid:
                killed = os.WIFSIGNALED(status)
                self.returncode = -os.WTERMSIG(status) if killed else os.WEXITSTATUS(status)
        return self.returncode


Process = Union["subprocess.Popen[bytes]", ForkedProcess]


class ForkParent:
    """A process that forks when it is asked to, from the moment on that it is ready.

    Attributes:
        process: the process itself, a child of this one.
        is_ready: whether it has said so.
    """

    def __init__(self, process: Process, control: socket.socket) -> None:
        self.process = process
        self.is_ready = False
        self._control = control

    @classmethod
    def start(
        cls, python: Optional[bytes], directory: bytes, environment: Dict[bytes, bytes]
    ) -> "ForkParent":
        """Start a process that imports what all workers do (see ``zygote``).

        Args:
            python: its interpreter, None for the one that runs this.
            directory: where it runs.
            environment: its variables.

        Raises:
            OSError: the directory is not there, or no process can be made.
        """
        control, its_end = control_pair()
        try:
            payload = loader.framed_payload()
            # It fits whole, packed as it is, so that nobody waits for an interpreter to start.
            control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(payload))
            process = subprocess.Popen(
                loader.zygote_command(its_end.fileno(), python),
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(its_end.fileno(),),
                start_new_session=True,
            )
        except OSError:
            control.close()
            raise
        finally:
            its_end.close()
        parent = cls(process, control)
        try:
            control.sendall(payload)
        except OSError:
            parent.end()
            raise
        return parent

    def fileno(self) -> int:
        """Return what can be read when it has something to say, or is gone."""
        return self._control.fileno()

    def hear(self) -> str:
        """Take in what it says without being asked; return why it forks nothing, or nothing."""
        try:
            word, detail = self._answer()
        except (OSError, EOFError) as error:
            return "it is gone (%s)" % error
        except ProtocolError as error:  # What is collected runs there, and may write anywhere.
            return str(error)
        self.is_ready = word == forking.READY
        return "" if self.is_ready else str(detail)

    def fork(self, request: bytes, descriptors: List[int]) -> ForkedProcess:
        """Let it fork a process with these descriptors, and return that.

        Raises:
            BrokenPipeError: it was gone already.
            OSError: it did not; whether there is such a process is not known.
        """
        try:
            forking.fork_descriptors(self._control, request, descriptors)
            word, detail = self._answer()
        except EOFError as error:
            raise ChildProcessError("the process that forks workers is gone") from error
        except ProtocolError as error:
            raise ChildProcessError("the process that forks workers: %s" % error) from error
        if word != forking.FORKED:
            raise ChildProcessError("the process that forks workers says: %s" % detail)
        return ForkedProcess(int(detail))

    def _answer(self) -> Tuple[str, Any]:
        try:
            body = read_body(self._control.fileno())
        except BlockingIOError as error:
            raise TimeoutError("the process that forks workers does not answer") from error
        try:
            word, detail = json.loads(body.decode("ascii"))
        except (ValueError, TypeError) as error:
            raise ProtocolError("%r is no answer" % body[:SHOWN_BYTES]) from error
        return word, detail

    def end(self) -> None:
        """End it."""
        self._control.close()
        signal_group(self.process.pid, signal.SIGKILL)
        if isinstance(self.process, subprocess.Popen):  # Others are collected as orphans are.
            with contextlib.suppress(subprocess.TimeoutExpired):  # It hangs in the kernel.
                self.process.wait(KILL_DEADLINE_S)


def control_pair() -> Tuple[socket.socket, socket.socket]:
    """Return the agent's end and the other one of what an agent and such a process speak by.

    At the agent's end nothing waits for longer than ``ANSWER_S``: that is a BlockingIOError.
    """
    control, its_end = socket.socketpair()
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        control.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL.pack(ANSWER_S, 0))
    return control, its_end
