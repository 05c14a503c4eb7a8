"""What workers and agents say to a run, up to its screen, its JUnit file and its machine."""

from __future__ import annotations

import contextlib
import functools
import json
from typing import Any, Final

import reportworld
from fuzz.frames import as_received
from fuzz.guard import watching
from fuzz.inputs import ODD_NUMBERS, TEXTS, edited, to_json, with_changes
from fuzz.target import Target, scratch
from hypothesis import strategies as st
from relayworld import STARTED, make_worker
from runsteps import new_machine
from wireexamples import EXAMPLES, REPORT

from pytest_remotest import frames, messages, values
from pytest_remotest.brief import pack_times
from remotest.lastwords import describe_end
from remotest.relay import InternalErrorOnWorkerError, Relay
from remotest.run.events import AgentReady, DeadlineReached
from remotest.run.plan import Environment, RunPlan

FROM_WORKERS: Final = (
    *("SessionStarted", "ItemGroups", "Collected", "LogStart", "LogFinish", "TestReport"),
    *("CollectReport", "WarningRecorded", "ItemFinished", "ItemPassed", "ItemsReturned"),
    *("InternalError", "Idle", "Busy", "SessionOutput", "SessionFinished"),
)
A_RUN: Final = [
    STARTED,
    messages.Collected(["test_a.py::test_a", "test_a.py::test_b"], True),
    messages.LogStart(0, "test_a.py::test_a", ["test_a.py", 3, "test_a"]),
    messages.TestReport(0, 0, REPORT),
    messages.LogFinish(0, "test_a.py::test_a", ["test_a.py", 3, "test_a"]),
    messages.ItemFinished(0, 0.25, 1),
    messages.LogStart(1, "test_a.py::test_b", ["test_a.py", 5, "test_b"]),
    messages.ItemPassed(
        1, ["test_b"], pack_times([0.5] * 9), [["out", "printed"]], [0, 1, 1], 0.25
    ),
    messages.ItemsReturned([1]),
    messages.Idle("awaiting"),
    messages.Busy(),
    messages.SessionOutput(values.pack_text({"exitstatus": 0})),
    messages.SessionFinished(""),
]


@functools.cache
def world() -> reportworld.Shown:
    """Return the screen and the JUnit file of a run, one for the whole process."""
    folder = scratch("worker")
    return reportworld.Shown(reportworld.configured(folder), folder)


class _Run:
    """One worker's run: what the controller does with it, without the controller's processes."""

    def __init__(self) -> None:
        config = world().config
        self._worker = make_worker(config)
        self._relay = Relay(config, "run1")
        environment = Environment(name="environment0", agent="popen")
        self._machine = new_machine(RunPlan(environments=(environment,), dist="load"))
        self._machine.start(0.0)
        self._machine.handle(AgentReady(agent="popen", cpu_count=1), 0.0)

    def hear(self, message: Any) -> None:
        for event in self._relay.handle(self._worker, message):
            self._machine.handle(event, 1.0)

    def end(self) -> None:
        for event in self._relay.lost(self._worker, "gone", describe_end(-9, "")):
            self._machine.handle(event, 2.0)
        while (deadline := self._machine.next_deadline()) is not None:
            self._machine.handle(DeadlineReached(), deadline)
        self._machine.result()


def check_worker(data: bytes) -> None:
    """Whatever a worker says, its run goes on or ends without it, and is told to the end."""
    shown = world()
    with watching(shown.folder):
        shown.begin()
        run = _Run()
        with contextlib.suppress(messages.ProtocolError, InternalErrorOnWorkerError):
            for message in as_received(data):
                run.hear(message)
        run.end()
        shown.end()


def check_report(data: bytes) -> None:
    """A report of any shape is refused or shown: of a test, and of collecting."""
    started = frames.encode_body([STARTED])[:-1]
    check_worker(started + b',["TestReport",0,' + data + b"]]")
    check_worker(started + b',["CollectReport",' + data + b"]]")


def as_rows(batch: list[Any]) -> list[Any]:
    return [[type(message).__name__, *message] for message in batch]


def conversations() -> st.SearchStrategy[bytes]:
    """Return what workers say: a run with changes, and single messages among others."""
    single = [row for row in as_rows(list(EXAMPLES)) if row[0] in FROM_WORKERS]
    some = st.lists(st.sampled_from(single), min_size=1, max_size=5)
    started = some.map(lambda rows: [*as_rows(A_RUN[:2]), *rows])
    whole = st.just(as_rows(A_RUN)) | st.permutations(as_rows(A_RUN))
    return (whole | started).flatmap(with_changes).map(to_json)


WORKER: Final = Target(
    name="worker",
    check=check_worker,
    inputs=conversations() | edited([frames.encode_body(A_RUN)], [b"null", b"-1", b"[]", b"{}"]),
)
REPORTS: Final = Target(
    name="report",
    check=check_report,
    inputs=st.deferred(
        lambda: st.sampled_from(world().reports).map(json.loads).flatmap(with_changes).map(to_json)
    ),
)


def check_exit(data: bytes) -> None:
    """How a process ended is told in words, whatever an agent says of it."""
    with watching():
        for message in as_received(data):
            if isinstance(message, messages.WorkerExited):
                describe_end(message.status, message.output)


EXIT: Final = Target(
    name="exit",
    check=check_exit,
    inputs=st.builds(
        lambda status, output: to_json([["WorkerExited", "gw0", status, output]]),
        st.integers(-300, 300) | st.sampled_from(ODD_NUMBERS),
        TEXTS | st.sampled_from(["Fatal Python error: \n", "E   ModuleNotFoundError: No module"]),
    ),
)

TARGETS: Final = (WORKER, REPORTS, EXIT)
