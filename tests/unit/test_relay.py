"""What workers say becomes hook calls and machine events, in whole answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.config import get_config
from relayworld import INFO, STARTED, make_worker

from pytest_remotest import hookspecs, messages, values
from pytest_remotest.brief import pack_times, spell_out
from pytest_remotest.reportwire import report_to_json
from remotest.relay import InternalErrorOnWorkerError, Relay, Worker
from remotest.run import events

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCATION = ["test_a.py", 3, "test_b"]
NUMBERS = {"setup": 0, "call": 1, "teardown": 2}
COLLECT_REPORT = {
    "$report_type": "CollectReport",
    "nodeid": "a",
    "outcome": "failed",
    "longrepr": None,
    "result": None,
    "sections": [],
}


class Recorder:
    """A plugin that keeps what it is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.reports: list[pytest.TestReport] = []

    def pytest_testnodeready(self, node: Any) -> None:
        self.calls.append(("ready", node.gateway.id))

    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        self.calls.append(("down", node.gateway.id, error))

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self.calls.append(("collected", node.gateway.id, ids))

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        self.calls.append(("start", nodeid, location))

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        self.calls.append(("finish", nodeid, location))

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.reports.append(report)
        facts = (report.worker_id, report.testrun_uid, report.node.gateway.id)
        index = getattr(report, "item_index", None)
        self.calls.append(("report", report.nodeid, report.when, report.outcome, *facts, index))

    def pytest_collectreport(self, report: Any) -> None:
        self.calls.append(("collectreport", report.nodeid, str(report.longrepr)))

    def pytest_warning_recorded(
        self, warning_message: Any, when: str, nodeid: str, location: Any
    ) -> None:
        self.calls.append(("warning", str(warning_message.message), when, nodeid, location))


class Scene:
    """A relay between one worker and a recorder."""

    def __init__(self, config: pytest.Config, recorder: Recorder) -> None:
        self.config = config
        self.recorder = recorder
        self.relay = Relay(config, "run1")
        self.worker = make_worker(config, "gw0")

    def say(self, *spoken: Any, worker: Worker | None = None) -> list[events.Event]:
        """Let the worker say something; return what the machine is told."""
        told: list[events.Event] = []
        for message in spoken:
            told += self.relay.handle(worker or self.worker, message)
        return told

    def report(self, when: str, outcome: str) -> messages.TestReport:
        report = pytest.TestReport(
            nodeid="test_a.py::test_b",
            location=("test_a.py", 3, "test_b"),
            keywords={},
            outcome=outcome,
            longrepr="boom" if outcome == "failed" else None,
            when=when,
        )
        hook = self.config.hook.pytest_report_to_serializable
        wire = report_to_json(hook(config=self.config, report=report))
        return messages.TestReport(0, NUMBERS[when], json.loads(wire.text))


@pytest.fixture
def scene() -> Iterator[Scene]:
    config = get_config()
    config.pluginmanager.add_hookspecs(hookspecs)
    recorder = Recorder()
    config.pluginmanager.register(recorder)
    yield Scene(config, recorder)
    config._ensure_unconfigure()


def test_the_life_of_a_session(scene: Scene) -> None:
    told = scene.say(
        messages.SessionStarted(values.pack({**INFO, "id": "?"})),
        messages.Collected(["a", "b"], last=False),
        messages.Collected(["c"], last=True, number=1),
        messages.SessionOutput(values.pack_text({"exitstatus": 0, "plugin": (1, 2)})[:9]),
        messages.SessionOutput(values.pack_text({"exitstatus": 0, "plugin": (1, 2)})[9:]),
        messages.SessionFinished(""),
    )
    assert told == [
        events.WorkerReady(worker="gw0"),
        events.WorkerCollected(worker="gw0", ids=("a", "b", "c")),
        events.WorkerFinished(worker="gw0"),
    ]
    assert scene.recorder.calls == [
        ("ready", "gw0"),
        ("collected", "gw0", ["a", "b", "c"]),
        ("down", "gw0", None),
    ]
    assert scene.worker.node.workerinfo == {**INFO, "id": "gw0", "spec": "popen"}
    assert scene.worker.node.workeroutput == {"exitstatus": 0, "plugin": (1, 2)}
    assert scene.worker.is_finished


def test_an_item(scene: Scene) -> None:
    told = scene.say(
        STARTED,
        messages.Collected(["test_a.py::test_b"], last=True),
        messages.LogStart(0, "test_a.py::test_b", LOCATION),
        scene.report("setup", "passed"),
        scene.report("call", "failed"),
        scene.report("teardown", "passed"),
        messages.LogFinish(0, "test_a.py::test_b", LOCATION),
        messages.ItemFinished(0, 0.5, 3),
    )
    assert told[2:] == [
        events.ItemStarted(worker="gw0", position=0),
        events.ItemFinished(worker="gw0", position=0, outcome="failed", duration_s=0.5),
    ]
    facts = ("gw0", "run1", "gw0", 0)
    assert scene.recorder.calls[2:] == [
        ("start", "test_a.py::test_b", ("test_a.py", 3, "test_b")),
        ("report", "test_a.py::test_b", "setup", "passed", *facts),
        ("report", "test_a.py::test_b", "call", "failed", *facts),
        ("report", "test_a.py::test_b", "teardown", "passed", *facts),
        ("finish", "test_a.py::test_b", ("test_a.py", 3, "test_b")),
    ]
    assert scene.relay.outcomes == {("environment0", "test_a.py::test_b"): "failed"}
    assert scene.relay.durations_s == {"environment0": 0.5}


