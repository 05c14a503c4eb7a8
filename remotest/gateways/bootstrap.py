"""Turns a fresh byte stream into an interpreter that has identified itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from remotest.errors import AbsentError, ConnectError
from remotest.gateways import bootlines, shellscripts

if TYPE_CHECKING:
    from remotest.gateways.base import ByteStream

BOOT_TIMEOUT_S: Final = 20.0
"""From the first byte sent to the interpreter's answer: slow NFS homes and cold disks included."""

SETUP_TIMEOUT_S: Final = 60.0
"""More, where ``setup=`` is run first: conda and module systems on a slow NFS take their time."""

INSTALL_TIMEOUT_S: Final = 600.0
"""For uv to download and unpack an interpreter: 30 MB over a slow line, with retries."""

NOISE_LIMIT_BYTES: Final = 256 * 1024
"""Of what login scripts print before the answer: a message of the day, not an endless loop."""

NOISE_SHOWN_CHARS: Final = 1000
"""Of that, the end, which an error quotes."""

EXIT_STATUS_WAIT_S: Final = 1.0
"""Between a stream's end and the process's, which is reaped by another process."""

NOISE_SHOWN_LINES: Final = 12
"""The same, of what prints a line for each that it reads."""

COMMAND_REMEDY: Final = (
    "`ssh HOST echo here` by hand: a login shell such as nologin, ForceCommand in sshd_config or "
    "command= of the key may run something else, and login scripts may wait"
)

SETUP_REMEDY: Final = "run it there by hand, in sh: what does it say?"

_READ_BYTES: Final = 64 * 1024

Listener: TypeAlias = Literal["shell", "interpreter", "program"]
"""Who reads first what is said on a stream: ``SHELL_PROGRAM``, an interpreter that waits for its
program as a socket server does, or the program itself."""


@dataclass(frozen=True, kw_only=True)
class Booted:
    """An interpreter that waits for the engine.

    ``noise`` is what the host printed before it answered; ``received`` what came behind.
    """

    interpreter: bootlines.Interpreter
    noise: str
    received: bytes


