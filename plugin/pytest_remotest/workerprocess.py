"""One worker's process as its agent holds it: the pipes, the environment, the end."""

import codecs
import itertools
import os
import signal
import subprocess
from typing import TYPE_CHECKING, List, Optional, Tuple

from pytest_remotest import frames, loader, messages, shortage
from pytest_remotest.ending import Ending
from pytest_remotest.entries import to_bytes
from pytest_remotest.forkparent import ForkedProcess, Process
from pytest_remotest.pace import Pace
from pytest_remotest.pipes import HEADER, LINK_LOST_STATUS
from pytest_remotest.processstate import ProcessState
from pytest_remotest.supervise import signal_group
from pytest_remotest.variables import host_variables
from pytest_remotest.watch import Verdict, Watch

if TYPE_CHECKING:  # Most workers run in the interpreter as it is.
    from pytest_remotest.overlay import Overlay

READ_BYTES = 64 * 1024  # The size of a pipe's buffer on Linux: more cannot be there at once.
OUTPUT_TAIL_BYTES = 8 * 1024  # Of what a worker printed last: a traceback and faulthandler's dump.
FAILED_STATUS = 1  # Of a worker whose process could not be made: as Python's own, of an error.
NAME_VARIABLE = b"PYTEST_XDIST_WORKER"
NO_MESSAGE = "wrote to its agent what is no message, and was killed"