def test_a_report_that_comes_twice_is_taken_once(scene: Scene) -> None:
    setup, call = scene.report("setup", "passed"), scene.report("call", "passed")
    scene.say(STARTED, setup, call, setup, call, scene.report("teardown", "passed"))
    assert [whole[2] for whole in scene.recorder.calls if whole[0] == "report"] == [
        "setup",
        "call",
        "teardown",
    ]


@pytest.mark.parametrize("missing", NUMBERS)
def test_a_report_that_is_missing_breaks_the_protocol(scene: Scene, missing: str) -> None:
    came = [scene.report(when, "passed") for when in NUMBERS if when != missing]
    with pytest.raises(messages.ProtocolError, match=r"^a report of a test is missing$"):
        scene.say(STARTED, *came, messages.ItemFinished(0, 0.5, 3))


PASSED: Final = messages.ItemPassed(
    0, ["test_b"], pack_times([0.5] * 9), [["out", "x"]], [0, 1, 1], 0.5
)
START: Final = messages.LogStart(0, "test_a.py::test_b", LOCATION)


class Reader:
    """A plugin with a say in how reports are made of what has travelled."""

    def pytest_report_from_serializable(self) -> None:
        """Leave it to pytest."""


@pytest.mark.parametrize("has_reader", [False, True])
def test_a_test_told_in_brief_is_what_it_is_when_spelled_out(
    scene: Scene, has_reader: bool
) -> None:
    if has_reader:
        scene.config.pluginmanager.register(Reader())
    kept = scene.recorder.reports
    scene.say(STARTED, messages.Collected(["test_a.py::test_b"], last=True))
    del scene.recorder.calls[:]

    told = scene.say(START, *spell_out(START, PASSED))
    calls, reports = scene.recorder.calls[:], [vars(report) for report in kept]
    del scene.recorder.calls[:], kept[:]
    assert scene.say(START, PASSED) == told

    assert scene.recorder.calls == calls
    assert [vars(report) for report in kept] == reports
    assert len({id(report.keywords) for report in kept}) == len(NUMBERS)
    assert told[-1] == events.ItemFinished(
        worker="gw0", position=0, outcome="passed", duration_s=0.5
    )


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ([STARTED, PASSED], "the start of a test is missing"),
        ([STARTED, START, PASSED._replace(position=1)], "the start of a test is missing"),
        ([STARTED, START, PASSED, PASSED], "the start of a test is missing"),
        ([START, PASSED], "a report of a session that has not begun"),
        ([STARTED, START, PASSED._replace(times="")], "is not of three phases"),
    ],
)
def test_what_cannot_be_told_in_brief(scene: Scene, said: list[Any], cause: str) -> None:
    with pytest.raises(messages.ProtocolError, match=cause):
        scene.say(*said)


def test_what_has_told_a_report_is_not_told_in_brief(scene: Scene) -> None:
    scene.say(STARTED, START, scene.report("setup", "passed"))
    with pytest.raises(messages.ProtocolError, match="tells all its reports, and has told some"):
        scene.say(PASSED)


def test_an_item_without_a_report_has_no_outcome(scene: Scene) -> None:
    scene.say(messages.Collected(["a"], last=True))
    assert scene.say(messages.ItemFinished(0, 0.0, 0)) == [
        events.ItemFinished(worker="gw0", position=0, outcome=None, duration_s=0.0)
    ]
    assert scene.relay.outcomes == {}


def test_an_interrupted_session_stops_the_run(scene: Scene) -> None:
    told = scene.say(
        messages.Collected(["a"], last=True),
        messages.SessionOutput(values.pack_text({"exitstatus": 7})),
        messages.SessionFinished("Exit: enough"),
    )
    assert told[1:] == [
        events.StopRequested(reason="Exit: enough"),
        events.WorkerFinished(worker="gw0"),
    ]
    assert scene.relay.interrupt_status == 7


def test_an_interrupted_session_with_a_strange_status_is_just_interrupted(scene: Scene) -> None:
    scene.say(
        messages.Collected(["a"], last=True),
        messages.SessionOutput(values.pack_text({"exitstatus": "7"})),
        messages.SessionFinished("Exit: enough"),
    )
    assert scene.relay.interrupt_status == pytest.ExitCode.INTERRUPTED


def test_maxfail_of_a_worker_stops_the_run(scene: Scene) -> None:
    told = scene.say(
        messages.Collected(["a"], last=True),
        messages.SessionOutput(values.pack_text({"shouldfail": "stopping after 1 failures"})),
        messages.SessionFinished(""),
    )
    assert told[1:] == [
        events.StopRequested(reason="stopping after 1 failures"),
        events.WorkerFinished(worker="gw0"),
    ]


