"""Runs in each worker: turns pytest's hooks into messages, and commands into items to run.

The agent starts the process with a pair of pipes besides its standard streams. So what a test
prints to descriptors 0, 1 or 2 is never read as protocol, and closing these does no harm.
"""

import contextlib
import signal
import sys
import threading
from time import perf_counter
from typing import Any, Dict, Generator, Iterator, List, Optional, Tuple

import pytest

from pytest_remotest import (
    __version__,
    fixtures,
    frames,
    groups,
    hookowners,
    hookspecs,
    markers,
    messages,
    onelook,
    options,
    quickend,
    required,
    silentterminal,
    third_party,
    values,
    workerstart,
    xdist_module,
)
from pytest_remotest.itemstory import ItemStory, as_text, location_to_wire
from pytest_remotest.pipes import read_body
from pytest_remotest.reportwire import report_to_json
from pytest_remotest.runqueue import RunQueue
from pytest_remotest.supervise import end_own_group
from pytest_remotest.workerlink import ENDING, PAUSED, WorkerLink

try:
    from setproctitle import setproctitle
except ImportError:  # It is a convenience that a host may lack.

    def setproctitle(title: str) -> None:
        """Do nothing: this host has no setproctitle."""


OUTPUT_PIECE_CHARS = messages.MAX_BATCH_BYTES // 2  # Of a workeroutput's text: escapes double it.

CONTROLLER_PLUGINS = ("pytest_remotest.entry", "xdist.plugin", "xdist.looponfail")


def main(read_fd: int, write_fd: int) -> int:
    """Run one worker to its end and return its exit code. Called by the loader, once."""
    quickend.prepare()
    start = workerstart.read_start(read_fd, write_fd)
    workerstart.prepare_process(start)
    link, queue = connect(read_fd, write_fd)
    return run(start, WorkerSession(values.unpack(start.worker_input), link, queue))


def connect(read_fd: int, write_fd: int) -> Tuple[WorkerLink, RunQueue]:
    """Return the way to the agent, and the queue that what it says goes to from now on."""
    link = WorkerLink(write_fd)
    queue = RunQueue(link.set_awaiting)
    reader = threading.Thread(
        target=read_commands, args=(read_fd, queue, link), name="remotest-commands", daemon=True
    )
    reader.start()
    return link, queue


def run(start: messages.SpawnWorker, session: "WorkerSession") -> int:
    """Run pytest with a worker's plugins and return its exit code."""
    xdist_module.install()
    third_party.keep_coverage_apart(session.worker_input)
    ours = [session, DistributionOptions(), fixtures, required.RequiredPlugins(run_with)]
    plugins = [*ours, onelook.OneLook()]
    return int(pytest.main(list(start.arguments), plugins=plugins))


def run_with() -> Dict[str, str]:
    """Return what the controller has, and a host needs not: version by name."""
    return {"remotest": __version__, xdist_module.DISTRIBUTION: xdist_module.VERSION}


def read_commands(read_fd: int, queue: RunQueue, link: WorkerLink) -> None:
    """Feed the run queue until the agent closes the pipe. Runs in a thread of its own.

    When it returns for whatever reason, nobody is left to report to: this process and what it
    started must not outlive the run. The agent closes the pipe only once this process has ended.
    """
    try:
        while True:
            for message in frames.decode_body(read_body(read_fd)):
                obey(message, queue, link)
    except (EOFError, OSError, messages.ProtocolError):
        pass
    finally:
        end_own_group()


def obey(message: Any, queue: RunQueue, link: WorkerLink) -> None:
    """Do what the controller says."""
    if type(message) is messages.RunItems:
        queue.append(message.positions)
    elif type(message) is messages.ReclaimItems:
        returned = queue.reclaim(message.positions)
        link.send(messages.ItemsReturned(returned), flush=True)
    elif type(message) is messages.Finish:
        queue.finish()
    elif type(message) is messages.StopSession:
        queue.stop(message.reason)
    else:
        raise messages.ProtocolError("a worker was sent %s" % type(message).__name__)


class DistributionOptions:
    """Options and hook names, so that a suite finds on a worker what it finds here.

    It takes the name of the plugin ``xdist``: a pytest-xdist that the host has stays out.
    """

    __name__ = "xdist"

    def pytest_addoption(self, parser: Any) -> None:
        """Accept the options that ``addopts`` of a config file may hold."""
        options.add_options(parser)

    def pytest_addhooks(self, pluginmanager: Any) -> None:
        """Know the hooks that a conftest may implement for the controller's side.

        What is a plugin on the controller must not become one here by ``-p`` or ``pytest_plugins``:
        a name that is taken is passed over, one that is only blocked is unblocked by ``-p``.
        """
        pluginmanager.add_hookspecs(hookspecs)
        for name in CONTROLLER_PLUGINS:
            pluginmanager.register(TakenName(), name)

    def pytest_configure(self, config: Any) -> None:
        """Know the marker of groups."""
        config.addinivalue_line("markers", markers.XDIST_GROUP)


