"""How much of what each agent says waits for the main thread; who has too much there is held back.

The reader thread of a gateway waits here, so the host's own pipes fill up and in the end the
worker that floods them waits, and nobody else does.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest.messages import MAX_FRAME_BYTES, ProtocolError
from remotest.errors import TALKING, HostLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_WAITING_BYTES: Final = MAX_FRAME_BYTES
"""Of one agent's frames: as objects they take about ten times as much memory."""

MAX_FORCED_BYTES: Final = 16 * MAX_WAITING_BYTES
"""More than that is not even taken in while the main thread is writing to the same agent, which
may read only when somebody listens to it."""

MAX_ANSWERS_BYTES: Final = 256 * 1024 * 1024
"""Of an agent's answers that nobody has read yet: a host that lacks a tree of a million files asks
for 67 MB of digests."""

LOOK_S: Final = 1.0
"""Between signs of life of an agent that is held back: its heartbeat allows more."""


class Backlog:
    """The frames of all agents of a run that the main thread has not yet taken."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting_bytes: Counter[str] = Counter()
        self._written_to: Counter[str] = Counter()
        self._is_closed = False

    def add(self, agent: str, size_bytes: int, while_waiting: Callable[[], None]) -> bool:
        """Note a frame that came, as soon as there is room for it. Called by reader threads.

        Args:
            agent: whose frame it is.
            size_bytes: of the frame.
            while_waiting: called every ``LOOK_S`` until there is room.

        Returns:
            whether the main thread wants it; False after ``close``.

        Raises:
            ProtocolError: the agent says more than anybody can take in.
        """
        with self._changed:
            while not (self._is_closed or self._has_room(agent)):
                if not self._changed.wait(LOOK_S):
                    while_waiting()
            self._waiting_bytes[agent] += size_bytes
            if self._waiting_bytes[agent] > MAX_FORCED_BYTES:
                raise ProtocolError("it says more than can be taken in, and does not listen")
            return not self._is_closed

    def _has_room(self, agent: str) -> bool:
        return self._waiting_bytes[agent] <= MAX_WAITING_BYTES or self._written_to[agent] > 0

    def take(self, agent: str, size_bytes: int) -> None:
        """Note that the main thread has taken a frame."""
        with self._changed:
            self._waiting_bytes[agent] -= size_bytes
            self._changed.notify_all()

    @contextlib.contextmanager
    def writing_to(self, agent: str) -> Iterator[None]:
        """Hold an agent back no more for as long as the main thread waits for it to read."""
        with self._changed:
            self._written_to[agent] += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._written_to[agent] -= 1

    def close(self) -> None:
        """Let everybody go on: what comes now is wanted no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class Answers:
    """What an agent answers to the thread that asks it something."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._reason = ""
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._waiting_bytes = 0

    def put(self, answer: Any, size_bytes: int) -> None:
        """Take an answer that came in a frame of so many bytes.

        Raises:
            ProtocolError: nobody can have asked so much.
        """
        if self._waiting.empty():
            self._waiting_bytes = 0
        self._waiting_bytes += size_bytes
        if self._waiting_bytes > MAX_ANSWERS_BYTES:
            raise ProtocolError("it answers more than it was asked")
        self._waiting.put(answer)

    def end(self, reason: str) -> None:
        """Note that no further answer comes, and why: the agent is gone."""
        self._reason = reason
        self._waiting.put(None)

    def get(self, timeout_s: float) -> Any:
        """Return the next answer.

        Raises:
            TimeoutError: none came in time.
            HostLost: the host is gone.
        """
        try:
            answer = self._waiting.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        if answer is None:
            raise HostLost(host=self._agent, phase=TALKING, cause=self._reason)
        return answer