def test_a_collection_error_is_told_once_for_each_environment(scene: Scene) -> None:
    report = pytest.CollectReport("test_a.py", "failed", "no module x", None)
    hook = scene.config.hook.pytest_report_to_serializable
    wire = report_to_json(hook(config=scene.config, report=report))
    message = messages.CollectReport(json.loads(wire.text))
    same = make_worker(scene.config, "gw1")
    other = make_worker(scene.config, "gw2", "environment1")

    told = [scene.say(STARTED, message, worker=w)[1:] for w in (scene.worker, same, other)]

    assert told == [[], [], []]
    told_here = [call for call in scene.recorder.calls if call[0] == "collectreport"]
    assert told_here == [("collectreport", "test_a.py", "no module x")] * 2


def test_a_warning(scene: Scene) -> None:
    message = messages.WarningRecorded(
        *("DeprecationWarning", "builtins", "old", "a.py", 3, "runtest", "test_a.py::test_b"),
        location=["a.py", 3, "f"],
    )
    assert scene.say(message) == []
    assert scene.recorder.calls == [
        ("warning", "old", "runtest", "test_a.py::test_b", ("a.py", 3, "f"))
    ]


def test_a_lost_worker_and_its_item(scene: Scene) -> None:
    assert scene.relay.lost(scene.worker, "Not properly terminated", "signal 9") == [
        events.WorkerLost(worker="gw0", reason="signal 9")
    ]
    report = scene.relay.lost_item_report(scene.worker, "test_a.py::test_b", "signal 9")
    scene.relay.log_lost_item(scene.worker, report, runs_again=False)

    assert report.longrepr == ("worker 'gw0' crashed while running 'test_a.py::test_b'\nsignal 9")
    assert scene.recorder.calls == [
        ("down", "gw0", "Not properly terminated"),
        ("report", "test_a.py::test_b", "???", "failed", "gw0", "run1", "gw0", None),
    ]
    assert scene.relay.outcomes == {("environment0", "test_a.py::test_b"): "failed"}
    assert scene.worker.node.is_down


def test_the_former_life_of_an_item_is_told_in_its_reports(scene: Scene) -> None:
    node_ids = ("test_a.py::test_b", "test_a.py::test_c")
    there = make_worker(scene.config, "gw1")
    scene.relay.item_moved(there, "test_a.py::test_b", "cut")
    scene.relay.items_in_doubt(there, node_ids, "gone")
    scene.worker.lost_with_host = True
    reports = [scene.relay.lost_item_report(scene.worker, one, "cut") for one in node_ids]

    doubt = "this may have begun on gw1, which was lost with its host: gone"
    former_life = f"gw1 was lost with its host while running this: cut; {doubt}"
    about = "worker 'gw0' was lost with its host when it was about to run, or had begun,"
    assert [(report.user_properties, report.longrepr) for report in reports] == [
        (
            [("remotest_moved", former_life)],
            f"{about} 'test_a.py::test_b'\ncut\nbefore that, {former_life}",
        ),
        (
            [("remotest_moved", doubt)],
            f"{about} 'test_a.py::test_c'\ncut\nbefore that, {doubt}",
        ),
    ]


def test_the_machine_hears_why_a_worker_is_idle(scene: Scene) -> None:
    states = [messages.Idle(state) for state in messages.IDLE_STATES]
    collected = messages.Collected(["test_a.py::test_b"], last=True)
    assert scene.say(STARTED, collected, *states, messages.Busy())[2:] == [
        events.ItemsAwaited(worker="gw0"),
        events.WorkerEnding(worker="gw0"),
        events.ItemsTaken(worker="gw0"),
    ]
    with pytest.raises(messages.ProtocolError):
        scene.say(messages.Idle("tired"))


def test_an_internal_error_of_a_worker_is_raised_here(scene: Scene) -> None:
    with pytest.raises(InternalErrorOnWorkerError, match=r"on worker gw0:\nboom"):
        scene.say(messages.InternalError("boom"))


@pytest.mark.parametrize(
    "message",
    [
        messages.Finish(),
        messages.Goodbye(),
        messages.SessionStarted(values.pack([])),
        messages.SessionStarted({"tuple": 3}),
        messages.SessionStarted(values.pack({**INFO, "version_info": (3, 9)})),
        messages.SessionStarted(values.pack({**INFO, "executable": None})),
        messages.SessionFinished(""),
        messages.TestReport(0, 0, {}),
        messages.TestReport(0, 0, COLLECT_REPORT),
        messages.LogStart(0, "test_a.py::test_b", None),
        messages.LogFinish(0, "test_a.py::test_b", ["a", "b", "c"]),
    ],
)
def test_what_no_worker_says(scene: Scene, message: Any) -> None:
    scene.say(STARTED)
    with pytest.raises(messages.ProtocolError):
        scene.say(message)


def test_no_worker_reports_before_its_session_has_begun(scene: Scene) -> None:
    with pytest.raises(messages.ProtocolError, match="not begun"):
        scene.say(scene.report("call", "passed"))
