"""Who is pinged, who is given up, and when nobody is."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_remotest import frames, messages
from remotest.errors import HostLost
from remotest.heartbeat import PINGS_IN_SILENCE, Heartbeat

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S: Final = 30.0
SHORT_S: Final = 0.03
MEDIUM_S: Final = 0.9
LONGER_S: Final = 2 * MEDIUM_S


class Gateway:
    """Tells what it is sent, and that it is given up."""

    def __init__(self, heartbeat_s: float, *, is_local: bool = False) -> None:
        self.is_local = is_local
        self.heartbeat_s = heartbeat_s
        self.heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.is_lost = False

    def send(self, frame: bytes) -> None:
        if self.is_lost:
            raise HostLost(host="box", phase="run", cause="the connection ended")
        self.heard.put(frames.decode(frame)[1])

    def give_up(self, reason: str) -> None:
        self.heard.put(reason)

    def close(self, timeout_s: float) -> None:
        raise AssertionError(f"nobody asked for this, within {timeout_s} s")


@pytest.fixture
def heartbeat() -> Iterator[Heartbeat]:
    heartbeat = Heartbeat()
    yield heartbeat
    heartbeat.close()


def until_given_up(gateway: Gateway) -> list[Any]:
    """Return what a gateway was sent before it was given up, and the reason."""
    said = []
    while not said or isinstance(said[-1], list):
        said.append(gateway.heard.get(timeout=WAIT_S))
    return said


def test_an_agent_that_is_silent_is_given_up(heartbeat: Heartbeat) -> None:
    gateway = Gateway(SHORT_S)
    heartbeat.watch("box", gateway)
    first, *pings, reason = until_given_up(gateway)
    assert first == [messages.WatchWorkers(SHORT_S, None), messages.ExpectPings(SHORT_S)]
    assert all(ping == [messages.Ping()] for ping in pings)
    assert reason == (
        "no sign of life for 0.03 s: its machine, the network on the way or its agent has stopped"
    )


def test_an_agent_that_answers_is_pinged_again_and_again(heartbeat: Heartbeat) -> None:
    gateway = Gateway(MEDIUM_S)
    heartbeat.watch("box", gateway)
    gateway.heard.get(timeout=WAIT_S)
    for _ in range(2 * PINGS_IN_SILENCE):  # They take twice as long as it may be silent.
        assert gateway.heard.get(timeout=WAIT_S) == [messages.Ping()]
        heartbeat.heard("box")


def test_an_agent_of_this_machine_expects_nothing_but_of_its_workers() -> None:
    gateway = Gateway(SHORT_S, is_local=True)
    heartbeat = Heartbeat(worker_timeout_s=90.0)
    heartbeat.watch("popen", gateway)
    first, *pings, _ = until_given_up(gateway)
    assert first == [messages.WatchWorkers(SHORT_S, 90.0)]
    assert all(ping == [messages.Ping()] for ping in pings)


def test_of_a_forgotten_agent_nothing_is_expected(heartbeat: Heartbeat) -> None:
    gateway, other = Gateway(MEDIUM_S, is_local=True), Gateway(LONGER_S)
    heartbeat.watch("gone", gateway)
    heartbeat.forget("gone")
    heartbeat.watch("other", other)
    until_given_up(other)
    assert gateway.heard.get(timeout=WAIT_S) == [messages.WatchWorkers(MEDIUM_S, None)]
    assert gateway.heard.get(timeout=WAIT_S) == [messages.Ping()]
    assert gateway.heard.empty()


def test_the_first_answer_tells_how_long_it_takes(heartbeat: Heartbeat) -> None:
    heartbeat.watch("box", Gateway(LONGER_S))
    assert heartbeat.round_trip_s("box") == 0.0
    heartbeat.answered("box")
    took_s = heartbeat.round_trip_s("box")
    assert took_s > 0.0
    heartbeat.answered("box")  # Nobody has asked again.
    assert heartbeat.round_trip_s("box") == took_s


def test_of_the_gateway_by_which_an_agent_was_reached_before_nothing_is_expected(
    heartbeat: Heartbeat,
) -> None:
    former, gateway = Gateway(MEDIUM_S), Gateway(LONGER_S)
    heartbeat.watch("box", former)
    heartbeat.forget("box")
    heartbeat.watch("box", gateway)
    until_given_up(gateway)
    while not former.heard.empty():
        assert isinstance(former.heard.get(timeout=WAIT_S), list)


def test_that_a_link_has_ended_is_no_error_here(heartbeat: Heartbeat) -> None:
    gateway = Gateway(SHORT_S)
    gateway.is_lost = True
    heartbeat.watch("box", gateway)
    assert gateway.heard.get(timeout=WAIT_S).startswith("no sign of life")


def test_a_host_that_greets_after_the_end_is_not_listened_to(heartbeat: Heartbeat) -> None:
    """Else a thread asks for the time, without a pause, for as long as the process lives."""
    heartbeat.close()
    heartbeat.watch("box", Gateway(3600.0))
    for thread in heartbeat.threads:
        thread.join(WAIT_S)
    assert [thread.is_alive() for thread in heartbeat.threads] == [False, False]