class TakenName:
    """What holds the name of a plugin that is not to be loaded."""


class WorkerSession:
    """The plugin that turns one pytest session into a worker.

    It takes the name of the plugin ``remotest``: one that the host has installed stays out.
    """

    __name__ = "remotest"

    def __init__(self, worker_input: Dict[str, Any], link: WorkerLink, queue: RunQueue) -> None:
        self.worker_input = worker_input
        self.connect(link, queue)
        self.position = -1
        self.interrupt_reason = ""
        self.config: Any = None
        self.session: Any = None

    def connect(self, link: WorkerLink, queue: RunQueue) -> None:
        """Speak by a link, and run what comes by a queue, from now on."""
        self.link = link
        self.queue = queue
        self.story = ItemStory(link, self.serialise)

    # -- configuration ---------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        """Mark the config as a worker's before any other plugin is configured."""
        self.config = config
        config.workerinput = self.worker_input
        config.workeroutput = {}
        third_party.count_reruns_here(self.worker_input)
        config.option.loadgroup = config.option.dist == "loadgroup"  # xdist's frozen name
        config.option.dist = "no"
        config.option.distload = False
        config.option.numprocesses = None
        config.option.maxprocesses = None
        config.option.usepdb = False
        config.option.tx = []

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: Any) -> None:
        """Leave the screen to the controller."""
        silentterminal.silence(config)

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
            "cwd": str(session.config.invocation_params.dir),
            "pytest_version": pytest.__version__,
        }
        self.link.send(messages.SessionStarted(values.pack(info)), flush=True)

    def pytest_collectreport(self, report: Any) -> None:
        """Send what failed or was skipped; that a module was collected is no news."""
        if not report.passed:
            data = self.serialise(report)
            self.story.say(messages.CollectReport(data), flush=True)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_collection(self, session: Any) -> Generator[None, Any, None]:
        """Send all node ids, in this worker's order, unless the collection was broken off."""
        outcome = yield
        if outcome.excinfo is not None:
            return
        if self.config.option.loadgroup:
            self.link.send(*groups.in_messages(session.items), flush=False)
        self.link.send(flush=True)  # What was collected alike elsewhere is known by its body.
        parts = list(in_parts([values.cut(str(item.nodeid)) for item in session.items]))
        for number, part in enumerate(parts):
            is_last = part is parts[-1]
            self.link.send(messages.Collected(part, last=is_last, number=number), flush=True)

    # -- items -----------------------------------------------------------------------------

    def pytest_runtestloop(self, session: Any) -> bool:
        """Run what the controller gives out, each item when its successor is known."""
        self.link.set_idle(PAUSED)
        self.queue.pause(self.worker_input.get("rampdelay", 0.0))
        self.link.set_idle(None)
        self.story.may_be_brief = hookowners.are_all_of_pytest(
            self.config.hook.pytest_report_to_serializable
        )
        self.run_queue(session)
        self.link.set_idle(ENDING)
        return True

    def run_queue(self, session: Any) -> None:
        """Run items until there are no more, or the session is to end."""
        current = self.queue.take()
        while current is not None:
            successor = self.queue.take()
            if self.queue.stop_reason:
                break
            self.run_item(current, successor)
            if session.shouldfail or session.shouldstop:
                break
            current = successor

    def run_item(self, position: int, successor: Optional[int]) -> None:
        """Run one item by pytest's own protocol."""
        items = self.session.items
        item = items[position]
        next_item = None if successor is None else items[successor]
        self.position = position
        self.link.node_id = as_text(item.nodeid)
        set_title("[pytest-xdist running] " + str(item.nodeid))
        began = perf_counter()
        self.config.hook.pytest_runtest_protocol(item=item, nextitem=next_item)
        duration_s = perf_counter() - began
        set_title("[pytest-xdist idle]")
        self.tell_forks()
        self.story.end(position, duration_s)

    def tell_forks(self) -> None:
        """Warn of children that tests have forked and let come back into pytest."""
        for pid, node_id in self.link.forks.take():
            message = messages.WarningRecorded(
                category="RuntimeWarning",
                category_module="builtins",
                text="process %s, a fork of this test, came back into pytest and was ended: "
                "let it end itself, by os._exit()" % pid,
                filename=node_id.partition("::")[0],
                line=0,
                when="runtest",
                node_id=node_id,
                location=None,
            )
            self.story.say(message, flush=False)

    def pytest_runtest_logstart(self, nodeid: Any, location: Any) -> None:
        """Tell that the item has begun."""
        self.story.begin(self.position, nodeid, location)

    def pytest_runtest_logfinish(self, nodeid: Any, location: Any) -> None:
        """Tell that pytest's protocol of the item is at its end."""
        self.story.finish(self.position, nodeid, location)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Tell what came of a phase of the item."""
        self.story.report(self.position, report)

    def pytest_warning_recorded(
        self, warning_message: Any, when: str, nodeid: str, location: Any
    ) -> None:
        """Send a warning as plain text."""
        category = warning_message.category or type(warning_message.message)
        self.story.say(
            messages.WarningRecorded(
                category=as_text(category.__name__),
                category_module=as_text(category.__module__),
                text=as_text(warning_message.message),
                filename=as_text(warning_message.filename),
                line=int(warning_message.lineno or 0),
                when=as_text(when),
                node_id=as_text(nodeid),
                location=None if location is None else location_to_wire(location),
            ),
            flush=False,
        )

    def serialise(self, report: Any) -> Any:
        """Return a report in the form that the wire carries, encoded, made by pytest's own hooks.

        Where those fail, or do not know this kind of report, the plain text of it has to do: a
        report is never lost.
        """
        try:
            data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        except Exception:  # noqa: BLE001  a user's object in it may raise anything
            data = None
        return report_to_json(data or plain_data(report))

    # -- the end ---------------------------------------------------------------------------

    def pytest_internalerror(self, excrepr: Any) -> bool:
        """Send the error of pytest or of a plugin as text, and let nobody print it here."""
        self.story.say(messages.InternalError(as_text(excrepr)), flush=True)
        return True

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """Keep why the session is interrupted: ``pytest.exit`` and Ctrl-C look alike later."""
        self.interrupt_reason = "%s: %s" % (excinfo.typename, as_text(excinfo.value))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: Any, exitstatus: Any) -> Generator[None, Any, None]:
        """Send the end and what plugins left for the controller, after all of them had a say.

        A session that ends with a usage error, or in which a plugin fails here, has not ended in
        order: this process then does, with words on its standard error.
        """
        # From now on an interrupt comes too late: what follows tears fixtures down. Not ignored, as
        # what is started by then would ignore it too.
        signal.signal(signal.SIGINT, lambda *_: None)
        output = self.config.workeroutput
        output["exitstatus"] = int(exitstatus)
        output["shouldfail"] = session.shouldfail
        output["shouldstop"] = session.shouldstop
        outcome = yield
        if outcome.excinfo is not None or exitstatus == pytest.ExitCode.USAGE_ERROR:
            return
        self.tell_forks()
        text = fitting_text(output)
        for start in range(0, len(text), OUTPUT_PIECE_CHARS):
            piece = text[start : start + OUTPUT_PIECE_CHARS]
            self.story.say(messages.SessionOutput(piece), flush=False)
        self.story.say(messages.SessionFinished(self.interrupt_reason), flush=True)


def in_parts(ids: List[str]) -> Iterator[List[str]]:
    """Yield node ids in lists that fit a message each: at least one list, if only an empty one."""
    part: List[str] = []
    size = 0
    for node_id in ids:
        if size + len(node_id) > values.MAX_TEXT_CHARS or len(part) == messages.MAX_BATCH_ITEMS:
            yield part
            part, size = [], 0
        part.append(node_id)
        size += len(node_id)
    yield part


def plain_data(report: Any) -> Dict[str, Any]:
    """Return the serialised form of a report with nothing in it that a hook must know."""
    is_test = getattr(report, "when", None) in ("setup", "call", "teardown")
    return {
        "$report_type": "TestReport" if is_test else "CollectReport",
        "nodeid": as_text(getattr(report, "nodeid", "")),
        "outcome": as_text(getattr(report, "outcome", "failed")),
        "longrepr": as_text(getattr(report, "longrepr", "")),
        "sections": [],
        **(
            {
                "when": report.when,
                "location": getattr(report, "location", None),
                "keywords": {},
                "user_properties": [],
                "duration": getattr(report, "duration", 0.0),
                "start": getattr(report, "start", 0.0),
                "stop": getattr(report, "stop", 0.0),
            }
            if is_test
            else {"result": None}
        ),
    }


def fitting_text(output: Dict[Any, Any]) -> str:
    """Return the text of a workeroutput; where it is too large its largest value is left out."""
    text = values.pack_text(output)
    while len(text) > messages.MAX_OUTPUT_CHARS:
        sizes = {key: len(values.pack_text(value)) for key, value in output.items()}
        largest = max(sizes, key=lambda key: sizes[key])
        output[largest] = "<%d characters left out by remotest>" % sizes[largest]
        text = values.pack_text(output)
    return text


def set_title(title: str) -> None:
    """Name the process after what it does, for ps and top."""
    with contextlib.suppress(Exception):  # By contract a title never disturbs a test.
        setproctitle(title)