class WorkerProcess:
    """A worker, from before it starts. Its descriptors are non-blocking; one thread owns it.

    Attributes:
        name: of the worker.
        start: what is asked for.
        python: its interpreter, None for the one that runs this.
        environment: its variables.
        watch: is told what it says, and asked whether it is to be ended.
    """

    def __init__(
        self,
        start: messages.SpawnWorker,
        base_folder: str,
        overlay: "Optional[Overlay]",
        watch: Watch,
    ) -> None:
        """Prepare it.

        Args:
            start: what is asked for.
            base_folder: holds what the run needs for as long as it lasts.
            overlay: what it runs in; None for the interpreter that runs this.
            watch: looks after it.

        Raises:
            OSError: there can be no further pipes.
        """
        self.name = start.worker
        self.watch = watch
        self.pace = Pace()
        self.python = None if overlay is None else overlay.python
        self.environment = host_variables(start.environment)
        if overlay is not None:
            overlay.activate(self.environment)
        self._process: Optional[Process] = None
        self._failed_status: Optional[int] = None
        self._ending: Optional[Ending] = None
        self.protocol_open = True
        self.output_open = True
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._output_tail = b""
        self._was_killed = False
        self._shortages = shortage.kill_count()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        pipes = make_pipes(3)
        (child_in, self.in_fd), (self.out_fd, child_out), (self.output_fd, child_output) = pipes
        self.child_fds = [child_in, child_out, child_output]
        for descriptor in (self.in_fd, self.out_fd, self.output_fd):
            os.set_blocking(descriptor, False)
        arguments = list(start.arguments)
        if not any(argument.startswith("--basetemp") for argument in arguments):
            arguments.insert(0, "--basetemp=" + os.path.join(base_folder, "popen-" + self.name))
        self.start = start._replace(arguments=arguments)
        self.write(frames.encode_body([self.start]))

    # -- the beginning ---------------------------------------------------------------------

    def spawn(self) -> None:
        """Start it as a new process.

        Raises:
            OSError: the directory is not there, or no process can be made.
        """
        child_in, child_out, child_output = self.child_fds
        process = subprocess.Popen(
            loader.worker_command(child_in, child_out, self.python),
            cwd=to_bytes(self.start.directory),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=child_output,
            stderr=child_output,
            pass_fds=(child_in, child_out),
            # A session of its own: a signal to the agent or from a test stays where it was
            # meant to be, and the whole group can be ended at once.
            start_new_session=True,
        )
        self._outgoing[:0] = loader.framed_payload()
        self._begin(process)

    def adopt(self, process: ForkedProcess) -> None:
        """Take a process as it, that was forked with its ``child_fds`` and leads a session."""
        self._begin(process)

    def fail(self, error: OSError) -> None:
        """Take note that it has no process."""
        self._failed_status = FAILED_STATUS
        text = "cannot start a process in %r: %s" % (self.start.directory, error)
        self._output_tail = text.encode("utf-8", "replace")
        self._close_child_fds()

    def _begin(self, process: Process) -> None:
        self._process = process
        self._close_child_fds()

    def _close_child_fds(self) -> None:
        for descriptor in self.child_fds:
            os.close(descriptor)
        self.child_fds = []

    @property
    def pid(self) -> Optional[int]:
        """The number of its process, None where it has none."""
        return None if self._process is None else self._process.pid

    def status(self) -> Optional[int]:
        """Return how it ended, as Popen does; None as long as it has not."""
        if self._failed_status is not None or self._process is None:
            return self._failed_status
        return self._process.poll()

    # -- what is said ----------------------------------------------------------------------

    def write(self, body: bytes) -> None:
        """Queue one body for the worker; ``send_waiting`` writes as much as the pipe takes."""
        self._outgoing += HEADER.pack(len(body)) + body
        self.send_waiting()

    def send_waiting(self) -> bool:
        """Write what waits; return whether something still waits for room.

        Nothing is written before its process is known to be there.
        """
        while self._outgoing and self._process is not None:
            try:
                written = os.write(self.in_fd, self._outgoing)
            except BlockingIOError:
                return True
            except BrokenPipeError:  # The process is gone, which is told by its exit.
                self._outgoing.clear()
                return False
            del self._outgoing[:written]
        return False

    def read_bodies(self, now_s: float) -> List[bytes]:
        """Return the complete bodies that have come; end a worker from which something else comes.

        Args:
            now_s: a time that never goes back.
        """
        data = self._read(self.out_fd)
        if data == b"":
            self.protocol_open = False
        self._incoming += data or b""
        bodies = []
        while len(self._incoming) >= HEADER.size:
            (size,) = HEADER.unpack_from(self._incoming)
            end = HEADER.size + size
            is_over_limit = size > messages.MAX_FRAME_BYTES
            if len(self._incoming) < end and not is_over_limit:
                break
            body = bytes(self._incoming[HEADER.size : end])
            if is_over_limit or not frames.is_body(body):
                self._end(Verdict(NO_MESSAGE, can_speak=False), now_s)
                break
            del self._incoming[:end]
            self.watch.said(body)
            bodies.append(body)
        return bodies

    def read_output(self) -> str:
        """Return what the process printed outside of pytest's capture since the last look."""
        data = self._read(self.output_fd)
        if data == b"":
            self.output_open = False
        elif data is not None:
            self.watch.printed()
        self._output_tail = (self._output_tail + (data or b""))[-OUTPUT_TAIL_BYTES:]
        return self._decoder.decode(data or b"", final=not self.output_open)

    def is_beyond_help(self, now_s: float, state: Optional[ProcessState]) -> bool:
        """End the process where it must be; return whether even so it does not go away.

        Args:
            now_s: a time that never goes back.
            state: what it is doing, None where that cannot be known.
        """
        verdict = None if self._ending else self.watch.look(now_s, state)
        if verdict is not None:
            self._end(verdict, now_s)
        return self._ending is not None and self._ending.go_on(now_s)

    def _end(self, verdict: Verdict, now_s: float) -> None:
        if self._ending is None:
            assert self._process is not None, "nothing says what has not begun"
            self._ending = Ending(self._process.pid, verdict, now_s)
        self._ending.go_on(now_s)

    def epitaph(self) -> messages.WorkerExited:
        """Return what is told of the end: how, its last words, and why where only we know.

        Called once. What else it has started is ended if it was us who ended it.
        """
        status = self.status()
        words = self._output_tail.decode("utf-8", "replace")
        is_foreign = not (self._was_killed or self._ending)
        if status == -signal.SIGKILL and is_foreign:
            words += "\n" + shortage.words(self._shortages, shortage.kill_count())
        if status == LINK_LOST_STATUS:
            words += "\nits pipe to the agent was closed: does a test close what it did not open?"
        killed = ""
        if self._ending is not None:
            self._ending.kill()
            killed = self._ending.words
        if status is None:  # It is beyond help.
            status = -signal.SIGKILL
        return messages.WorkerExited(self.name, status, words, killed)

    @staticmethod
    def _read(descriptor: int) -> Optional[bytes]:
        """Return bytes, ``b""`` at the end, or None when nothing is there now."""
        try:
            return os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return None

    def signal(self, number: int) -> None:
        """Send a signal to the worker and its process group; one that has not begun never does."""
        self._was_killed |= number == signal.SIGKILL
        if self._process is None:
            self._failed_status = -number
        elif self._process.poll() is None:
            signal_group(self._process.pid, number)

    def close(self) -> None:
        """Close the pipes."""
        for descriptor in (self.in_fd, self.out_fd, self.output_fd):
            os.close(descriptor)
        self._close_child_fds()


def make_pipes(count: int) -> List[Tuple[int, int]]:
    """Return the ends of pipes, of each the reading one first; all, or none and OSError."""
    pipes: List[Tuple[int, int]] = []
    try:
        while len(pipes) < count:
            pipes.append(os.pipe())
    except OSError:
        for descriptor in itertools.chain(*pipes):
            os.close(descriptor)
        raise
    return pipes
