"""Threads and the inbox: the only place of a run with concurrency.

Threads open gateways, send trees and read frames; each puts its events into one inbox.
Only the main thread takes events from it, and only the main thread calls pytest's hooks.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from pytest_remotest import frames, messages
from remotest.agentline import CLOSE_TIMEOUT_S, AgentLine, join
from remotest.backlog import Backlog
from remotest.errors import ConnectError, HostError, HostLost, UsageError
from remotest.heartbeat import Heartbeat
from remotest.hosttext import HostText
from remotest.tidings import (
    Answered,
    DriverEvent,
    EnvironmentFailed,
    EnvironmentShipped,
    EnvironmentsResolved,
    GatewayClosed,
    GatewayFailed,
    GatewayOpened,
    MessagesCame,
    TreeFailed,
    TreePushed,
    TreeTravels,
    Unanswered,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from remotest.env.model import Provisions
    from remotest.env.ship import Shipped
    from remotest.errors import EnvError
    from remotest.gateways.base import AgentGateway, OnClosed, OnFrame, OnStarted
    from remotest.sync.push import Progress, Pushed

END_TIMEOUT_S = CLOSE_TIMEOUT_S + 1.5
"""For the end of a run, when all agents are closed at the same time: those that hang are ended
through another session then. Nothing of a run lives on for 10 s."""

OPENING_GRACE_S = 2.0
"""At the end of a run, for gateways that were still being opened, to be ended on their hosts."""

GIVEN_UP_GRACE_S = 5.0
"""For ending what runs on a host that was given up, through another session; it may be gone."""

NEXT_TOOL_S = 0.1
"""Between two checks whether a new tool has been started in place of one that was ended."""

ANSWERS = (
    messages.SyncWant,
    messages.AheadTaken,
    messages.SyncDone,
    messages.SyncFailed,
    messages.Room,
    messages.EnvWant,
    messages.EnvDone,
    messages.EnvFailed,
    messages.BuildFailed,
    messages.CacheTold,
    messages.CacheFailed,
)
"""Messages of an agent for the thread that sends it something, not for the main thread."""


class Opener(Protocol):
    """Opens the gateway of one agent; blocks until it is open. Called in a thread."""

    def __call__(
        self, agent: str, on_frame: OnFrame, on_closed: OnClosed, on_started: OnStarted
    ) -> AgentGateway:
        """Return the open gateway.

        Raises:
            HostError: it cannot be opened.
        """
        ...


class Pusher(Protocol):
    """Sends the tree to the host of one agent; blocks until it is there. Called in a thread."""

    def __call__(
        self,
        send: Callable[[bytes], None],
        receive: Callable[[float], Any],
        tell: Callable[[Progress], None],
    ) -> Pushed:
        """Return the path of the tree on the host; report progress meanwhile.

        Raises:
            HostError: the tree is not there.
        """
        ...


class Asker(Protocol):
    """Asks the host of one agent a question, in the same way as a ``Pusher`` sends it a tree."""

    def __call__(self, send: Callable[[bytes], None], receive: Callable[[float], Any]) -> Any:
        """Return the answer.

        Raises:
            HostError: there is none.
        """
        ...


class Shipper(Protocol):
    """Sends an environment to the host of one agent, in the same way as a ``Pusher``."""

    def __call__(self, send: Callable[[bytes], None], receive: Callable[[float], Any]) -> Shipped:
        """Return the place of the environment on the host.

        Raises:
            HostError: the environment is not there.
        """
        ...


class Resolver(Protocol):
    """Resolves what each environment consists of; may block for minutes. Called in a thread."""

    def __call__(self) -> Mapping[str, Provisions | EnvError]:
        """Return agent -> what its environment consists of, or why there is none."""
        ...


class Driver:
    """Owns the gateways and threads of one run. Only the main thread calls its methods.

    ``host_text`` sanitises the messages of agents on other machines as they arrive.
    """

    def __init__(
        self,
        opener: Opener,
        host_text: HostText | None = None,
        *,
        worker_timeout_s: float | None = None,
    ) -> None:
        self._opener = opener
        self._host_text = host_text or HostText()
        # It has no limit of its own: the backlog makes the threads that fill it wait.
        self._inbox: queue.SimpleQueue[DriverEvent | Exception] = queue.SimpleQueue()
        self._backlog = Backlog()
        self._lines: dict[str, AgentLine] = {}
        self._left: dict[tuple[str, bool], messages.ProcessesLeft] = {}
        self._openings: list[threading.Thread] = []
        self._resolving: list[threading.Thread] = []
        self._heartbeat = Heartbeat(worker_timeout_s)
        self._closing = False
        self._closings: list[threading.Thread] = []
        self._clean_by = self._unheard_by = 0.0

    def open(self, agents: Iterable[str]) -> None:
        """Begin to open these agents' gateways in parallel; also again, once they have ended."""
        for agent in agents:
            former, line = self._lines.get(agent), AgentLine(agent)
            self._lines[agent] = line
            self._openings.append(self._start(f"open-{agent}", self._open, agent, line, former))

    def say_ahead(self, agent: str, frame: bytes) -> None:
        """Say what an errand will begin with before the agent has greeted, where that can be.

        The errand is to be begun once it has greeted: there will be answers.
        """
        self._lines[agent].say_ahead(frame)

    def push(self, agent: str, pusher: Pusher) -> None:
        """Begin to send the tree to the host of an agent."""
        self._send_out("push", self._push, agent, pusher)

    def ask(self, agent: str, asker: Asker) -> None:
        """Begin to ask the host of an agent a question."""
        self._send_out("ask", self._ask, agent, asker)

    def resolve(self, resolver: Resolver) -> None:
        """Begin to resolve what the environments consist of."""
        self._resolving.append(self._start("resolve", self._resolve, resolver))

    def ship(self, agent: str, shipper: Shipper) -> None:
        """Begin to send an environment to an agent's host; no tree may be on its way there."""
        self._send_out("ship", self._ship, agent, shipper)

    def send(self, agent: str, batch: Iterable[Any], worker: str | None = None) -> None:
        """Send messages to an agent, or through it to one of its workers.

        That the gateway is gone is no error here: its end arrives as an event of its own.
        """
        with contextlib.suppress(HostLost), self._backlog.writing_to(agent):
            self._lines[agent].send(frames.encode(batch, worker))

    def receive(self, timeout_s: float | None) -> DriverEvent | None:
        """Return the next event, or None when none came within ``timeout_s``.

        Raises:
            Exception: what a thread of ours did not expect, and could not go on after.
        """
        try:
            event = self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(event, Exception):
            raise event
        if isinstance(event, MessagesCame):
            self._backlog.take(event.agent, event.size_bytes)
        return event

    def processes_left(self) -> list[tuple[str, messages.ProcessesLeft]]:
        """Return what agents have found, with their names. Called after ``part``."""
        return [(agent, message) for (agent, _), message in self._left.items()]

    def round_trip_s(self, agent: str) -> float:
        """Return the round-trip time to an agent in seconds; 0 if it is not known."""
        return self._heartbeat.round_trip_s(agent)

    def wake(self) -> None:
        """Make ``receive`` return soon with an empty event. May be called from any thread."""
        self._inbox.put(MessagesCame(agent="", worker=None, messages=()))

    @property
    def inbox(self) -> queue.SimpleQueue[DriverEvent | Exception]:
        """The events that wait for ``receive``; callers may count them, not take them."""
        return self._inbox

    def part(self, within_s: float | None = None) -> None:
        """Begin to end all agents in parallel; return when each has sent its last message.

        A host that is not clean within this time, if it is limited, is left to it by ``close``.
        """
        now = time.monotonic()
        deadline = now + (END_TIMEOUT_S if within_s is None else within_s)
        grace_end = min(deadline, now + OPENING_GRACE_S)
        self._closing = True  # From now on, what opens is closed by the thread that opens it.
        self._backlog.close()
        self._heartbeat.close()
        parting = [(agent, line) for agent, line in self._lines.items() if line.gateway is not None]
        self._closings = [self._start(f"close-{agent}", line.part) for agent, line in parting]
        self._end_resolving(deadline=grace_end)
        join(self._openings, deadline=grace_end)
        for _, line in parting:
            line.await_end(deadline)
        self._clean_by, self._unheard_by = deadline, min(deadline, now + GIVEN_UP_GRACE_S)

    def close(self, within_s: float | None = None) -> None:
        """End every agent, unless that has begun, and wait for their hosts to be clean."""
        if not self._closing:
            self.part(within_s)
        errands = [thread for line in self._lines.values() for thread in line.errands]
        join([*self._closings, *errands], deadline=self._clean_by)
        join(self._heartbeat.threads, deadline=self._unheard_by)

    def _end_resolving(self, *, deadline: float) -> None:
        """End work of this machine for environments that are not needed any more."""
        while time.monotonic() < deadline and any(t.is_alive() for t in self._resolving):
            # Not at the top: most runs need no tools.
            from remotest.env.tools import end_all  # noqa: PLC0415

            end_all()
            join(self._resolving, deadline=time.monotonic() + NEXT_TOOL_S)  # It may try another.

    # -- threads ---------------------------------------------------------------------------

    def _start(self, name: str, target: Callable[..., None], *arguments: Any) -> threading.Thread:
        # Daemons: a host that hangs in spite of all deadlines must not keep pytest from exiting.
        thread = threading.Thread(
            target=self._guard, args=(target, *arguments), name=f"remotest-{name}", daemon=True
        )
        thread.start()
        return thread

    def _send_out(
        self, kind: str, target: Callable[..., None], agent: str, errand: Callable[..., Any]
    ) -> None:
        line = self._lines[agent]
        line.errands.append(self._start(f"{kind}-{agent}", target, agent, line, errand))

    def _guard(self, target: Callable[..., None], *arguments: Any) -> None:
        """Re-raise an exception of a thread on the main thread, which waits for an event."""
        try:
            target(*arguments)
        except Exception as error:  # noqa: BLE001  raised again by receive()
            self._inbox.put(error)

    def _open(self, agent: str, line: AgentLine, former: AgentLine | None) -> None:
        if former is not None:
            former.clear_away()
        try:
            gateway = self._opener(
                agent,
                lambda frame: self._on_frame(agent, line, frame),
                lambda reason: self._on_closed(agent, line, reason),
                line.start,
            )
            greeting = line.await_greeting(gateway)
        except HostError as error:
            self._inbox.put(GatewayFailed(agent=agent, error=error))
            return
        except UsageError as error:  # What shows only on the way, for example in ssh_config.
            failure = ConnectError(host=agent, phase="connect", cause=str(error))
            self._inbox.put(GatewayFailed(agent=agent, error=failure))
            return
        self._heartbeat.watch(agent, gateway)
        if self._closing:
            gateway.close(CLOSE_TIMEOUT_S)
        self._inbox.put(GatewayOpened(agent=agent, info=greeting.info))

    def _on_frame(self, agent: str, line: AgentLine, frame: bytes) -> None:
        """Decode a frame and put it where it belongs. Called by the gateway's reader thread.

        Raises:
            pytest_remotest.messages.ProtocolError: it is no frame; the gateway then closes.
        """
        self._heartbeat.heard(agent)
        worker, batch = frames.decode(frame)
        if line.gateway is None or not line.gateway.is_local:
            batch = self._host_text.clean(batch, frame)
        ours: list[Any] = []
        for message in batch:
            if worker is None and isinstance(message, messages.Greeting):
                line.greet(message)
            elif worker is None and isinstance(message, ANSWERS):
                line.answers.put(message, len(frame))
            elif worker is None and isinstance(message, messages.Pong):
                self._heartbeat.answered(agent)
            elif worker is None and isinstance(message, messages.ProcessesLeft):
                self._left[agent, message.of_dead_run] = message
            else:
                ours.append(message)
        if ours and self._backlog.add(agent, len(frame), lambda: self._heartbeat.heard(agent)):
            self._inbox.put(
                MessagesCame(
                    agent=agent, worker=worker, messages=tuple(ours), size_bytes=len(frame)
                )
            )

    def _on_closed(self, agent: str, line: AgentLine, reason: str) -> None:
        self._heartbeat.forget(agent)
        line.end(reason)
        may_return = line.gateway is None or not line.gateway.broke_protocol
        self._inbox.put(GatewayClosed(agent=agent, reason=reason, may_return=may_return))

    def _push(self, agent: str, line: AgentLine, pusher: Pusher) -> None:
        try:
            pushed = pusher(
                line.send,
                line.answers.get,
                lambda progress: self._inbox.put(TreeTravels(agent=agent, progress=progress)),
            )
        except HostError as error:
            self._inbox.put(TreeFailed(agent=agent, error=error))
            return
        self._inbox.put(TreePushed(agent=agent, pushed=pushed))

    def _ask(self, agent: str, line: AgentLine, asker: Asker) -> None:
        try:
            answer = asker(line.send, line.answers.get)
        except HostError as error:
            self._inbox.put(Unanswered(agent=agent, error=error))
            return
        self._inbox.put(Answered(agent=agent, answer=answer))

    def _resolve(self, resolver: Resolver) -> None:
        self._inbox.put(EnvironmentsResolved(provisions=resolver()))

    def _ship(self, agent: str, line: AgentLine, shipper: Shipper) -> None:
        try:
            shipped = shipper(line.send, line.answers.get)
        except HostError as error:
            self._inbox.put(EnvironmentFailed(agent=agent, error=error))
            return
        self._inbox.put(EnvironmentShipped(agent=agent, shipped=shipped))
