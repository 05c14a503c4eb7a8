"""The one tree of errors that remotest raises.

A message is a lower-case fragment that says what went wrong and where; ``remedy`` says what to
try. Fields are there so that callers decide on data and never parse text.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Fault: TypeAlias = Literal["away", "broken", "wrong"]
"""What waiting does to a fault of a host: *away* is one that nobody answers for, and may be back in
a while; *broken* one that answered and then failed, and may do so again; *wrong* is what was asked
for or set up, which no waiting changes."""

EXIT_USAGE: Final = 4
"""pytest's own exit code for wrong usage."""

EXIT_HOST_FAILED: Final = 6
"""Exit code of a run in which no test failed but a declared host or environment was lost."""

STDERR_TAIL_BYTES: Final = 4096
"""How much of a host's last words an error quotes: enough for a traceback, short enough to read."""

TALKING: Final = "talk to the agent"
"""The phase of a host that is lost, for who does not know what it was talked to for."""


class RemotestError(Exception):
    """Base of everything that remotest raises on purpose."""


class UsageError(RemotestError):
    """The user asked for something that cannot be; nothing was dialled and nothing was started.

    Ends a run with exit code 4.
    """


class SpecError(UsageError):
    """A ``--tx`` string or an inventory entry is not a valid gateway spec."""


class HostError(RemotestError):
    """Something on or towards one host failed.

    Attributes:
        host: the host as the user wrote it, for example ``me@box:2222`` or ``popen``.
        phase: what was being done, for example ``connect``, ``log in``, ``boot``, ``sync``.
        cause: what went wrong, one lower-case fragment.
        remedy: what the user can try; may be empty.
        stderr: the last that the host said on its error stream; may be empty.
        fault: what waiting does to it.
    """

    fault: Fault = "broken"

    def __init__(
        self, *, host: str, phase: str, cause: str, remedy: str = "", stderr: str = ""
    ) -> None:
        self.host = host
        self.phase = phase
        self.cause = cause
        self.remedy = remedy
        self.stderr = stderr[-STDERR_TAIL_BYTES:].strip()
        super().__init__(self.paragraph())

    def paragraph(self) -> str:
        """Return the whole story in one paragraph: host, phase, cause, last words, remedy."""
        lines = [f"{self.host}: {self.phase} failed: {self.cause}"]
        if self.stderr:
            lines += ["  last words of the host:"]
            lines += [f"    {line}" for line in self.stderr.splitlines()]
        if self.remedy:
            lines.append(f"  try: {self.remedy}")
        return "\n".join(lines)


class ConnectError(HostError):
    """A gateway could not be opened: no connection, no log-in, no usable interpreter."""


class NotLetInError(ConnectError):
    """A host is not who it should be, or lets nobody in."""

    fault = "wrong"


class AbsentError(ConnectError):
    """A host does not have the interpreter that was asked for."""


class ProtocolError(HostError):
    """The other side said something that the protocol does not allow."""

    fault = "wrong"


class SyncError(HostError):
    """The tree could not be brought to a host."""


class EnvError(HostError):
    """An interpreter lacks what the suite needs, for example a pytest."""


class HostLost(HostError):  # noqa: N818  an event seen from outside, as in pytest's own naming
    """A host that was up is gone."""
