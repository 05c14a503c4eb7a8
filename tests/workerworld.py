"""A real worker process, with the test in the place of its agent."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import textwrap
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import frames, loader, messages, values
from pytest_remotest.brief import spell_out
from pytest_remotest.pipes import read_body, write_body
from pytest_remotest.reportwire import report_from_wire
from remotest.bundle import pack_bundle, read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

WAIT_S: Final = 30
"""For anything that is sure to come: only a broken test ever waits so long."""


class TestWorker:
    """A started worker; ``printed`` goes to a file.

    What it says in brief is spelled out, and kept in ``briefs`` as it came.
    """

    __test__ = False

    def __init__(
        self,
        python: str | Path,
        directory: Path,
        *arguments: str,
        worker_input: Mapping[Any, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        child_in, self._to_worker = os.pipe()
        self._from_worker, child_out = os.pipe()
        self._output = directory.parent / f"{directory.name}.output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [str(python), *loader.worker_command(child_in, child_out)[1:]],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(child_in, child_out),
                start_new_session=True,
                env={**os.environ, "PYTEST_ADDOPTS": "", **(environment or {})},
            )
        os.close(child_in)
        os.close(child_out)
        write_body(self._to_worker, pack_bundle(read_bundle()))
        start = messages.SpawnWorker(
            worker="gw0",
            arguments=["-p", "no:cacheprovider", f"--rootdir={directory}", *arguments],
            directory=str(directory),
            environment={},
            python_path=[],
            whole_path=False,
            nice=0,
            worker_input=values.pack(dict(worker_input or {"workerid": "gw0"})),
            env_folder=None,
            overlay=[],
            extensions_folder=None,
            way="spawn",
        )
        self.send(start._replace(**fields))
        self._come: list[Any] = []
        self.briefs: list[messages.ItemPassed] = []

    def send(self, *batch: Any) -> None:
        """Say something to the worker."""
        write_body(self._to_worker, frames.encode_body(batch))

    def next(self) -> Any:
        """Wait for the next message; None at the end."""
        while not self._come:
            poller = select.poll()
            poller.register(self._from_worker, select.POLLIN)
            assert poller.poll(WAIT_S * 1000), f"nothing came; it printed:\n{self.printed()}"
            try:
                body = frames.decode_body(read_body(self._from_worker))
                self._come = [part for message in body for part in self._parts(message)]
            except EOFError:
                return None
        return self._come.pop(0)

    def _parts(self, message: Any) -> list[Any]:
        """Return what a message stands for, nothing for what time decides about."""
        if isinstance(message, messages.LogStart):
            self._start = message
        if isinstance(message, messages.ItemPassed):
            self.briefs.append(message)
            return spell_out(self._start, message)
        return [] if type(message) in STATES else [message]

    def until(self, kind: type | None) -> list[Any]:
        """Return what comes up to a message of a kind, or up to the end."""
        told = [self.next()]
        while told[-1] is not None and type(told[-1]) is not kind:
            told.append(self.next())
        return told if told[-1] is not None else told[:-1]

    def run_all(self) -> list[Any]:
        """Let it run all that it collects; return everything that it says."""
        told = self.until(messages.Collected)
        if told and type(told[-1]) is messages.Collected:
            self.send(messages.RunItems(list(range(len(told[-1].ids)))), messages.Finish())
            told += self.until(None)
        return told

    def exit_status(self) -> int:
        """Wait for its end."""
        return self.process.wait(WAIT_S)

    def printed(self) -> str:
        """Return what it printed outside of pytest's capture."""
        return self._output.read_text("utf-8", "replace")

    def hang_up(self) -> None:
        """End both pipes, as the agent's end does."""
        for descriptor in (self._to_worker, self._from_worker):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._to_worker = self._from_worker = -1


@contextlib.contextmanager
def started(
    python: str | Path, directory: Path, *arguments: str, **more: Any
) -> Iterator[TestWorker]:
    """Start a worker for the time of a ``with`` block."""
    worker = TestWorker(python, directory, *arguments, **more)
    try:
        yield worker
    finally:
        worker.hang_up()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.process.wait()


def write_suite(directory: Path, **files: str) -> Path:
    """Write a project: file names, without ``.py``, and sources. Return its folder."""
    directory.mkdir()
    for name, source in files.items():
        (directory / f"{name}.py").write_text(textwrap.dedent(source), "utf-8")
    (directory / "pytest.ini").write_text("[pytest]\n")
    return directory


def in_short(told: list[Any]) -> list[Any]:
    """Return messages as short rows that do not depend on versions, times and addresses.

    Whether a worker waits for its next test, and says so, depends on time.
    """
    return [
        _ROWS.get(type(message), _whole)(message)
        for message in told
        if not isinstance(message, messages.SessionOutput | messages.Idle | messages.Busy)
    ]


def _whole(message: Any) -> Any:
    return message


def _name_and_position(message: Any) -> Any:
    return type(message).__name__, message.position


def _report(message: messages.TestReport) -> Any:
    return message.position, message.data["when"], message.data["outcome"]


STATES: Final = (messages.Idle, messages.Busy)
"""Said of waiting for a test: that depends on time."""

_ROWS: Final[dict[type, Callable[[Any], Any]]] = {
    messages.SessionStarted: lambda _: "SessionStarted",
    messages.CollectReport: lambda m: ("CollectReport", m.data["nodeid"], m.data["outcome"]),
    messages.Collected: lambda m: ("Collected", *m.ids),
    messages.LogStart: _name_and_position,
    messages.TestReport: _report,
    messages.WarningRecorded: lambda m: ("WarningRecorded", m.category, m.text, m.when),
    messages.LogFinish: _name_and_position,
    messages.ItemFinished: _name_and_position,
    messages.InternalError: lambda m: ("InternalError", m.text.splitlines()[-1].lstrip("E ")),
}


def item(position: int, *rows: Any, after: Iterable[Any] = ()) -> list[Any]:
    """Return the rows of one item: what comes within its protocol, and what ``after``."""
    return [
        ("LogStart", position),
        *rows,
        ("LogFinish", position),
        *after,
        ("ItemFinished", position),
    ]


def passed(position: int) -> list[Any]:
    """Return the rows of an item that passes."""
    phases = [(position, when, "passed") for when in ("setup", "call", "teardown")]
    return item(position, *phases)


def reports(told: list[Any]) -> list[dict[str, Any]]:
    """Return the reports of the tests in their serialised form."""
    return [report_from_wire(m.data) for m in told if isinstance(m, messages.TestReport)]


def properties(told: list[Any]) -> dict[str, Any]:
    """Return what tests recorded with ``record_property``."""
    return dict(
        pair
        for report in reports(told)
        if report["when"] == "call"
        for pair in report["user_properties"]
    )


def output(told: list[Any]) -> Any:
    """Return the session's ``workeroutput``."""
    return values.unpack_text(
        "".join(m.text for m in told if isinstance(m, messages.SessionOutput))
    )
