"""Runs in each pytest process of a run: pytest's hooks become messages, commands become items.

The process is started by the agent with a pair of pipes, apart from its standard streams, so
that nothing a test prints or closes by number 0, 1 or 2 is ever read as protocol.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any, BinaryIO, Dict, Generator, List, Optional

import pytest

from pytest_remotest import fixtures, hookspecs, messages, options, xdist_module
from pytest_remotest.pipes import read_body, write_body
from pytest_remotest.runqueue import RunQueue

try:
    from setproctitle import setproctitle
except ImportError:  # It is a convenience that a host may lack.

    def setproctitle(title: str) -> None:
        """Do nothing: this host has no setproctitle."""


FORKED_CHILD_STATUS = 70  # EX_SOFTWARE: a test's fork came back into pytest; it must not go on.


def main(read_fd: int, write_fd: int) -> int:
    """Run one worker to its end and return its exit code. Called by the loader, once."""
    inbox = os.fdopen(read_fd, "rb")
    link = Link(os.fdopen(write_fd, "wb", buffering=0))
    (start,) = messages.decode_body(read_body(inbox))
    prepare_process(start)
    xdist_module.install()
    queue = RunQueue()
    reader = threading.Thread(
        target=read_commands, args=(inbox, queue), name="remotest-commands", daemon=True
    )
    reader.start()
    worker_input = messages.unpack(start.worker_input)
    session = WorkerSession(worker_input, link, queue)
    exit_code = pytest.main(
        list(start.arguments), plugins=[session, DistributionOptions(), fixtures]
    )
    return int(exit_code)


def prepare_process(start: messages.SpawnWorker) -> None:
    """Make sys.argv, sys.path and the process's priority what the worker's tests shall see."""
    sys.argv[:] = ["-c"]  # what workers of pytest-xdist see
    own_path = [] if start.whole_path else [entry for entry in sys.path if entry]
    sys.path[:] = list(start.python_path) + own_path
    if start.nice:
        os.nice(start.nice)


def read_commands(inbox: BinaryIO, queue: RunQueue) -> None:
    """Feed the run queue until the agent closes the pipe. Runs in a thread of its own."""
    try:
        while True:
            for message in messages.decode_body(read_body(inbox)):
                if type(message) is messages.RunItems:
                    queue.append(message.positions)
                elif type(message) is messages.Finish:
                    queue.finish()
                elif type(message) is messages.StopSession:
                    queue.stop(message.reason)
    except (EOFError, OSError):
        # The agent is gone and nobody is left to report to: this process and what it started
        # must not outlive the run.
        os.killpg(os.getpgid(0), signal.SIGKILL)


class Link:
    """The way to the agent. Messages collect until ``flush``; any thread may send."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: List[Any] = []
        self._lock = threading.Lock()
        self._owner_pid = os.getpid()

    def send(self, *batch: Any, flush: bool) -> None:
        """Queue messages; with ``flush`` everything queued goes out at once."""
        if os.getpid() != self._owner_pid:
            # A test forked and its child came back into pytest: it must not speak for us.
            os._exit(FORKED_CHILD_STATUS)
        with self._lock:
            self._waiting.extend(batch)
            if flush and self._waiting:
                body = messages.encode_body(self._waiting)
                self._waiting.clear()
                write_body(self._stream, body)


class DistributionOptions:
    """Options and hook names, so that a suite finds on a worker what it finds here.

    It takes the name of the plugin ``xdist``: a pytest-xdist that the host has stays out.
    """

    __name__ = "xdist"

    def __init__(self) -> None:
        self._stdout = sys.stdout

    def pytest_addoption(self, parser: Any) -> None:
        """Accept the options that ``addopts`` of a config file may hold."""
        options.add_options(parser)

    def pytest_addhooks(self, pluginmanager: Any) -> None:
        """Know the hooks that a conftest may implement for the controller's side."""
        pluginmanager.add_hookspecs(hookspecs)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        """Give tests the standard output back that ``WorkerSession`` hid from the reporter."""
        sys.stdout = self._stdout


