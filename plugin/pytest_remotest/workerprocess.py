"""One worker's process as its agent holds it: the pipes, the environment, the end."""

import codecs
import contextlib
import locale
import os
import signal
import subprocess
from typing import Dict, List, Optional, Tuple

from pytest_remotest import frames, loader, messages, shortage
from pytest_remotest.ending import Ending
from pytest_remotest.entries import to_bytes
from pytest_remotest.overlay import Overlay
from pytest_remotest.pipes import HEADER
from pytest_remotest.processstate import ProcessState
from pytest_remotest.supervise import signal_group
from pytest_remotest.watch import Verdict, Watch
from pytest_remotest.workerlink import LINK_LOST_STATUS

READ_BYTES = 64 * 1024  # The size of a pipe's buffer on Linux: more cannot be there at once.
OUTPUT_TAIL_BYTES = 8 * 1024  # Of what a worker printed last: a traceback and faulthandler's dump.
NO_MESSAGE = "wrote to its agent what is no message, and was killed"
UTF8_LOCALES = ("C.UTF-8", "C.utf8", "UTF-8")  # As Python itself tries them.


class WorkerProcess:
    """A started worker. All its descriptors are non-blocking; one thread owns it."""

    def __init__(
        self,
        start: messages.SpawnWorker,
        base_folder: str,
        overlay: Optional[Overlay],
        watch: Watch,
    ) -> None:
        """Start the process.

        Args:
            start: what is asked for.
            base_folder: holds what the run needs for as long as it lasts.
            overlay: what it runs in; None for the interpreter that runs this.
            watch: is told what it says, and asked whether it is to be ended.

        Raises:
            OSError: the directory is not there, or no process can be made.
        """
        self.name = start.worker
        self.watch = watch
        self._ending: Optional[Ending] = None
        self.protocol_open = True
        self.output_open = True
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._output_tail = b""
        self._was_killed = False
        self._shortages = shortage.kill_count()
        environment = worker_environment(start)
        if overlay is not None:
            overlay.activate(environment)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        child_in, self.in_fd, self.out_fd, child_out = _two_pipes()
        try:
            self.process = subprocess.Popen(
                loader.worker_command(child_in, child_out, overlay and overlay.python),
                cwd=to_bytes(start.directory),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(child_in, child_out),
                # A session of its own: a signal to the agent or from a test stays where it was
                # meant to be, and the whole group can be ended at once.
                start_new_session=True,
            )
        except OSError:
            os.close(self.in_fd)
            os.close(self.out_fd)
            raise
        finally:
            os.close(child_in)
            os.close(child_out)
        assert self.process.stdout is not None
        self.output_fd = self.process.stdout.fileno()
        for descriptor in (self.in_fd, self.out_fd, self.output_fd):
            os.set_blocking(descriptor, False)
        self.write(loader.worker_payload())
        arguments = list(start.arguments)
        if not any(argument.startswith("--basetemp") for argument in arguments):
            arguments.insert(0, "--basetemp=" + os.path.join(base_folder, "popen-" + self.name))
        self.write(frames.encode_body([start._replace(arguments=arguments)]))

    def write(self, body: bytes) -> None:
        """Queue one body for the worker; ``send_waiting`` writes as much as the pipe takes."""
        self._outgoing += HEADER.pack(len(body)) + body
        self.send_waiting()

    def send_waiting(self) -> bool:
        """Write what waits; return whether something still waits."""
        while self._outgoing:
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
            self._ending = Ending(self.process.pid, verdict, now_s)
        self._ending.go_on(now_s)

    def epitaph(self) -> messages.WorkerExited:
        """Return what is told of the end: how, its last words, and why where only we know.

        Called once. What else it has started is ended if it was us who ended it.
        """
        words = self._output_tail.decode("utf-8", "replace")
        if self.process.returncode == -signal.SIGKILL and not (self._was_killed or self._ending):
            words += "\n" + shortage.words(self._shortages, shortage.kill_count())
        if self.process.returncode == LINK_LOST_STATUS:
            words += "\nits pipe to the agent was closed: does a test close what it did not open?"
        killed = ""
        if self._ending is not None:
            self._ending.kill()
            killed = self._ending.words
        status = self.process.returncode
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
        """Send a signal to the worker and its process group."""
        self._was_killed |= number == signal.SIGKILL
        if self.process.poll() is None:
            signal_group(self.process.pid, number)

    def close(self) -> None:
        """Close the pipes."""
        os.close(self.in_fd)
        os.close(self.out_fd)
        assert self.process.stdout is not None
        self.process.stdout.close()


def _two_pipes() -> Tuple[int, int, int, int]:
    """Return the ends of two pipes, of each the reading one first; both, or none and OSError."""
    first = os.pipe()
    try:
        return first + os.pipe()
    except OSError:
        os.close(first[0])
        os.close(first[1])
        raise


def worker_environment(start: messages.SpawnWorker) -> Dict[bytes, bytes]:
    """Return the environment of a worker: the host's own, with what the controller adds.

    As bytes: where this process has no UTF-8, it could not encode what is not ASCII.
    """
    environment = dict(os.environb)
    environment.update(
        (to_bytes(name), to_bytes(value)) for name, value in start.environment.items()
    )
    asked = [environment.get(name) for name in (b"LC_ALL", b"LC_CTYPE", b"LANG")]
    if next(filter(None, asked), b"C") in (b"C", b"POSIX"):
        found = utf8_locale()
        if found is not None and not environment.get(b"LC_ALL"):
            environment[b"LC_CTYPE"] = found.encode("ascii")
    return environment


def utf8_locale() -> Optional[str]:
    """Return a locale with UTF-8 that this machine has beside the default one, or None.

    A login by ssh often has no locale at all. Python takes such a one by itself then, but only
    from 3.7 on (PEP 538): 3.6 could not name what is not ASCII.
    """
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in UTF8_LOCALES:
            with contextlib.suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                return name
        return None
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
