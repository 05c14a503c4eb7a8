"""What an errand begins with is said before its agent has greeted: that saves a round trip."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import pytest
from memoryhosts import INFO, WAIT_S, MemoryGateway, MemoryHosts, greet, leave, receive

from pytest_remotest import frames, messages
from remotest.driver import Driver
from remotest.sync.push import Pushed
from remotest.tidings import GatewayClosed, GatewayFailed, GatewayOpened, TreePushed

if TYPE_CHECKING:
    from collections.abc import Callable

OFFER: Final = frames.encode([messages.SyncCommit(held=True)])
DONE: Final = messages.SyncDone("/c/0", [])
PUSHED: Final = Pushed(tree="/c/0", notes=(), sent_bytes=0)


def push_what_was_offered(
    send: Callable[[bytes], None], receive: Callable[[float], Any], _: object
) -> Pushed:
    send(OFFER)
    done = receive(WAIT_S)
    send(OFFER)  # Once more, for example of another tree: that was not said yet.
    return Pushed(tree=done.tree, notes=(), sent_bytes=0)


@pytest.mark.parametrize("is_early", [True, False], ids=["before it is started", "after it"])
@pytest.mark.parametrize("has_room", [True, False], ids=["room", "no room"])
def test_what_an_errand_begins_with_is_said_ahead(
    hosts: MemoryHosts, *, is_early: bool, has_room: bool
) -> None:
    is_offered, is_started = threading.Event(), threading.Event()
    sent_ahead: list[Any] = []

    def start(gateway: MemoryGateway) -> None:
        gateway.has_room = has_room
        assert not is_early or is_offered.wait(WAIT_S)

    def greet_late(gateway: MemoryGateway) -> None:
        is_started.set()
        assert is_offered.wait(WAIT_S)
        sent_ahead.extend(gateway.sent)
        gateway.say(frames.encode([DONE]))  # Whoever does so before a greeting means no good.
        greet(gateway)

    hosts.starts["a"], hosts.greetings["a"] = start, greet_late
    driver = Driver(hosts)
    driver.open(["a"])
    assert is_early or is_started.wait(WAIT_S)
    driver.say_ahead("a", OFFER)
    is_offered.set()

    assert receive(driver) == GatewayOpened(agent="a", info=INFO)
    driver.push("a", push_what_was_offered)
    assert receive(driver) == TreePushed(agent="a", pushed=PUSHED)

    offer = (None, [messages.SyncCommit(held=True)])
    assert sent_ahead == ([offer] if has_room else [])
    assert hosts.gateways["a"].sent == [offer, offer]


def test_who_is_said_something_ahead_and_does_not_greet_fails_once(hosts: MemoryHosts) -> None:
    hosts.greetings["a"] = leave
    driver = Driver(hosts)
    driver.open(["a"])
    driver.say_ahead("a", OFFER)

    assert receive(driver) == GatewayClosed(agent="a", reason="it is gone")
    failed = receive(driver)
    assert isinstance(failed, GatewayFailed)
    assert failed.error.paragraph() == "a: start the agent failed: it is gone"
    driver.close()
    assert driver.receive(0) is None


def test_who_comes_again_is_told_all_anew(hosts: MemoryHosts) -> None:
    driver = Driver(hosts)
    driver.open(["a"])
    driver.say_ahead("a", OFFER)
    assert receive(driver) == GatewayOpened(agent="a", info=INFO)
    hosts.gateways["a"].hang_up("cut")
    assert receive(driver) == GatewayClosed(agent="a", reason="cut")

    driver.open(["a"])
    assert receive(driver) == GatewayOpened(agent="a", info=INFO)
    hosts.gateways["a"].say(frames.encode([DONE]))
    driver.push("a", push_what_was_offered)

    assert receive(driver) == TreePushed(agent="a", pushed=PUSHED)
    assert len(hosts.gateways["a"].sent) == 2
    driver.close()


@pytest.fixture
def hosts() -> MemoryHosts:
    return MemoryHosts()