class WorkerSession:
    """The plugin that turns one pytest session into a worker.

    It takes the name of the plugin ``remotest``: one that the host has installed stays out.
    """

    __name__ = "remotest"

    def __init__(self, worker_input: Dict[str, Any], link: Link, queue: RunQueue) -> None:
        self.worker_input = worker_input
        self.link = link
        self.queue = queue
        self.position = -1
        self.interrupt_reason = ""
        self.config: Any = None
        self.session: Any = None

    # -- configuration ---------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        """Mark the config as a worker's before any other plugin is configured."""
        self.config = config
        config.workerinput = self.worker_input
        config.workeroutput = {}
        config.option.dist = "no"
        config.option.distload = False
        config.option.numprocesses = None
        config.option.maxprocesses = None
        config.option.usepdb = False
        config.option.tx = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """Let the terminal reporter of this session write to nowhere: the controller has one.

        It takes the ``sys.stdout`` of its own configuration, which comes next. Others get the
        real one back in ``DistributionOptions.pytest_configure``.
        """
        # Open until the process ends: the terminal reporter keeps it.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  see above

    # -- collection ------------------------------------------------------------------------

    def pytest_sessionstart(self, session: Any) -> None:
        """Tell that the session has started, and in what."""
        self.session = session
        info = {
            "version": sys.version,
            "version_info": tuple(sys.version_info),
            "sysplatform": sys.platform,
            "platform": sys.platform,
            "executable": sys.executable,
            "cwd": os.getcwd(),
            "pytest_version": pytest.__version__,
        }
        self.link.send(messages.SessionStarted(messages.pack(info)), flush=True)

    def pytest_collectreport(self, report: Any) -> None:
        """Send what failed or was skipped; that a module was collected is no news."""
        if not report.passed:
            data = self.serialise(report)
            self.link.send(messages.CollectReport(data), flush=True)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_collection(self, session: Any) -> Generator[None, Any, None]:
        """Send all node ids, in this worker's order, unless the collection was broken off."""
        outcome = yield
        if outcome.excinfo is not None:
            return
        ids = [str(item.nodeid) for item in session.items]
        size = messages.MAX_BATCH_ITEMS
        parts = [ids[start : start + size] for start in range(0, len(ids), size)] or [[]]
        for part in parts:
            self.link.send(messages.Collected(part, last=part is parts[-1]), flush=True)

    # -- items -----------------------------------------------------------------------------

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run what the controller gives out, each item when its successor is known."""
        current = self.queue.take()
        while current is not None:
            successor = self.queue.take()
            if self.queue.stop_reason:
                break
            self.run_item(current, successor)
            if session.shouldfail or session.shouldstop:
                break
            current = successor
        return True

    def run_item(self, position: int, successor: Optional[int]) -> None:
        """Run one item by pytest's own protocol."""
        items = self.session.items
        item = items[position]
        next_item = None if successor is None else items[successor]
        self.position = position
        set_title("[pytest-xdist running] " + str(item.nodeid))
        began = time.perf_counter()
        self.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        duration_s = time.perf_counter() - began
        set_title("[pytest-xdist idle]")
        self.link.send(messages.ItemFinished(position, duration_s), flush=True)

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """Send it at once: a crash of this process must be known to be this item's."""
        self.link.send(messages.LogStart(self.position, str(nodeid), list(location)), flush=True)

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        """Queue it: the end of the item follows."""
        self.link.send(messages.LogFinish(self.position, str(nodeid), list(location)), flush=False)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Queue a report; one that tells of a failure goes out at once."""
        data = self.serialise(report)
        self.link.send(messages.TestReport(self.position, data), flush=bool(report.failed))

    def pytest_warning_recorded(
        self, warning_message: Any, when: str, nodeid: str, location: Any
    ) -> None:
        """Send a warning as plain text."""
        category = warning_message.category or type(warning_message.message)
        self.link.send(
            messages.WarningRecorded(
                category=category.__name__,
                category_module=category.__module__,
                text=messages.safe_str(warning_message.message),
                filename=str(warning_message.filename),
                line=int(warning_message.lineno or 0),
                when=str(when),
                node_id=str(nodeid),
                location=None if location is None else list(location),
            ),
            flush=False,
        )

    def serialise(self, report: Any) -> Dict[str, Any]:
        """Return a report in the form that the wire carries, made by pytest's own hooks."""
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        return messages.report_to_wire(data)

    # -- the end ---------------------------------------------------------------------------

    def pytest_internalerror(self, excrepr: Any) -> None:
        """Send the error of pytest or of a plugin as text."""
        self.link.send(messages.InternalError(messages.safe_str(excrepr)), flush=True)

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """Keep why the session is interrupted: ``pytest.exit`` and Ctrl-C look alike later."""
        self.interrupt_reason = "%s: %s" % (excinfo.typename, messages.safe_str(excinfo.value))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: Any) -> Generator[None, None, None]:
        """Send the end and what plugins left for the controller, after all of them had a say."""
        output = self.config.workeroutput
        output["exitstatus"] = int(exitstatus)
        output["shouldfail"] = session.shouldfail
        output["shouldstop"] = session.shouldstop
        yield
        self.link.send(
            messages.SessionFinished(messages.pack(output), self.interrupt_reason), flush=True
        )


def set_title(title: str) -> None:
    """Name the process after what it does, for ps and top."""
    with contextlib.suppress(Exception):  # By contract a title never disturbs a test.
        setproctitle(title)
