"""Signs of life between the controller and its agents: who is silent for too long is given up.

A link that was cut off without a word (a cable pulled, a machine frozen, a firewall that forgot a
connection) looks like one on which nobody has anything to say. So both sides say something: the
controller pings, the agent answers from a thread that no test and no slow disk holds up.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import frames, messages
from remotest.errors import HostLost

if TYPE_CHECKING:
    from remotest.gateways.base import AgentGateway

PINGS_IN_SILENCE: Final = 3
"""Pings that may stay without an answer before a host is given up: one may be late."""

PING: Final = frames.encode([messages.Ping()])


class Heartbeat:
    """Pings the agents of one run. ``heard`` may be called by any thread.

    A worker with tests to run may be silent for ``worker_timeout_s``, or for ever if that is None.

    Attributes:
        threads: some may still be ending what runs on a host that was given up.
    """

    def __init__(self, worker_timeout_s: float | None = None) -> None:
        self._worker_timeout_s = worker_timeout_s
        self._heard_s: dict[str, float] = {}
        self._gateways: dict[str, AgentGateway] = {}  # An agent may come again by another one.
        self._pinged_s: dict[str, float] = {}  # Pings that have not been answered.
        self._round_trips_s: dict[str, float] = {}
        self._closing = threading.Event()
        self.threads: list[threading.Thread] = []

    def watch(self, agent: str, gateway: AgentGateway) -> None:
        """Begin to ping an agent that has greeted, and to expect a word from it.

        It is told to do the same with its workers, whom nobody can ask: tests run in them.

        On this machine the end of a process is seen at once, and a controller that is stopped by
        Ctrl-Z shall find its workers alive: there the agent expects nothing.
        """
        first: list[Any] = [messages.WatchWorkers(gateway.heartbeat_s, self._worker_timeout_s)]
        if not gateway.is_local:
            first.append(messages.ExpectPings(gateway.heartbeat_s))
        self._send(gateway, frames.encode(first))
        self._ping(agent, gateway)  # Schedulers ask, when workers come, how long it takes.
        self._heard_s[agent] = time.monotonic()
        self._gateways[agent] = gateway
        # Two threads: a link that is stuck holds up whoever writes to it, and that must be seen.
        for name, target in (("ping", self._go_on_pinging), ("listen", self._listen)):
            thread = threading.Thread(
                target=target, args=(agent, gateway), name=f"remotest-{name}-{agent}", daemon=True
            )
            self.threads.append(thread)
            thread.start()

    def heard(self, agent: str) -> None:
        """Note a sign of life."""
        if agent in self._heard_s:
            self._heard_s[agent] = time.monotonic()

    def answered(self, agent: str) -> None:
        """Note the answer to a ping."""
        pinged_s = self._pinged_s.pop(agent, None)
        if pinged_s is not None:  # It also says so unasked, when it has held us back.
            took_s = time.monotonic() - pinged_s
            # The shortest: all else that is under way, or that a busy machine does, only adds.
            self._round_trips_s[agent] = min(took_s, self._round_trips_s.get(agent, took_s))

    def round_trip_s(self, agent: str) -> float:
        """Return how long a ping and its answer take; 0 before the first."""
        return self._round_trips_s.get(agent, 0.0)

    def forget(self, agent: str) -> None:
        """Expect nothing of an agent any more: its end is known."""
        self._heard_s.pop(agent, None)

    def close(self) -> None:
        """Expect nothing of anybody any more."""
        self._closing.set()
        self._heard_s.clear()

    def _expects(self, agent: str, gateway: AgentGateway) -> bool:
        return agent in self._heard_s and self._gateways[agent] is gateway

    def _ping(self, agent: str, gateway: AgentGateway) -> None:
        self._pinged_s[agent] = time.monotonic()
        self._send(gateway, PING)

    def _go_on_pinging(self, agent: str, gateway: AgentGateway) -> None:
        interval_s = gateway.heartbeat_s / PINGS_IN_SILENCE
        while not self._closing.wait(interval_s) and self._expects(agent, gateway):
            self._ping(agent, gateway)

    def _listen(self, agent: str, gateway: AgentGateway) -> None:
        limit_s = gateway.heartbeat_s
        while (heard_s := self._heard_s.get(agent)) and self._expects(agent, gateway):
            left_s = heard_s + limit_s - time.monotonic()
            if left_s <= 0:
                gateway.give_up(
                    f"no sign of life for {limit_s:g} s: its machine, the network on the way or "
                    "its agent has stopped"
                )
                return
            if self._closing.wait(left_s):  # A host may greet after the end: then nobody is heard.
                return

    @staticmethod
    def _send(gateway: AgentGateway, frame: bytes) -> None:
        try:
            gateway.send(frame)
        except HostLost:
            return  # Its end arrives as an event of its own.
