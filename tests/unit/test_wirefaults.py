"""What REMOTEST_FAULTS may say, and what it does to a wire."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, Final

import pytest

from pytest_remotest import frames
from pytest_remotest import messages as m
from pytest_remotest.brief import pack_times, spell_out
from remotest.errors import UsageError
from remotest.faultywire import CUT, FaultyOpener
from remotest.wirefaults import Fault, parse_faults

if TYPE_CHECKING:
    from remotest.gateways.base import AgentGateway, OnClosed, OnFrame, OnStarted

REPORT: Final = frozenset(("TestReport",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        (" ", ()),
        ("report:3:drop", (Fault(kinds=REPORT, nth=3, action="drop"),)),
        (
            "TestReport:1:double, Pong:12:delay=0.5",
            (
                Fault(kinds=REPORT, nth=1, action="double"),
                Fault(kinds=frozenset(("Pong",)), nth=12, action="delay", delay_s=0.5),
            ),
        ),
    ],
)
def test_a_text_that_can_be_done(text: str, expected: tuple[Fault, ...]) -> None:
    assert parse_faults(text) == expected


@pytest.mark.parametrize("action", ["double", "cut", "corrupt", "kill", "delay=1"])
def test_groups_take_what_their_messages_take(action: str) -> None:
    (said, told, lost) = parse_faults(f"any:1:{action},command:1:{action},any:1:drop")
    assert told.kinds == {"RunItems", "ReclaimItems", "Finish", "StopSession"}
    assert said.kinds == lost.kinds
    assert {"TestReport", "Collected", "Idle", "ItemsReturned"} < said.kinds


NO_NUMBER: Final = "is none of 1, 2, 3..."
NO_SECONDS: Final = "seconds belong to delay, as delay=5, and to nothing else"
NO_DELAY: Final = "a delay is a number of seconds, up to 3600"
NO_WORKER: Final = "kill ends a worker, and this is not said by one, or to one"
NO_ACTION: Final = "is none of drop, double, delay=SECONDS, cut, corrupt, kill"
NO_KIND: Final = "and no group; groups are report, command, any"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("report", f"'' {NO_NUMBER}"),
        ("report:0:drop", f"'0' {NO_NUMBER}"),
        ("report:-1:drop", f"'-1' {NO_NUMBER}"),
        ("report:\u0663:drop", f"'\u0663' {NO_NUMBER}"),
        ("report:1", f"'' {NO_ACTION}"),
        ("report:1:explode", f"'explode' {NO_ACTION}"),
        ("report:1:drop=5", NO_SECONDS),
        ("report:1:delay", NO_SECONDS),
        ("report:1:delay=soon", NO_DELAY),
        ("report:1:delay=0", NO_DELAY),
        ("report:1:delay=nan", NO_DELAY),
        ("report:1:delay=3601", NO_DELAY),
        ("Report:1:drop", f"no message is called 'Report', {NO_KIND}"),
        ("Pong:1:kill", NO_WORKER),
        ("Greeting:1:cut", "it comes before there is a connection to cut"),
    ],
)
def test_a_text_that_cannot_be_done(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_faults(f"any:1:drop,{text}")
    example = "write KIND:N:ACTION, as report:3:drop"
    assert str(caught.value) == f"REMOTEST_FAULTS: {text!r}: {what}; {example}"


class Link:
    """A gateway in memory, its host, and whoever listens here."""

    is_local = False
    heartbeat_s = 30.0
    broke_protocol = False
    is_full = False

    def __init__(self, faults: str) -> None:
        self.sent: list[Any] = []
        self.heard: list[Any] = []
        self.wire = FaultyOpener(self._open, parse_faults(faults))(
            "box", self._hear, self.heard.append, self._start
        )

    def _open(self, _: str, on_frame: OnFrame, on_closed: OnClosed, on_started: OnStarted) -> Link:
        self.say, self.hang_up = on_frame, on_closed
        on_started(self)
        return self

    def _start(self, gateway: AgentGateway) -> None:
        self.started = gateway

    def _hear(self, frame: bytes) -> None:
        self.heard.append(frames.decode(frame))

    def send(self, frame: bytes) -> None:
        self.sent.append(frames.decode(frame))

    def send_ahead(self, frame: bytes) -> bool:
        self.send(frame)
        return not self.is_full

    def give_up(self, reason: str) -> None:
        self.hang_up(reason)

    def close(self, timeout_s: float) -> None:
        self.hang_up(f"closed within {timeout_s:g} s")


ONE, TWO, THREE = (m.SessionOutput(text) for text in ("one", "two", "three"))


@pytest.mark.parametrize(
    ("faults", "heard", "sent"),
    [
        ("any:2:drop", [("gw0", [ONE, THREE])], []),
        ("any:2:double", [("gw0", [ONE, TWO, TWO, THREE])], []),
        ("any:1:drop,any:3:drop", [("gw0", [TWO])], []),
        ("any:2:delay=0.001", [("gw0", [ONE, TWO, THREE])], []),
        ("any:4:drop", [("gw0", [ONE, TWO, THREE])], []),
        ("ItemFinished:1:drop", [("gw0", [ONE, TWO, THREE])], []),
        ("any:3:cut", [CUT], []),
        (
            "any:3:kill",
            [("gw0", [ONE, TWO, THREE])],
            [(None, [m.StopWorker("gw0", signal.SIGKILL)])],
        ),
    ],
)
def test_what_a_worker_says(faults: str, heard: list[Any], sent: list[Any]) -> None:
    link = Link(faults)
    link.say(frames.encode([ONE, TWO, THREE], "gw0"))
    assert (link.heard, link.sent) == (heard, sent)


def test_a_frame_of_which_nothing_is_left_is_not_there() -> None:
    link = Link("any:1:drop")
    link.say(frames.encode([ONE], "gw0"))
    link.say(frames.encode([TWO], "gw0"))
    assert link.heard == [("gw0", [TWO])]


def test_what_is_told_in_brief_goes_wrong_message_by_message() -> None:
    start = m.LogStart(0, "test_a.py::test_a", ["test_a.py", 3, "test_a"])
    passed = m.ItemPassed(0, ["test_a"], pack_times([0.5] * 9), [], [0, 0, 0], 0.5)
    link = Link("report:2:drop,LogFinish:1:double")
    link.say(frames.encode([start, passed], "gw0"))
    setup, _, teardown, finish, end = spell_out(start, passed)
    assert link.heard == [("gw0", [start, setup, teardown, finish, finish, end])]


def test_a_corrupt_frame_is_none() -> None:
    link = Link("any:2:corrupt,RunItems:1:corrupt,Blob:1:corrupt")
    with pytest.raises(m.ProtocolError):
        link.say(frames.encode([ONE, TWO], "gw0"))
    with pytest.raises(m.ProtocolError):
        link.wire.send(frames.encode([m.RunItems([1])], "gw0"))
    with pytest.raises(m.ProtocolError):
        link.wire.send(frames.encode_blobs([m.Blob("00ff", True, b"x")]))


def test_what_is_told_to_a_host() -> None:
    link = Link("Finish:1:drop,Blob:2:double,Ping:1:cut")
    blob = m.Blob("00ff", True, b"x")
    for _ in range(2):
        link.wire.send(frames.encode([m.Finish()], "gw0"))
        link.wire.send(frames.encode_blobs([blob]))
    link.wire.send(frames.encode([m.Ping()]))
    assert link.sent == [
        (None, [blob]),
        ("gw0", [m.Finish()]),
        (None, [blob, blob]),
    ]
    assert link.heard == [CUT]


@pytest.mark.parametrize(
    ("faults", "is_full", "sent", "was_sent"),
    [
        ("any:9:drop", False, [(None, [ONE])], True),
        ("any:9:drop", True, [(None, [ONE])], False),
        ("any:1:drop", False, [], True),
        ("any:1:double", False, [(None, [ONE, ONE])], True),
    ],
    ids=["nothing", "no room", "dropped", "doubled"],
)
def test_what_is_said_before_the_greeting(
    faults: str, is_full: bool, sent: list[Any], was_sent: bool
) -> None:
    link = Link(faults)
    link.is_full = is_full
    assert link.started.send_ahead(frames.encode([ONE])) == was_sent
    assert link.sent == sent


def test_what_is_counted_is_counted_over_all_hosts() -> None:
    heard: list[Any] = []
    says: dict[str, OnFrame] = {}

    def open_one(agent: str, on_frame: OnFrame, _: OnClosed, on_started: OnStarted) -> Link:
        says[agent] = on_frame
        link = Link("")
        on_started(link)
        return link

    opener = FaultyOpener(open_one, parse_faults("any:2:drop"))
    for agent in ("one", "other"):
        opener(
            agent,
            lambda frame: heard.append(frames.decode(frame)),
            heard.append,
            lambda _: None,
        )
    for agent, message in (("one", ONE), ("other", TWO), ("one", THREE)):
        says[agent](frames.encode([message], "gw0"))
    assert heard == [("gw0", [ONE]), ("gw0", [THREE])]
