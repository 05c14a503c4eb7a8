"""``--workers=fork``: what happens once for all workers of a host, what in each, and when not."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any, Final

import interpreters
import pytest
from agentworld import Host
from workerworld import in_short, output, passed, properties, reports, write_suite

from pytest_remotest import messages

if TYPE_CHECKING:
    from pathlib import Path

    from gatewayworld import World


CONFTEST: Final = """
    import atexit, logging, os, sys, tempfile
    import pytest

    def note(what):
        with open(os.environ["NOTES"], "a") as file:
            file.write(what + "\\n")

    note("conftest")
    logging.basicConfig()  # writes to what standard error is during collection
    own_file = tempfile.TemporaryFile()
    own_file.write(b"from collection ")
    if sys.version_info < (3, 10):  # Newer ones tell where in memory the function is.
        atexit.register(lambda: 1 / 0)

    def pytest_configure(config):
        note("configure")
    def pytest_sessionstart(session):
        note("sessionstart")
    def pytest_collection_modifyitems(items):
        note("collection")
    def pytest_sessionfinish(session):
        note("sessionfinish of " + session.config.workerinput["workerid"])
        session.config.workeroutput["mine"] = session.config.workerinput["workerid"]
    def pytest_unconfigure(config):
        note("unconfigure")

    @pytest.fixture(scope="session")
    def costly(worker_id):
        note("fixture of " + worker_id)
        yield worker_id
        note("end of fixture of " + worker_id)
"""
SUITE: Final = """
    import logging, os, random, sys
    import pytest
    import conftest

    conftest.note("module")

    def test_a(costly, record_property, tmp_path_factory, tmpdir_factory, request):
        name = os.environ["PYTEST_XDIST_WORKER"]
        sys.stdout.write("printed by %s\\n" % name)
        os.write(2, b"written by " + name.encode() + b"\\n")
        logging.getLogger().warning("logged by %s", name)
        conftest.own_file.write(name.encode())
        conftest.own_file.seek(0)
        record_property("name", [name, costly, request.config.workerinput["workerid"]])
        record_property("own file", conftest.own_file.read().decode())
        record_property("folder", os.path.basename(str(tmp_path_factory.getbasetemp())))
        record_property("old folder", os.path.basename(str(tmpdir_factory.getbasetemp())))
        record_property("option", os.path.basename(str(request.config.option.basetemp)))
        record_property("chance", random.random())
        record_property("process", [os.getpid(), os.getppid(), os.getsid(0)])
        record_property("descriptors", sorted(map(int, os.listdir("/proc/self/fd"))))
    def test_b():
        assert 0
"""
NAMES: Final = ("gw0", "gw1", "gw2")


def run_all(
    host: Host, suite: Path, *arguments: str, way: str, notes: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """Run a suite on three workers, all of it on each.

    Returns:
        What each has said, and what each has printed past the capture.
    """
    begin = len(host.told)
    for name in NAMES:
        host.spawn(name, suite, *arguments, way=way, NOTES=str(notes))
    counts = {}
    while len(counts) < len(NAMES):
        ids = host.ids_of(host.wait_for(messages.Collected))
        counts[host.told[-1][0]] = len(ids)
    for name in NAMES:
        host.send(messages.RunItems(list(range(counts[name]))), messages.Finish(), worker=name)
    exited = [host.wait_for(messages.WorkerExited) for _ in NAMES]
    printed = {message.worker: message.output for message in exited}
    told = host.told[begin:]
    return {
        name: [message for worker, message in told if worker == name] for name in NAMES
    }, printed


def rows_of(told: list[Any]) -> list[Any]:
    """Return what a worker has said, but for warnings and for ids, which cross the link once."""
    left_out = ("WarningRecorded", "Collected")
    return [row for row in in_short(told) if row[0] not in left_out]


@pytest.mark.parametrize(
    ("name", "capture"), [("3.6", "fd"), ("3.8", "no"), ("3.13", "fd"), ("3.13", "sys")]
)
def test_what_happens_once_and_what_in_each(
    world: World, tmp_path: Path, name: str, capture: str
) -> None:
    host = Host(world, interpreters.with_pytest(name))
    suite = write_suite(tmp_path / "suite", conftest=CONFTEST, test_a=SUITE)
    notes = tmp_path / "notes"
    told, printed = run_all(host, suite, f"--capture={capture}", way="fork", notes=notes)
    lines = notes.read_text().splitlines()
    assert lines[:5] == ["conftest", "configure", "sessionstart", "module", "collection"]
    in_each = ("fixture", "end of fixture", "sessionfinish")
    expected = [f"{what} of {worker}" for what in in_each for worker in NAMES]
    assert sorted(lines[5:]) == sorted([*expected, *["unconfigure"] * 3])
    found = {worker: properties(said) for worker, said in told.items()}
    for worker, one in found.items():
        assert one["name"] == [worker] * 3
        assert one["own file"] == f"from collection {worker}"
        folders = [one["folder"], one["old folder"], one["option"]]
        assert folders == [f"popen-{worker}"] * 3
        process, parent, session = one["process"]
        assert (parent, session) == (host.greeting.info["pid"], process)
        assert output(told[worker])["mine"] == worker
    assert len({one["chance"] for one in found.values()}) == 3
    by_itself, printed_then = run_all(host, suite, f"--capture={capture}", way="auto", notes=notes)
    assert printed == printed_then
    for worker in NAMES:
        assert rows_of(told[worker]) == rows_of(by_itself[worker])
        assert _printed(told[worker]) == _printed(by_itself[worker])
        mine = found[worker]["descriptors"]
        assert len(mine) <= len(properties(by_itself[worker])["descriptors"]) + 1


def _printed(told: list[Any]) -> list[Any]:
    return [report["sections"] for report in reports(told)]


def warnings_of(host: Host) -> list[str]:
    """Return the texts of the warnings that the agent's workers have told."""
    return [m.text for _, m in host.told if isinstance(m, messages.WarningRecorded)]


