"""An agent that means no good: it travels in place of ours in the bundle of a hostile host.

It has the real codec of the bundle that the controller sent, so it comes past the greeting; then
it behaves, with workers that it only pretends to have, until the point of its attack.
``hostile_python`` starts it.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import describe, frames, messages, values

if TYPE_CHECKING:
    from collections.abc import Callable

ATTACK: Final = os.environ["HOSTILE_ATTACK"]
FOLDER: Final = Path(os.environ["HOSTILE_FOLDER"])
TRIPWIRE: Final = str(FOLDER / "tripwire")
LIFETIME_S: Final = 100.0  # Longer than the run.

IDS: Final = ["test_it.py::test_one", "test_it.py::test_two"]
STEERING: Final = "\x1b]0;owned\x07\x1b[2J\n::set-output name=x::owned\n##[error]owned\r\x9b31m"
EVIL_NAME: Final = "test_it.py::test_one\n::error::owned\x1b[2J"
SECRET_FILE: Final = b"TOKEN=not for hosts\n"  # The content of one that does not travel.
BUILDS_A_LIST: Final = b"K\x7f\xff\xff\xffQ"  # In execnet's own form.
OPENS_A_FILE: Final = f"open({TRIPWIRE!r}, 'w')".encode()


def report(node_id: str, when: str = "call", **fields: Any) -> messages.TestReport:
    """Return a report of the first test as pytest makes it, but for these fields."""
    data = {
        "nodeid": node_id,
        "location": ["test_it.py", 0, "test_one"],
        "keywords": {},
        "outcome": "passed",
        "longrepr": None,
        "when": when,
        "user_properties": [],
        "sections": [],
        "duration": 0.0,
        "$report_type": "TestReport",
        **fields,
    }
    return messages.TestReport(IDS.index(node_id) if node_id in IDS else 0, 0, data)


def warning(category_module: str, category: str, text: str = "") -> messages.WarningRecorded:
    return messages.WarningRecorded(category, category_module, text, "a.py", 1, "runtest", "", None)


def nested(depth: int) -> list[Any]:
    value: list[Any] = ["\x1b"]
    for _ in range(depth):
        value = [value]
    return value


STEERING_REPORT: Final = report(
    EVIL_NAME,
    outcome="failed",
    longrepr=STEERING,
    sections=[["Captured " + STEERING, STEERING]],
    user_properties=[[STEERING, STEERING]],
    location=[EVIL_NAME, 0, STEERING],
)

SAID_BY_WORKERS: Final[dict[str, list[Any]]] = {
    "steering": [
        messages.LogStart(0, EVIL_NAME, [EVIL_NAME, 0, ".error::owned"]),
        STEERING_REPORT,
    ],
    "warning-class": [
        warning("os", "system", "touch " + TRIPWIRE),
        warning("tripwire_module", "Tripped", TRIPWIRE),
        warning("builtins", "__class__"),
    ],
    "report-class": [report(IDS[0], **{"$report_type": "os.system"})],
    "report-method": [report(IDS[0], toterminal="x", extra={"dict": 3})],
    "nested-report": [report(IDS[0], longrepr=nested(900))],
    "foreign-position": [messages.ItemFinished(10**9, 1.0, 0), messages.ItemsReturned([-5])],
    "controllers-words": [messages.Goodbye()],
    "traversing-names": [report("../../../tripwire::x", outcome="failed", longrepr="x")],
}
"""Attack -> what a worker says before the reports of its tests."""

WANTED: Final = {
    "ask-for-a-path": ["../.env"],
    "ask-for-passwd": ["/etc/passwd"],
    "ask-by-digest": [hashlib.sha256(SECRET_FILE).hexdigest()],
    "ask-for-nothing": [],
}
"""Attack -> what the agent asks for when it is offered a tree."""

RAW: Final = {
    "long-frame": struct.pack("!bii", 4, 1, 2**31 - 1),
    "code-to-run": struct.pack("!bii", 3, 3, len(OPENS_A_FILE)) + OPENS_A_FILE,
    "object-to-build": struct.pack("!bii", 4, 1, len(BUILDS_A_LIST)) + BUILDS_A_LIST,
}
"""Attack -> a message of execnet itself: data on channel 1, or code to run."""

FRAMES: Final = {
    "nested-body": b"A" + b"[" * 100_000,
    "unknown-message": b'A[["Exec","import os"]]',
}
"""Attack -> a frame that ours never make."""


class Agent:
    """Does what an agent does, as far as the controller can see."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._done = threading.Event()
        self._report_counts: Counter[tuple[str | None, int]] = Counter()
        self._handlers: dict[type, Callable[[Any, str | None], None]] = {
            messages.Ping: lambda *_: self._say(messages.Pong()),
            messages.AskAhead: lambda *_: self._say(messages.AheadTaken(False, [])),
            messages.SyncCommit: lambda *_: self._take_tree(),
            messages.SpawnWorker: lambda message, _: self._spawn(message.worker),
            messages.RunItems: lambda message, worker: self._run(message.positions, worker),
            messages.Finish: lambda _, worker: self._finish(worker),
            messages.Goodbye: lambda *_: self._done.set(),
        }

    def run(self) -> None:
        self._channel.setcallback(self._accept, endmarker=None)
        info = describe.describe()
        if ATTACK == "steering":
            info["implementation"] = "C\x1b[2JPython\n::error::owned" * 100
            info["executable"] = '"/><evil/>\x00' + STEERING
        self._say(messages.Greeting(messages.PROTOCOL, info))
        self._done.wait(LIFETIME_S)

    def _say(self, *said: Any, worker: str | None = None) -> None:
        numbered = [self._numbered(message, worker) for message in said]
        self._channel.send(frames.encode(numbered, worker))

    def _numbered(self, message: Any, worker: str | None) -> Any:
        """Return a message with the numbers that are expected: its other fields do harm enough."""
        if isinstance(message, messages.TestReport):
            number = self._report_counts[worker, message.position]
            self._report_counts[worker, message.position] += 1
            return message._replace(number=number)
        if isinstance(message, messages.ItemFinished):
            count = self._report_counts.pop((worker, message.position), 0)
            return message._replace(report_count=count)
        return message

    def _accept(self, frame: bytes | None) -> None:
        if frame is None:
            self._done.set()
            return
        with (FOLDER / f"received-{ATTACK}").open("ab") as log:
            log.write(frame)
        worker, batch = frames.decode(frame)
        for message in batch:
            if type(message) in self._handlers:
                self._handlers[type(message)](message, worker)

    def _take_tree(self) -> None:
        if ATTACK in WANTED:
            self._say(messages.SyncWant(WANTED[ATTACK], False, ["zlib"]))
        else:
            tree = messages.SyncDone(str(FOLDER), [STEERING])
            self._say(messages.SyncWant([], True, ["zlib"]), tree)

    def _spawn(self, name: str) -> None:
        if ATTACK in RAW:
            self._channel.gateway._io.write(RAW[ATTACK])
            return
        if ATTACK in FRAMES:
            self._channel.send(FRAMES[ATTACK])
            return
        info = {
            "version": sys.version,
            "version_info": tuple(sys.version_info),
            "sysplatform": sys.platform,
            "platform": sys.platform,
            "executable": sys.executable,
            "cwd": str(FOLDER),
            "pytest_version": "9.0.0",
        }
        started = messages.SessionStarted(values.pack(info))
        self._say(started, messages.Collected(IDS, last=True), worker=name)

    def _run(self, positions: list[int], worker: str | None) -> None:
        if ATTACK == "other-agents-worker":
            for other in {"gw0", "gw1", "gw2"} - {worker}:
                output = messages.WorkerOutput(other, STEERING)
                self._say(messages.SessionFinished("owned"), worker=other)
                self._say(messages.WorkerExited(other, 0, STEERING, killed=STEERING), output)
        for said in SAID_BY_WORKERS.get(ATTACK, []):
            self._say(said, worker=worker)
        for position in positions:
            node_id, location = IDS[position], ["test_it.py", 0, "test_one"]
            self._say(
                messages.LogStart(position, node_id, location),
                *(report(node_id, when) for when in ("setup", "call", "teardown")),
                messages.LogFinish(position, node_id, location),
                messages.ItemFinished(position, 0.0, 0),
                worker=worker,
            )

    def _finish(self, worker: str | None) -> None:
        output = messages.SessionOutput(values.pack_text({"exitstatus": 0}))
        self._say(output, messages.SessionFinished(""), worker=worker)
        self._say(messages.WorkerExited(str(worker), 0, STEERING, killed=""))


def main(channel: Any, _: Any) -> None:
    """Take the place of ``pytest_remotest.agent.main``."""
    Agent(channel).run()