class Boot:
    """One attempt to get an answer from a stream.

    ``pid`` is the interpreter's process on its host, once that is known; the shell's, which becomes
    it, while ``setup=`` is run.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        host: str,
        python: str | None,
        marker: bootlines.Marker | None = None,
        setup: str | None = None,
        uv_request: str | None = None,
        may_install: bool = False,
    ) -> None:
        """Take in what is wanted; nothing is said yet.

        Args:
            stream: to the host.
            host: as the user wrote it.
            python: see ``shellscripts.shell_line``.
            marker: what answers begin with, if that has been said already.
            setup: see there.
            uv_request: what uv calls the interpreter; None where it knows none such.
            may_install: whether the uv of the host may be asked for it.
        """
        self._stream = stream
        self._host = host
        self._python = python
        self._setup = setup
        self._uv_request = uv_request
        self._may_install = may_install and uv_request is not None
        self._is_uv_asked = False
        self._marker = marker or bootlines.Marker.new()
        self._noise = b""
        self._received = bytearray()
        self._starts = 0
        self._is_shell_awaited = False
        self.pid: int | None = None

    def say(self, to: Listener, timeout_s: float) -> None:
        """Say what comes before the engine; where nobody is there, that is told by ``hear``.

        It is said once there is room for it: so it is known how much more there is.

        Raises:
            ConnectError: there is none within ``timeout_s``.
        """
        if to == "interpreter":  # It has no shell, and may take more than its line.
            self._say(bootlines.python_line(self._marker), timeout_s)
            return
        self._is_shell_awaited = True
        lines = b""
        if to == "shell":
            request = self._uv_request if self._may_install else None
            lines = shellscripts.shell_line(
                self._python, self._marker, self._setup, uv_request=request
            ) + bootlines.python_line(self._marker)
        self._say(lines + bootlines.LEAVE_LINE, timeout_s)

    def _say(self, lines: bytes, timeout_s: float) -> None:
        try:
            self._stream.write(lines, timeout_s)
        except TimeoutError:  # The line may have fallen silent: nobody else would notice.
            raise self._silent(timeout_s) from None
        except OSError:
            return  # What is read then says more.

    def hear(self, timeout_s: float) -> Booted:
        """Wait so long for the answer to the launch lines, and judge it.

        Raises:
            ConnectError: there is no usable interpreter.
        """
        answer = self._wait_for_result(timeout_s)
        if isinstance(answer, bootlines.Missing):
            self.pid = None  # The shell has nothing more to do.
            raise self._absent(answer)
        if answer.is_too_old:
            major, minor, _ = answer.version
            raise self._error(
                f"Python {major}.{minor} found at {answer.executable}, remotest needs 3.6 or newer",
                "name a newer interpreter of that host with python=",
            )
        return Booted(
            interpreter=answer,
            noise=as_text(self._noise).strip(),
            received=bytes(self._received),
        )

    def list_interpreters(self, *, timeout_s: float) -> tuple[str, ...]:
        """Return the paths of the interpreters that a host has, in place of all else.

        Raises:
            ConnectError: the host does not tell.
        """
        self._is_shell_awaited = True
        self._say(shellscripts.list_line(self._marker, self._setup), timeout_s)
        answer = self._wait_for_result(timeout_s)
        if not isinstance(answer, bootlines.Missing):
            raise self._error("it did not tell its interpreters", "name them with python=")
        return answer.found

    def _wait_for_result(self, timeout_s: float) -> bootlines.Interpreter | bootlines.Missing:
        """Take everything up to and including what comes out of all that is started there."""
        if self._setup is not None:
            timeout_s += SETUP_TIMEOUT_S
        deadline = time.monotonic() + timeout_s
        allowed = 1 if self._setup is None else 2
        while not isinstance(
            answer := self._wait_for_answer(deadline, timeout_s),
            bootlines.Interpreter | bootlines.Missing,
        ):
            if isinstance(answer, bootlines.UvAsked):
                self._is_uv_asked = True
                timeout_s = INSTALL_TIMEOUT_S
                deadline = time.monotonic() + timeout_s
                continue
            self._is_shell_awaited = False
            self.pid = answer.pid
            self._starts += 1
            if self._starts > allowed:
                raise self._error(
                    "it was started twice", "do login scripts there run commands twice?"
                )
        return answer

    def _wait_for_answer(self, deadline: float, timeout_s: float) -> bootlines.Answer:
        """Take everything up to and including the next answer from the stream."""
        while (line := self._find_answer()) is None:
            if len(self._received) > NOISE_LIMIT_BYTES:
                raise self._error(
                    f"more than {NOISE_LIMIT_BYTES // 1024} kB of other output came before an "
                    "interpreter answered",
                    "let the login scripts there print only for interactive shells",
                )
            try:
                piece = self._stream.read(_READ_BYTES, deadline - time.monotonic())
            except TimeoutError:
                raise self._silent(timeout_s) from None
            if not piece:
                raise self._ended()
            self._received += piece
        try:
            answer = bootlines.parse_answer(line)
        except ValueError as error:
            raise self._error(
                f"{self._name()} gave an answer that makes no sense: {error}",
                "start it there by hand: is it a Python?",
            ) from None
        if isinstance(answer, bootlines.SetupFailed):
            self._stream.exit_status(EXIT_STATUS_WAIT_S)  # For the last of what it said.
            raise self._error(
                f"setup={self._setup} ended with exit status {answer.status}", SETUP_REMEDY
            )
        return answer

    def _find_answer(self) -> bytes | None:
        """Take the answer, and the noise before it, out of what has been received."""
        marker = bytes(self._marker)
        start = self._received.find(marker)
        end = self._received.find(b"\n", start)
        if start < 0 or end < 0:
            return None
        self._noise += self._received[:start]
        line = bytes(self._received[start + len(marker) + 1 : end])
        del self._received[: end + 1]
        return line

    @property
    def _is_setting_up(self) -> bool:
        """Whether the command line of ``setup=`` is what runs there now."""
        return self._setup is not None and self._starts == 1

    def _name(self) -> str:
        if self._is_setting_up:
            return f"setup={self._setup}"
        if self._is_uv_asked:
            return f"uv python install {self._uv_request}"
        return self._python or "the interpreter"

    def _absent(self, missing: bootlines.Missing) -> AbsentError:
        cause = f"{self._python or 'python3'} is absent"
        remedy = "name another interpreter of that host with python=, or install this one there"
        if self._is_uv_asked:
            self._stream.exit_status(EXIT_STATUS_WAIT_S)  # For the last of what uv said.
            cause += f", and uv python install {self._uv_request} failed"
        elif self._may_install:
            cause += ", and so is uv, which interpreters=uv lets install it"
            remedy = "install uv there, on PATH or in ~/.local/bin, or that interpreter"
        elif self._uv_request is not None:
            remedy += ", or let uv do so with interpreters=uv"
        return AbsentError(**self._fields(cause, f"{remedy}; {missing}"))

    def _silent(self, timeout_s: float) -> ConnectError:
        if self._is_shell_awaited:
            return self._error(f"our command did not begin within {timeout_s:g} s", COMMAND_REMEDY)
        return self._error(
            f"{self._name()} did not answer within {timeout_s:g} s",
            "start it there by hand: what does it wait for?",
        )

    def _ended(self) -> ConnectError:
        status = self._stream.exit_status(EXIT_STATUS_WAIT_S)
        if self._is_shell_awaited:
            return self._error(f"our command did not begin: {describe_end(status)}", COMMAND_REMEDY)
        if self._is_setting_up:
            return self._error(
                f"setup={self._setup} ended the shell: {describe_end(status)}", SETUP_REMEDY
            )
        cause = f"{self._name()} did not answer: " + describe_end(status)
        return self._error(cause, "start it there by hand: what does it say?")

    def _error(self, cause: str, remedy: str) -> ConnectError:
        return ConnectError(**self._fields(cause, remedy))

    def _fields(self, cause: str, remedy: str) -> dict[str, str]:
        """Return the fields of an error."""
        printed = as_text(self._noise or bytes(self._received))[-NOISE_SHOWN_CHARS:].strip()
        shown = "\n".join(printed.splitlines()[-NOISE_SHOWN_LINES:])
        said = filter(None, [shown, self._stream.error_tail().strip()])
        return {
            "host": self._host,
            "phase": "boot",
            "cause": cause,
            "remedy": remedy,
            "stderr": "\n".join(said),
        }


def describe_end(exit_status: int | None) -> str:
    """Return how a process ended, in words, from its status as ``ByteStream`` tells it."""
    if exit_status is None:
        return "the connection ended"
    if exit_status < 0:
        return f"its process was ended by signal {-exit_status}"
    return f"its process ended with exit status {exit_status}"


def as_text(data: bytes) -> str:
    """Return what a host printed, as text, whatever it is."""
    return data.decode("utf-8", "replace")