HINDRANCES: Final = {
    "thread": (
        "threading.Thread(target=signal.pause, name='mine', daemon=True).start()",
        "the thread mine",
    ),
    "socket": ("kept = socket.socket()", "open: a socket"),
    "file": ("kept = open(__file__)", "open: {suite}/conftest.py"),
    "pipe": ("kept = os.pipe()", "open: a pipe; open: a pipe"),
    "loop": ("kept = select.epoll()", "open: an event loop"),
    "child": ("kept = subprocess.Popen(['sleep', '100'])", "child processes: 1"),
    "tracer": ("sys.settrace(lambda *_: None)", "coverage is measured, or a debugger runs"),
    "name": (
        "def pytest_configure(config): config.workerinput['workerid']",
        "the name of the worker (workerinput['workerid']) was asked for",
    ),
    "end": (
        "if __import__('multiprocessing').current_process() and not kept_alive(): os._exit(7)",
        "it is gone (the pipe ended)",
    ),
    "noise": (
        "if not kept_alive(): [os.write(n, b'\\0\\0\\0\\4oops') for n in sockets()]",
        "b'oops' is no answer",
    ),
}


@pytest.mark.parametrize("name", HINDRANCES)
def test_what_forks_would_share_turns_it_off(host: Host, tmp_path: Path, name: str) -> None:
    """The user hears why, once, and each worker collects by itself."""
    line, reason = HINDRANCES[name]
    conftest = f"""
        import os, select, signal, socket, stat, subprocess, sys, threading
        def kept_alive():
            try:
                os.close(os.open(os.environ["NOTES"], os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return True
        def sockets():
            for name in os.listdir("/proc/self/fd"):
                target = "/proc/self/fd/" + name
                if os.path.exists(target) and stat.S_ISSOCK(os.stat(target).st_mode):
                    yield int(name)
        {line}
    """
    suite = write_suite(tmp_path / "suite", conftest=conftest, test_a="def test_a(): pass")
    told, _ = run_all(host, suite, way="fork", notes=tmp_path / "notes")
    assert warnings_of(host) == [
        "--workers=fork: each worker collects by itself, as a fork would share what it must not: "
        + reason.format(suite=suite)
    ]
    for said in told.values():
        assert rows_of(said)[1:] == [*passed(0), messages.SessionFinished("")]


def test_where_nothing_is_forked_the_user_hears_why(world: World, tmp_path: Path) -> None:
    host = Host(world, interpreters.with_pytest(interpreters.PYPY))
    suite = write_suite(tmp_path / "suite", test_a="def test_a(): pass")
    run_all(host, suite, way="fork", notes=tmp_path / "notes")
    assert [text.rpartition(": ")[2] for text in warnings_of(host)] == ["pypy saves nothing by it"]


def test_a_lost_worker_is_followed_by_one_that_need_not_collect(host: Host, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite", conftest=CONFTEST, test_a=SUITE)
    notes = tmp_path / "notes"
    host.spawn("gw0", suite, way="fork", NOTES=str(notes))
    pid = host.property("gw0", "process")[0]
    os.kill(pid, signal.SIGKILL)
    assert host.wait_for(messages.WorkerExited).status == -signal.SIGKILL
    host.spawn("gw1", suite, way="fork", NOTES=str(notes))
    assert host.property("gw1", "folder") == "popen-gw1"
    assert notes.read_text().splitlines().count("collection") == 1
    assert rows_of(host.said("gw1"))[:2] == rows_of(host.said("gw0"))[:2]


def test_a_suite_may_ignore_how_its_children_end(host: Host, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        conftest="import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        test_a="def test_a(): pass",
    )
    told, _ = run_all(host, suite, way="fork", notes=tmp_path / "notes")
    assert warnings_of(host) == []
    for said in told.values():
        assert rows_of(said)[1:] == [*passed(0), messages.SessionFinished("")]


def test_what_is_printed_during_collection_is_relayed_once(host: Host, tmp_path: Path) -> None:
    conftest = """
        import os
        os.write(1, b"from the conftest\\n")
        def pytest_collection_finish():
            os.write(2, b"from a hook\\n")
    """
    suite = write_suite(tmp_path / "suite", conftest=conftest, test_a="def test_a(): pass")
    for name in NAMES:
        host.spawn(name, suite, "-s", way="fork")
    for _ in NAMES:
        host.wait_for(messages.Collected)
    for name in NAMES:
        host.send(messages.RunItems([0]), messages.Finish(), worker=name)
    words = [host.wait_for(messages.WorkerExited).output for _ in NAMES]
    assert sorted(words) == ["", "", "from the conftest\nfrom a hook\n"]


@pytest.mark.parametrize("broken", ["conftest", "test_a"])
def test_a_collection_that_fails_is_told_by_each_worker(
    host: Host, tmp_path: Path, broken: str
) -> None:
    files = {"test_a": "def test_a(): pass", broken: "raise ValueError('broken')"}
    suite = write_suite(tmp_path / "suite", **files)
    told = {}
    for way in ("auto", "fork"):
        names = [f"{way}{number}" for number in range(2)]
        for name in names:
            host.spawn(name, suite, way=way)
        if broken == "test_a":
            for _ in names:
                host.wait_for(messages.Collected)
            for name in names:
                host.send(messages.Finish(), worker=name)
        told[way] = []
        for _ in names:
            exited = host.wait_for(messages.WorkerExited)
            rows = rows_of(host.said(exited.worker))
            told[way].append(json.dumps([exited.status, rows]))
    assert told["fork"] == told["auto"]
