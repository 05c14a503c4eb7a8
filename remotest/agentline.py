"""One connection to an agent, as the driver's threads share it."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Final

from pytest_remotest import frames, messages
from remotest.backlog import Answers
from remotest.errors import ConnectError, HostLost, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.gateways.base import AgentGateway

GREETING_TIMEOUT_S: Final = 60.0
"""From a booted interpreter to its agent's greeting: it lists site-packages, maybe on NFS."""

CLOSE_TIMEOUT_S: Final = 8.0
"""For an agent to end every process of the run after Goodbye: its own limit is 5 s."""

LAST_WORDS_S: Final = 3.0
"""Of that, to say what was left on its host, which takes it half a second; then its link is
ended."""

GOODBYE: Final = frames.encode([messages.Goodbye()])


class AgentLine:
    """What belongs to one connection to an agent, which may come again by another one.

    Attributes:
        gateway: None until the agent has greeted.
        answers: what the agent says to errands.
        errands: the threads that bring it something.
    """

    def __init__(self, agent: str) -> None:
        self.gateway: AgentGateway | None = None
        self.answers = Answers(agent)
        self.errands: list[threading.Thread] = []
        self._agent = agent
        self._greetings: queue.SimpleQueue[messages.Greeting | str] = queue.SimpleQueue()
        self._has_ended = threading.Event()
        self._started: AgentGateway | None = None
        self._ahead = b""
        self._was_said = False
        self._starting = threading.Lock()

    def start(self, gateway: AgentGateway) -> None:
        """Note that the agent has been sent there. Called by the thread that opens the gateway."""
        with self._starting:
            self._started = gateway
            self._say_what_is_ahead()

    def say_ahead(self, frame: bytes) -> None:
        """Say what ``send`` would be given first, as soon as the agent has been sent there.

        That saves a round trip: the agent need not have greeted. Where that cannot be, ``send``
        says it, as all else; so somebody has to give it this frame once the agent has greeted.
        """
        with self._starting:
            self._ahead = frame
            if self._started is not None:
                self._say_what_is_ahead()

    def _say_what_is_ahead(self) -> None:
        assert self._started is not None
        if self._ahead and not self._was_said:
            self._was_said = self._started.send_ahead(self._ahead)

    def greet(self, greeting: messages.Greeting) -> None:
        """Note what the agent says first. Called by the gateway's reader thread.

        Raises:
            pytest_remotest.messages.ProtocolError: it has greeted before.
        """
        if not self._greetings.empty():
            raise messages.ProtocolError("it greets again and again")
        self._greetings.put(greeting)

    def end(self, reason: str) -> None:
        """Note the connection's end; nobody waits for an answer any more."""
        self._has_ended.set()
        self._greetings.put(reason)
        self.answers.end(reason)

    def await_greeting(self, gateway: AgentGateway) -> messages.Greeting:
        """Return what the agent says first, by a gateway that is open; close it if that is bad.

        Raises:
            ConnectError: it says nothing, or has ended.
            ProtocolError: what it says is not what our own agent says.
        """
        greeting: messages.Greeting | str
        try:
            greeting = self._greetings.get(timeout=GREETING_TIMEOUT_S)
        except queue.Empty:
            greeting = f"no greeting within {GREETING_TIMEOUT_S:.0f} s"
        is_foreign = isinstance(greeting, messages.Greeting)
        if isinstance(greeting, messages.Greeting):
            if greeting.protocol == messages.PROTOCOL:
                self.gateway = gateway
                return greeting
            # Our own agent, which was sent there, has no other.
            greeting = f"it speaks version {greeting.protocol} of the protocol"
        kind = ProtocolError if is_foreign or gateway.broke_protocol else ConnectError
        gateway.close(CLOSE_TIMEOUT_S)
        raise kind(host=self._agent, phase="start the agent", cause=greeting)

    def send(self, frame: bytes) -> None:
        """Send a frame, unless it was said ahead, or the agent is not there again yet.

        Raises:
            HostLost: the connection has ended.
        """
        if self._was_said and frame == self._ahead:
            self._ahead = b""
        elif self.gateway is not None:
            self.gateway.send(frame)

    def part(self) -> None:
        """Let an agent that has greeted end all that it has started, and then its gateway."""
        assert self.gateway is not None
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        with contextlib.suppress(HostLost):
            self.gateway.send(GOODBYE)
        self._has_ended.wait(LAST_WORDS_S)
        self.gateway.close(max(0.0, deadline - time.monotonic()))
        self._has_ended.set()  # Nobody listens any more.

    def await_end(self, deadline: float) -> None:
        """Wait for the last that the agent says, but not beyond a time of the monotonic clock."""
        self._has_ended.wait(max(0.0, deadline - time.monotonic()))

    def clear_away(self) -> None:
        """Release what is left of a connection that has ended: nothing of it comes later."""
        if self.gateway is not None:
            self.gateway.close(CLOSE_TIMEOUT_S)
            join(self.errands, deadline=time.monotonic() + CLOSE_TIMEOUT_S)


def join(threads: Iterable[threading.Thread], *, deadline: float) -> None:
    """Wait for threads to end, but not beyond a time of the monotonic clock."""
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
