"""The interfaces that all ways to reach an interpreter have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

WRITE_STALL_S: Final = 60.0
"""A host that takes not one byte for so long hangs: its disk or its process, not the network."""

PACKET_BYTES: Final = 32 * 1024 - 64
"""What fits into the largest packet of SSH, as paramiko counts."""

HEARTBEAT_S: Final = 30.0
"""A silence that is too long, unless a spec says otherwise: networks find a new way in 10 s."""

OnFrame: TypeAlias = Callable[[bytes], None]
OnClosed: TypeAlias = Callable[[str], None]
OnStarted: TypeAlias = "Callable[[AgentGateway], None]"


class ByteStream(Protocol):
    """The standard input and output of a process on some host, over whatever carries them.

    Reading and writing may be done by different threads; neither is done by two at once.
    """

    @property
    def room_bytes(self) -> int:
        """How much is certain to be taken at once; 0 where that is not known."""
        ...

    def read(self, size: int, timeout_s: float | None = None) -> bytes:
        """Return between 1 and ``size`` bytes, or ``b""`` at the end, however that came.

        Raises:
            TimeoutError: nothing came within ``timeout_s``.
            ConnectError: the host did not begin to run the process.
        """
        ...

    def write(self, data: bytes | memoryview, stall_s: float | None = None) -> None:
        """Write all of ``data``.

        Args:
            data: what the other side is to read.
            stall_s: for how long it may take not one byte; None for what is usual: over SSH for
                ever, else ``WRITE_STALL_S``.

        Raises:
            OSError: the other side is gone.
            TimeoutError: it took nothing for so long.
        """
        ...

    def close_write(self) -> None:
        """Let the process see the end of its input. Never raises."""
        ...

    def kill(self) -> None:
        """End the stream, and the process if it is ours to end, at once. Never raises.

        Whoever reads or writes returns. What the stream holds here is released.
        """
        ...

    def error_tail(self) -> str:
        """Return the last that the process said on its error stream, cut to a few kilobytes."""
        ...

    def exit_status(self, timeout_s: float) -> int | None:
        """Return the process's exit status, or None where it has not ended or is unknown."""
        ...


class AgentGateway(Protocol):
    """An open gateway: an interpreter on a host in which our agent runs.

    ``on_frame`` and ``on_closed``, given when it was opened, are called by the gateway's reader
    thread; ``on_closed`` exactly once and last, with the reason, whichever side ended it. Neither
    may wait for the gateway. ``on_started`` is called by the thread that opens it, once the agent
    has been sent there: whether that begins is not known by then.

    Attributes:
        is_local: the agent is a process of this machine, over no network.
        heartbeat_s: how long the agent, or the controller, may be silent.
    """

    is_local: bool
    heartbeat_s: float

    @property
    def broke_protocol(self) -> bool:
        """Whether it was ended for what the host said, and is not to be opened again."""
        ...

    def give_up(self, reason: str) -> None:
        """End the gateway at once, for a reason that ``on_closed`` tells. Never raises.

        It returns when the interpreter is ended on its host too, if the host can still be reached.
        """
        ...

    def send(self, frame: bytes) -> None:
        """Send one frame to the agent. Any thread may call this.

        Raises:
            HostLost: the gateway is closed.
        """
        ...

    def send_ahead(self, frame: bytes) -> bool:
        """Send a frame before the agent has greeted; return whether it was sent. Never raises.

        It is not, where somebody would have to wait for room: maybe nobody reads there.
        """
        ...

    def close(self, timeout_s: float) -> None:
        """Close the gateway and wait for the interpreter to end, then kill. Never raises."""
        ...
