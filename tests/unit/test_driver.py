"""The driver's threads and inbox, with gateways that are in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from memoryhosts import (
    INFO,
    WAIT_S,
    MemoryHosts,
    break_the_protocol,
    greet,
    greet_from_the_future,
    leave,
    receive,
)

import remotest.agentline
import remotest.driver
from pytest_remotest import frames, messages
from remotest.driver import Driver
from remotest.errors import ConnectError, SyncError, UsageError
from remotest.sync.push import Progress, Pushed
from remotest.tidings import (
    Answered,
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
    from collections.abc import Callable


@pytest.fixture
def hosts() -> MemoryHosts:
    return MemoryHosts()


def opened(hosts: MemoryHosts, *agents: str) -> Driver:
    driver = Driver(hosts)
    driver.open(agents)
    found = [receive(driver) for _ in agents]
    assert sorted(found, key=lambda event: event.agent) == [
        GatewayOpened(agent=agent, info=INFO) for agent in agents
    ]
    return driver


def test_an_agent_that_ended_is_opened_again_and_nothing_of_before_comes_after(
    hosts: MemoryHosts,
) -> None:
    driver = opened(hosts, "a")
    former = hosts.gateways["a"]
    driver.push("a", lambda _, receive, __: receive(WAIT_S))
    former.hang_up("cut")
    driver.open(["a"])

    events = [receive(driver) for _ in range(3)]
    assert GatewayClosed(agent="a", reason="cut") in events
    assert [event for event in events if isinstance(event, TreeFailed)]
    assert events[-1] == GatewayOpened(agent="a", info=INFO)
    assert former.is_closed.is_set()

    finish = messages.Finish()
    driver.send("a", [finish], "gw1")
    assert (former.sent, hosts.gateways["a"].sent) == ([], [("gw1", [finish])])
    driver.close()


def test_agents_open_and_what_they_say_comes_with_their_names(hosts: MemoryHosts) -> None:
    driver = opened(hosts, "a", "b")
    finish = messages.Finish()
    returned = messages.ItemsReturned([1])

    driver.send("a", [finish], "gw0")
    hosts.gateways["b"].say(frames.encode([returned, returned], "gw1"))
    hosts.gateways["a"].say(frames.encode([messages.WorkerExited("gw0", 0, "")]))
    hosts.gateways["a"].hang_up("the end")

    assert hosts.gateways["a"].sent == [("gw0", [finish])]
    assert [receive(driver) for _ in range(3)] == [
        MessagesCame(agent="b", worker="gw1", messages=(returned, returned)),
        MessagesCame(agent="a", worker=None, messages=(messages.WorkerExited("gw0", 0, ""),)),
        GatewayClosed(agent="a", reason="the end"),
    ]
    assert driver.receive(0) is None


def test_a_gateway_that_does_not_open(hosts: MemoryHosts) -> None:
    error = ConnectError(host="a", phase="connect", cause="refused")
    hosts.errors = {"a": error, "b": UsageError("ssh_config: line 3 makes no sense")}
    driver = Driver(hosts)

    driver.open(["a"])
    assert receive(driver) == GatewayFailed(agent="a", error=error)

    driver.open(["b"])
    failed = receive(driver)
    assert isinstance(failed, GatewayFailed)
    assert failed.error.paragraph() == ("b: connect failed: ssh_config: line 3 makes no sense")


def test_an_agent_of_another_protocol_is_closed(hosts: MemoryHosts) -> None:
    hosts.greetings["a"] = greet_from_the_future
    driver = Driver(hosts)
    driver.open(["a"])

    failed = receive(driver)

    assert isinstance(failed, GatewayFailed)
    cause = f"it speaks version {messages.PROTOCOL + 1} of the protocol"
    assert failed.error.paragraph() == f"a: start the agent failed: {cause}"
    assert failed.error.fault == "wrong"  # It is not tried again.
    assert hosts.gateways["a"].is_closed.wait(WAIT_S)


def test_an_agent_that_breaks_the_protocol_in_place_of_a_greeting(hosts: MemoryHosts) -> None:
    hosts.greetings["a"] = break_the_protocol
    driver = Driver(hosts)
    driver.open(["a"])

    found = [receive(driver), receive(driver)]

    assert isinstance(found[1], GatewayFailed)
    assert found[1].error.paragraph() == "a: start the agent failed: it said nonsense"
    assert found[1].error.fault == "wrong"


def test_an_agent_that_ends_before_it_greets(hosts: MemoryHosts) -> None:
    hosts.greetings["a"] = leave
    driver = Driver(hosts)
    driver.open(["a"])

    found = [receive(driver), receive(driver)]

    assert found[0] == GatewayClosed(agent="a", reason="it is gone")
    assert isinstance(found[1], GatewayFailed)
    assert found[1].error.paragraph() == "a: start the agent failed: it is gone"


def test_a_frame_that_is_none_is_the_gateways_fault(hosts: MemoryHosts) -> None:
    opened(hosts, "a")
    with pytest.raises(messages.ProtocolError):
        hosts.gateways["a"].say(b"?")


def test_to_send_to_a_lost_agent_is_no_error(hosts: MemoryHosts) -> None:
    driver = opened(hosts, "a")
    hosts.gateways["a"].close(1)
    driver.send("a", [messages.Finish()], "gw0")


def test_answers_of_a_sync_reach_the_one_who_asked(hosts: MemoryHosts) -> None:
    driver = opened(hosts, "a")
    want = messages.SyncWant(["00"], last=True, encodings=[])
    exited = messages.WorkerExited("gw0", 0, "")

    pushed = Pushed(tree="/c/0", notes=("one",), sent_bytes=3)
    progress = Progress(count=1, total_count=1, byte_count=3, total_bytes=3, elapsed_s=0.1)

    def push(
        send: Callable[[bytes], None],
        receive: Callable[[float], Any],
        tell: Callable[[Progress], None],
    ) -> Pushed:
        send(frames.encode([messages.SyncCommit(held=True)]))
        hosts.gateways["a"].say(frames.encode([want, exited]))
        assert receive(WAIT_S) == want
        with pytest.raises(TimeoutError):
            receive(0)
        tell(progress)
        return pushed

    driver.push("a", push)

    assert [receive(driver), receive(driver), receive(driver)] == [
        MessagesCame(agent="a", worker=None, messages=(exited,)),
        TreeTravels(agent="a", progress=progress),
        TreePushed(agent="a", pushed=pushed),
    ]
    assert hosts.gateways["a"].sent == [(None, [messages.SyncCommit(held=True)])]


def test_a_sync_that_fails(hosts: MemoryHosts) -> None:
    driver = opened(hosts, "a")
    error = SyncError(host="a", phase="sync", cause="no room")

    def push(*_: object) -> Pushed:
        raise error

    driver.push("a", push)
    assert receive(driver) == TreeFailed(agent="a", error=error)


def test_a_host_that_is_lost_while_it_is_brought_something(hosts: MemoryHosts) -> None:
    driver = opened(hosts, "a")

    def push(_: object, receive: Callable[[float], Any], __: object) -> Pushed:
        hosts.gateways["a"].hang_up("gone")
        return Pushed(tree=receive(WAIT_S), notes=(), sent_bytes=0)

    driver.push("a", push)

    assert receive(driver) == GatewayClosed(agent="a", reason="gone")
    failed = receive(driver)
    assert isinstance(failed, TreeFailed)
    assert failed.error.paragraph() == "a: talk to the agent failed: gone"


def test_what_is_asked_is_answered_or_not(hosts: MemoryHosts) -> None:
    driver = opened(hosts, "a")
    told = messages.CacheTold("/c", [], last=True)
    error = SyncError(host="a", phase="cache", cause="no such place")

    def ask(send: Callable[[bytes], None], receive: Callable[[float], Any]) -> str:
        send(frames.encode([messages.AskCache(None, "list", [])]))
        hosts.gateways["a"].say(frames.encode([told]))
        return str(receive(WAIT_S).place)

    def fail(*_: object) -> str:
        raise error

    driver.ask("a", ask)
    assert receive(driver) == Answered(agent="a", answer="/c")
    driver.ask("a", fail)
    assert receive(driver) == Unanswered(agent="a", error=error)
    assert hosts.gateways["a"].sent == [(None, [messages.AskCache(None, "list", [])])]


def test_the_end_says_goodbye_and_closes_all(hosts: MemoryHosts) -> None:
    driver = opened(hosts, "a", "b")

    driver.close()

    for gateway in hosts.gateways.values():
        assert gateway.sent == [(None, [messages.Goodbye()])]
        assert gateway.is_closed.is_set()


def test_the_end_does_not_wait_for_a_host_for_longer_than_it_may(
    hosts: MemoryHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remotest.driver, "END_TIMEOUT_S", 10 * WAIT_S)
    driver = opened(hosts, "a", "b")
    may_end, has_ended = threading.Event(), threading.Event()

    def end_late(_: float) -> None:
        may_end.wait(WAIT_S)
        has_ended.set()

    monkeypatch.setattr(hosts.gateways["a"], "close", end_late)
    driver.close(within_s=0.01)
    assert not has_ended.is_set()

    may_end.set()
    assert has_ended.wait(WAIT_S)


def test_the_end_has_begun_when_hosts_have_said_their_last_word(
    hosts: MemoryHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = opened(hosts, "a")
    gateway = hosts.gateways["a"]
    may_end, has_ended = threading.Event(), threading.Event()
    left = messages.ProcessesLeft(rows=[], of_dead_run=False, more_count=1)

    def answer(_: bytes) -> None:
        gateway.say(frames.encode([left]))
        gateway.hang_up("it has left")

    def end_late(_: float) -> None:
        may_end.wait(WAIT_S)
        has_ended.set()

    monkeypatch.setattr(gateway, "send", answer)
    monkeypatch.setattr(gateway, "close", end_late)
    driver.part()
    assert driver.processes_left() == [("a", left)]
    assert not has_ended.is_set()

    may_end.set()
    driver.close()
    assert has_ended.is_set()


def test_to_say_a_last_word_and_to_end_have_one_limit(
    hosts: MemoryHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remotest.agentline, "LAST_WORDS_S", waited_s := 0.1)
    driver = opened(hosts, "a")
    left_s: list[float] = []
    monkeypatch.setattr(hosts.gateways["a"], "send", lambda _: None)  # It hangs.
    monkeypatch.setattr(hosts.gateways["a"], "close", left_s.append)

    driver.close()

    assert len(left_s) == 1
    assert left_s[0] <= remotest.agentline.CLOSE_TIMEOUT_S - waited_s


def test_a_gateway_that_opens_after_the_end_is_closed(hosts: MemoryHosts) -> None:
    may_open = threading.Event()
    hosts.greetings["a"] = lambda gateway: may_open.wait(WAIT_S) and greet(gateway)
    driver = Driver(hosts)
    driver.open(["a"])

    driver.close()
    may_open.set()

    assert receive(driver) == GatewayOpened(agent="a", info=INFO)
    assert hosts.gateways["a"].is_closed.is_set()


@pytest.mark.parametrize(("is_local", "text"), [(False, "?[2J"), (True, "\x1b[2J")])
def test_what_other_machines_say_is_cleaned(
    hosts: MemoryHosts, text: str, *, is_local: bool
) -> None:
    driver = opened(hosts, "a")
    hosts.gateways["a"].is_local = is_local

    hosts.gateways["a"].say(frames.encode([messages.WorkerOutput("gw0", "\x1b[2J")]))

    cleaned = (messages.WorkerOutput("gw0", text),)
    assert receive(driver) == MessagesCame(agent="a", worker=None, messages=cleaned)


def test_a_host_that_greets_without_an_end_breaks_the_protocol(hosts: MemoryHosts) -> None:
    opened(hosts, "a")
    greet(hosts.gateways["a"])
    with pytest.raises(messages.ProtocolError, match="greets again and again"):
        greet(hosts.gateways["a"])


@pytest.mark.parametrize("broke_protocol", [False, True])
def test_who_broke_the_protocol_may_not_return(hosts: MemoryHosts, *, broke_protocol: bool) -> None:
    driver = opened(hosts, "a")
    hosts.gateways["a"].broke_protocol = broke_protocol
    hosts.gateways["a"].hang_up("gone")
    expected = GatewayClosed(agent="a", reason="gone", may_return=not broke_protocol)
    assert receive(driver) == expected
