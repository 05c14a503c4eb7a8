"""One message stands for a test that passes: told of exactly those, and spelled out as it was."""

from __future__ import annotations

import signal
from typing import Any, Final

import pytest

from pytest_remotest import messages as m
from pytest_remotest.brief import MAX_BRIEF_CHARS, PHASES, pack_times, spell_out
from pytest_remotest.itemstory import ItemStory
from pytest_remotest.unbroken import Unbroken

NODE_ID: Final = "test_a.py::test_b"
LOCATION: Final = ("test_a.py", 3, "test_b")
START: Final = m.LogStart(7, NODE_ID, list(LOCATION))
FINISH: Final = m.LogFinish(*START)


class Sent:
    """In the place of a worker's link."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.flushed = 0
        self.unbroken = Unbroken()
        self.is_interrupted = False

    def refuse_forks(self) -> None:
        pass

    def send(self, *batch: Any, flush: bool) -> None:
        self.messages += batch
        self.flushed = len(self.messages) if flush else self.flushed
        if self.is_interrupted:
            signal.raise_signal(signal.SIGINT)


def report(when: str, **fields: Any) -> pytest.TestReport:
    time_s = float(PHASES.index(when)) if when in PHASES else 9.0
    return pytest.TestReport(
        **{
            "nodeid": NODE_ID,
            "location": LOCATION,
            "keywords": {"test_b": 1, "test_a.py": 1},
            "outcome": "passed",
            "longrepr": None,
            "when": when,
            "duration": 0.5,
            "start": time_s,
            "stop": time_s + 0.5,
            **fields,
        }
    )


def wire(report: pytest.TestReport) -> dict[str, Any]:
    """Return what stands for the serialised form of a report, as a reader of the wire has it."""
    return {
        "$report_type": "TestReport",
        "nodeid": report.nodeid,
        "sections": [list(section) for section in report.sections],
        **{name: value for name, value in vars(report).items() if name not in ("_id", "sections")},
        "location": list(report.location),
    }


def told(*reports: pytest.TestReport, between: Any = None, may_be_brief: bool = True) -> list[Any]:
    """Return what is sent of an item with these reports."""
    sent = Sent()
    story = ItemStory(sent, wire)  # type: ignore[arg-type]  # all of a link that is used
    story.may_be_brief = may_be_brief
    story.begin(7, NODE_ID, LOCATION)
    for each in reports:
        story.report(7, each)
    if between is not None:
        story.say(between, flush=False)
    story.finish(7, NODE_ID, LOCATION)
    story.end(7, 2.0)
    assert sent.flushed == len(sent.messages)
    return sent.messages


def spelled(*reports: pytest.TestReport) -> list[Any]:
    """Return the messages of an item of which each report is told by itself."""
    rows = [m.TestReport(7, number, wire(each)) for number, each in enumerate(reports)]
    return [START, *rows, FINISH, m.ItemFinished(7, 2.0, len(reports))]


OUTPUT: Final = [("Captured stdout setup", "a"), ("Captured stdout call", "\ud800")]
QUIET: Final = tuple(report(when) for when in PHASES)
PRINTING: Final = tuple(
    report(when, sections=OUTPUT[:count]) for when, count in zip(PHASES, (1, 2, 2), strict=True)
)


@pytest.mark.parametrize("reports", [QUIET, PRINTING], ids=["quiet", "printing"])
def test_a_test_that_passes_is_told_in_brief(reports: tuple[pytest.TestReport, ...]) -> None:
    start, brief = told(*reports)
    assert start == START
    assert [start, *spell_out(start, brief)] == spelled(*reports)


def test_what_stands_in_brief() -> None:
    assert told(*PRINTING)[1] == m.ItemPassed(
        7,
        ["test_b", "test_a.py"],
        pack_times([0.5, 0.0, 0.5, 0.5, 1.0, 1.5, 0.5, 2.0, 2.5]),
        [list(section) for section in OUTPUT],
        [1, 2, 2],
        2.0,
    )


SETUP, CALL, TEARDOWN = QUIET


@pytest.mark.parametrize(
    "reports",
    [
        (SETUP, report("call", outcome="failed", longrepr="boom"), TEARDOWN),
        (SETUP, report("call", outcome="skipped", longrepr=("a", 1, "why")), TEARDOWN),
        (SETUP, report("call", wasxfail=""), TEARDOWN),
        (SETUP, report("call", user_properties=[("a", 1)]), TEARDOWN),
        (SETUP, report("call", duration=float("nan")), TEARDOWN),
        (SETUP, report("call", duration=1), TEARDOWN),
        (SETUP, report("call", keywords={"other": 1}), TEARDOWN),
        (SETUP, report("call", nodeid="test_a.py::other"), TEARDOWN),
        (SETUP, report("call", location=("test_a.py", 4, "test_b")), TEARDOWN),
        (SETUP, CALL, report("teardown", sections=[("title", 1)])),
        (SETUP, report("call", sections=OUTPUT), report("teardown", sections=OUTPUT[1:])),
        (SETUP, CALL, report("teardown", sections=[("title", "x" * MAX_BRIEF_CHARS)])),
        tuple(report(when, keywords={"test_b": 2}) for when in PHASES),
        (SETUP, CALL),
        (SETUP, TEARDOWN),
        (SETUP, CALL, TEARDOWN, TEARDOWN),
        (SETUP, CALL, CALL, TEARDOWN),
        (),
    ],
)
def test_of_any_other_each_report_is_told(reports: tuple[pytest.TestReport, ...]) -> None:
    assert str(told(*reports)) == str(spelled(*reports))  # As text: no NaN is equal to another.


def test_what_is_said_between_keeps_its_place() -> None:
    note = m.InternalError("boom")
    *first, finish, end = spelled(*QUIET)
    assert told(*QUIET, between=note) == [*first, note, finish, end]


def test_plugins_may_have_a_say_in_each_report() -> None:
    assert told(*QUIET, may_be_brief=False) == spelled(*QUIET)


def test_a_failure_goes_out_at_once_behind_what_was_held() -> None:
    sent = Sent()
    story = ItemStory(sent, wire)  # type: ignore[arg-type]  # as above
    story.may_be_brief = True
    story.begin(7, NODE_ID, LOCATION)
    story.report(7, SETUP)
    assert (len(sent.messages), sent.flushed) == (1, 1)
    story.report(7, report("call", outcome="failed", longrepr="boom"))
    assert (len(sent.messages), sent.flushed) == (3, 3)


def test_a_report_is_told_as_it_was() -> None:
    sent = Sent()
    story = ItemStory(sent, wire)  # type: ignore[arg-type]  # as above
    story.may_be_brief = True
    story.begin(7, NODE_ID, LOCATION)
    changed = report("setup")
    story.report(7, changed)
    changed.sections.append(("late", "words"))
    changed.outcome = "failed"
    story.say(m.InternalError("boom"), flush=False)
    assert sent.messages[1] == m.TestReport(7, 0, wire(SETUP))


def test_an_interrupt_behind_the_end_does_not_tell_it_again() -> None:
    sent = Sent()
    story = ItemStory(sent, wire)  # type: ignore[arg-type]  # as above
    story.may_be_brief = True
    story.begin(7, NODE_ID, LOCATION)
    for each in QUIET:
        story.report(7, each)
    story.finish(7, NODE_ID, LOCATION)
    sent.is_interrupted = True
    with pytest.raises(KeyboardInterrupt):
        story.end(7, 2.0)
    sent.is_interrupted = False
    story.say(m.SessionFinished("Ctrl-C"), flush=True)
    start, end, last = sent.messages
    assert (type(start), type(end), last) == (m.LogStart, m.ItemPassed, m.SessionFinished("Ctrl-C"))


BRIEF: Final = m.ItemPassed(
    7, ["test_b"], pack_times([0.5] * 9), [["title", "text"]], [0, 1, 1], 2.0
)


@pytest.mark.parametrize(
    "fields",
    [
        {"times": ""},
        {"times": pack_times([0.5] * 6)},
        {"times": pack_times([0.5] * 10)},
        {"times": pack_times([1e18] * 9)},
        {"times": pack_times([float("nan")] * 9)},
        {"times": "x" * 144},
        {"times": " " * 144},
        {"section_counts": [0, 1]},
        {"sections": [["title"]]},
        {"sections": [["title", 1]]},
    ],
)
def test_what_cannot_be_told_in_brief_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(m.ProtocolError, match="is not of three phases"):
        spell_out(START, BRIEF._replace(**fields))


def test_a_pytest_that_knows_durations_only() -> None:
    spelled_out = spell_out(START, BRIEF._replace(times=pack_times([0.5, 1.5, 2.5])))
    assert [part.data["duration"] for part in spelled_out[:3]] == [0.5, 1.5, 2.5]
    assert "start" not in spelled_out[0].data
