"""A wire on which what ``REMOTEST_FAULTS`` asks for goes wrong, in both directions.

It stands between the driver and the gateways, where there is one: without faults nobody asks for
any. So all of it happens here, nothing of it on a host, and to both ends it looks as if the network
did it.
"""

from __future__ import annotations

import itertools
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import frames, messages
from pytest_remotest.brief import spell_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from remotest.driver import Opener
    from remotest.gateways.base import AgentGateway, OnClosed, OnFrame, OnStarted
    from remotest.wirefaults import Fault

CUT: Final = "the connection was cut, as REMOTEST_FAULTS says"


class FaultyOpener:
    """Opens gateways whose wires have faults, which are counted over all of them."""

    def __init__(self, opener: Opener, faults: Iterable[Fault]) -> None:
        self._opener = opener
        # One step of such a counter is atomic: each wire has a thread that reads.
        self._counted = [(fault, itertools.count(1)) for fault in faults]

    def __call__(
        self, agent: str, on_frame: OnFrame, on_closed: OnClosed, on_started: OnStarted
    ) -> AgentGateway:
        """See ``driver.Opener``."""
        wire = FaultyWire(self._hits)

        def start(gateway: AgentGateway) -> None:
            wire.connect(gateway)
            on_started(wire)

        self._opener(agent, lambda frame: wire.carry(frame, on_frame), on_closed, start)
        return wire

    def _hits(self, message: Any) -> list[Fault]:
        """Return what is to happen to a message, and count it."""
        name = type(message).__name__
        return [
            fault
            for fault, count in self._counted
            if name in fault.kinds and next(count) == fault.nth
        ]


class FaultyWire:
    """An ``AgentGateway`` around another."""

    def __init__(self, hits: Callable[[Any], list[Fault]]) -> None:
        self._hits = hits
        self._starts: dict[str | None, messages.LogStart] = {}

    def connect(self, gateway: AgentGateway) -> None:
        """Take the gateway, once its agent has been sent there."""
        self._gateway = gateway
        self.is_local = gateway.is_local
        self.heartbeat_s = gateway.heartbeat_s

    @property
    def broke_protocol(self) -> bool:
        """See ``AgentGateway``."""
        return self._gateway.broke_protocol

    def give_up(self, reason: str) -> None:
        """See ``AgentGateway``."""
        self._gateway.give_up(reason)

    def close(self, timeout_s: float) -> None:
        """See ``AgentGateway``."""
        self._gateway.close(timeout_s)

    def send(self, frame: bytes) -> None:
        """See ``AgentGateway``."""
        self.carry(frame, self._gateway.send)

    def send_ahead(self, frame: bytes) -> bool:
        """See ``AgentGateway``. What the wire has lost was sent."""
        were_sent: list[bool] = []
        self.carry(frame, lambda frame: were_sent.append(self._gateway.send_ahead(frame)))
        return all(were_sent)

    def carry(self, frame: bytes, deliver: Callable[[bytes], None]) -> None:
        """Deliver a frame, unless something goes wrong with it.

        Raises:
            Exception: what ``deliver`` raises; ``ProtocolError`` where the frame is none.
        """
        worker, batch = frames.decode(frame)
        kept: list[Any] = []
        actions = set()
        for message in self._spelled_out(worker, batch):
            faults = self._hits(message)
            happens = {fault.action for fault in faults}
            actions |= happens
            time.sleep(sum(fault.delay_s for fault in faults))
            kept += [message] * (0 if "drop" in happens else 1 + ("double" in happens))
        if "cut" in actions:
            self._gateway.give_up(CUT)
            return
        if "corrupt" in actions:
            deliver(b"?" + frame[1:])  # No kind of frame.
        elif kept and isinstance(kept[0], messages.Blob):  # Only others of them are with it.
            deliver(frames.encode_blobs(kept))
        elif kept:
            deliver(frames.encode(kept, worker))
        if "kill" in actions and worker is not None:
            self._gateway.send(frames.encode([messages.StopWorker(worker, signal.SIGKILL)]))

    def _spelled_out(self, worker: str | None, batch: Iterable[Any]) -> Iterator[Any]:
        """Yield messages one by one where one stands for several: each can go wrong by itself."""
        for message in batch:
            if isinstance(message, messages.LogStart):
                self._starts[worker] = message
            if isinstance(message, messages.ItemPassed) and worker in self._starts:
                yield from spell_out(self._starts[worker], message)
            else:
                yield message
