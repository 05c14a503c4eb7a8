"""Hosts in memory, for a driver: what they say is up to the test."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import frames, messages
from remotest.errors import HostLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.driver import Driver
    from remotest.gateways.base import OnClosed, OnFrame, OnStarted
    from remotest.tidings import DriverEvent

WAIT_S: Final = 30.0
INFO: Final = {"hostname": "box"}


class MemoryGateway:
    """A gateway whose host is the test: what is sent is kept, what comes is said by the test."""

    is_local = True
    heartbeat_s = 3600.0
    broke_protocol = False

    def __init__(self, on_frame: OnFrame, on_closed: OnClosed) -> None:
        self.say = on_frame
        self.hang_up = on_closed
        self.sent: list[Any] = []
        self.has_room = True
        self.is_closed = threading.Event()

    def send(self, frame: bytes) -> None:
        if self.is_closed.is_set():
            raise HostLost(host="box", phase="send", cause="closed")
        worker, batch = frames.decode(frame)
        # What all are told first.
        if not isinstance(batch[0], messages.WatchWorkers | messages.Ping):
            self.sent.append((worker, batch))
        if frame == frames.encode([messages.Goodbye()]):
            self.hang_up("it left")

    def send_ahead(self, frame: bytes) -> bool:
        if self.has_room:
            with contextlib.suppress(HostLost):
                self.send(frame)
        return self.has_room

    def give_up(self, reason: str) -> None:
        self.is_closed.set()
        self.hang_up(reason)

    def close(self, timeout_s: float) -> None:
        assert timeout_s > 0
        self.is_closed.set()


class MemoryHosts:
    """Opens gateways in memory; each host greets as it is told to, or fails to open."""

    def __init__(self) -> None:
        self.gateways: dict[str, MemoryGateway] = {}
        self.errors: dict[str, Exception] = {}
        self.greetings: dict[str, Callable[[MemoryGateway], None]] = {}
        self.starts: dict[str, Callable[[MemoryGateway], None]] = {}

    def __call__(
        self, agent: str, on_frame: OnFrame, on_closed: OnClosed, on_started: OnStarted
    ) -> MemoryGateway:
        if agent in self.errors:
            raise self.errors[agent]
        gateway = self.gateways[agent] = MemoryGateway(on_frame, on_closed)
        self.starts.get(agent, lambda _: None)(gateway)
        on_started(gateway)
        self.greetings.get(agent, greet)(gateway)
        return gateway


def greet(gateway: MemoryGateway) -> None:
    gateway.say(frames.encode([messages.Greeting(messages.PROTOCOL, INFO)]))


def greet_from_the_future(gateway: MemoryGateway) -> None:
    gateway.say(frames.encode([messages.Greeting(messages.PROTOCOL + 1, INFO)]))


def break_the_protocol(gateway: MemoryGateway) -> None:
    gateway.broke_protocol = True
    gateway.hang_up("it said nonsense")


def leave(gateway: MemoryGateway) -> None:
    gateway.hang_up("it is gone")


def receive(driver: Driver) -> DriverEvent:
    event = driver.receive(WAIT_S)
    assert event is not None
    return event
