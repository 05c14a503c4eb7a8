"""Workers that are forked from one process are what new processes would be, and end as those do."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final

import interpreters
import pytest
from agentworld import Host
from gatewayworld import Watched, World
from workerworld import in_short, passed, properties, write_suite

from pytest_remotest import messages

if TYPE_CHECKING:
    from pathlib import Path


PASS: Final = "def test_a(): pass\ndef test_b(): pass\n"

LOOK: Final = """
    import gc, locale, multiprocessing, os, random, signal, stat, subprocess, sys, threading
    import warnings

    def square(number):
        return number * number

    def seen():
        environ = dict(os.environ)
        for name in ("PYTEST_XDIST_WORKER", "PYTEST_CURRENT_TEST"):
            del environ[name]
        yield "environment", sorted(environ.items())
        yield "argv", sys.argv
        yield "path", sys.path
        yield "flags", repr(sys.flags)
        yield "options", [repr(sys.warnoptions), repr(sys._xoptions), sys.executable, sys.prefix]
        yield "cwd", os.getcwd()
        yield "umask", os.umask(os.umask(0))
        yield "handlers", [repr(signal.getsignal(number)) for number in range(1, 32)]
        yield "mask", repr(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
        yield "threads", [thread.name for thread in threading.enumerate()]
        yield "main thread", threading.current_thread() is threading.main_thread()
        yield "threads of the kernel", len(os.listdir("/proc/self/task"))
        yield "own session and group", [os.getsid(0), os.getpgid(0)] == [os.getpid()] * 2
        yield "kinds of descriptors", kinds()
        yield "standard streams", [stream.fileno() for stream in STREAMS]
        yield "encodings", [stream.encoding + stream.errors for stream in STREAMS]
        yield "buffering", [stream.line_buffering for stream in STREAMS]
        yield "filters", repr(warnings.filters)
        yield "locale", [locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding()]
        yield "name", os.environ["PYTEST_XDIST_WORKER"]
        yield "profile", [sys.gettrace(), sys.getprofile(), gc.isenabled(), gc.get_threshold()]
        yield "recursion", sys.getrecursionlimit()
        for method in ("fork", "spawn"):
            context = multiprocessing.get_context(method)
            with context.Pool(1) as pool:
                yield method, pool.map(square, [7])
        code = "import sys; print(sys.path[1:], sys.stdin.read())"
        yield "child", subprocess.check_output([sys.executable, "-c", code],
                                               stdin=subprocess.DEVNULL).decode()

    STREAMS = [sys.__stdin__, sys.__stdout__, sys.__stderr__]

    def kinds():
        found = []
        for name in os.listdir("/proc/self/fd"):
            try:
                mode = os.fstat(int(name)).st_mode
            except OSError:  # what listed the folder
                continue
            kind = stat.S_IFMT(mode)
            found.append(["%o" % kind, os.get_inheritable(int(name))])
        return sorted(found)

    def test_a(record_property):
        record_property("process", [os.getpid(), os.getppid()])
        record_property("is a fork", "pytest_remotest.zygote" in sys.modules)
        record_property("chance", random.random())
        record_property("title", open("/proc/self/cmdline").read().strip(chr(0)))
        record_property("seen", [list(pair) for pair in seen()])
    def test_b():
        pass
"""


def look(host: Host, directory: Path, workers: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """Return what the first test of each of these workers (name -> how it begins) recorded."""
    names = list(workers)
    for name, how in workers.items():
        host.spawn(name, directory, "-s", **how)
    for _ in names:
        host.wait_for(messages.Collected)
    for name in names:
        host.send(messages.RunItems([0, 1]), messages.Finish(), worker=name)
    for _ in names:
        assert host.wait_for(messages.WorkerExited).status == 0
    return [properties(host.said(name)) for name in names]


@pytest.mark.parametrize(
    ("name", "will_fork"), [("3.6", False), ("3.6", True), ("3.8", True), ("3.13", False)]
)
def test_a_fork_is_what_a_new_process_is(
    world: World, tmp_path: Path, name: str, will_fork: bool
) -> None:
    host = Host(world, interpreters.with_pytest(name), will_fork=will_fork)
    suite = write_suite(tmp_path / "suite", test_a=LOOK)
    workers = {"gw0": {"way": "spawn"}, "gw1": {"way": "auto"}, "gw2": {"way": "auto"}}
    new, first, second = look(host, suite, workers)
    assert [found["is a fork"] for found in (new, first, second)] == [False, True, True]
    for worker, found in zip(workers, (new, first, second), strict=True):
        seen = dict(found["seen"])
        assert seen.pop("name") == worker
        found["seen"] = seen
    assert first["seen"] == second["seen"] == new["seen"]
    agent = host.greeting.info["pid"]
    assert [found["process"][1] for found in (new, first, second)] == [agent] * 3
    assert len({found["chance"] for found in (new, first, second)}) == 3
    assert {found["title"] for found in (new, first, second)} == {
        "[pytest-xdist running] test_a.py::test_a"
    }


@pytest.mark.parametrize(
    ("name", "program"),
    [
        (interpreters.PYPY, ""),
        ("3.8", "import mine"),
        ("3.13", "import signal, threading as t; t.Thread(target=signal.pause, daemon=1).start()"),
        ("3.13", "import sys; sys.settrace(lambda *_: None)"),
    ],
    ids=["PyPy", "a module", "a thread", "a tracer"],
)
def test_where_a_fork_might_be_something_else_there_is_none(
    world: World, tmp_path: Path, name: str, program: str
) -> None:
    """What an environment runs at the start of an interpreter, it runs in each worker."""
    host = Host(world, interpreters.with_pytest(name))
    suite = write_suite(tmp_path / "suite", test_a=LOOK.replace("in seen()", "in ()"))
    started = tmp_path / "site"
    started.mkdir()
    (started / "mine.py").touch()
    (started / "sitecustomize.py").write_text(program)
    found = look(host, suite, {worker: {"PYTHONPATH": str(started)} for worker in ("gw0", "gw1")})
    assert [one["is a fork"] for one in found] == [False, False]
    assert host.zygotes() == []


def test_workers_with_other_variables_begin_with_them(host: Host, tmp_path: Path) -> None:
    source = """
        import os, sys
        def test_a(record_property):
            record_property("found", [os.environ["MINE"], sys.flags.dont_write_bytecode])
        def test_b():
            pass
    """
    suite = write_suite(tmp_path / "suite", test_a=source)
    first = {"MINE": "0", "PYTHONDONTWRITEBYTECODE": ""}
    second = {"MINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    found = look(host, suite, {"gw0": first, "gw1": second, "gw2": first, "gw3": second})
    assert [one["found"] for one in found] == [["0", 0], ["1", 1]] * 2
    assert len(host.zygotes()) == 2


def test_what_workers_fork_from_may_begin_before_anybody_asks(world: World, tmp_path: Path) -> None:
    """It is used by whom it fits, and ended by the first whom it does not fit."""
    suite = write_suite(tmp_path / "suite", test_a=LOOK.replace("in seen()", "in ()"))
    variables = [{}, {}, {"MINE": "1"}, {"MINE": "1"}]
    for way in (variables, variables[::-1]):
        host = Host(world, interpreters.with_pytest("3.13"), will_fork=True)
        (early,) = host.zygotes()
        found = look(host, suite, {f"gw{index}": mine for index, mine in enumerate(way)})
        assert [one["is a fork"] for one in found] == [True] * 4
        pids = [zygote.pid for zygote in host.zygotes()]
        assert len(pids) == 2
        assert (early.pid in pids) == (way is variables)
        host.send(messages.Goodbye())
        assert host.closed() == ["the agent ended"]
        assert early.has_ended()


def test_a_lost_worker_is_followed_by_another_fork(host: Host, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite", test_a=LOOK.replace("in seen()", "in ()"))
    host.spawn("gw0", suite)
    pid, _ = host.property("gw0", "process")
    os.kill(pid, signal.SIGKILL)
    assert host.wait_for(messages.WorkerExited).status == -signal.SIGKILL
    host.spawn("gw1", suite)
    assert host.property("gw1", "is a fork") is True


def test_what_workers_fork_from_may_end(host: Host, tmp_path: Path) -> None:
    """Workers that have begun go on; what comes then is a new process."""
    suite = write_suite(tmp_path / "suite", test_a=LOOK.replace("in seen()", "in ()"))
    host.spawn("gw0", suite)
    host.wait_for(messages.Collected)
    (zygote,) = host.zygotes()
    os.kill(zygote.pid, signal.SIGKILL)
    assert zygote.has_ended()
    host.spawn("gw1", suite)
    assert host.property("gw1", "is a fork") is False
    host.send(messages.RunItems([0, 1]), messages.Finish(), worker="gw0")
    assert host.wait_for(messages.WorkerExited) == messages.WorkerExited("gw0", 0, "")
    assert in_short(host.said("gw0"))[2:] == [
        *passed(0),
        *passed(1),
        messages.SessionFinished(""),
    ]


def test_nobody_waits_for_a_process_that_is_stopped(host: Host, tmp_path: Path) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    started = tmp_path / "site"
    started.mkdir()
    (started / "sitecustomize.py").write_text(f"import sys\nif 'zygote' in sys.argv: {program}")
    suite = write_suite(tmp_path / "suite", test_a=LOOK.replace("in seen()", "in ()"))
    host.send(messages.WatchWorkers(0.1, None))
    host.spawn("gw0", suite, PYTHONPATH=str(started))
    assert host.property("gw0", "is a fork") is False
    assert host.zygotes() == []


def test_a_worker_that_waits_can_be_stopped(host: Host, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite", test_a=PASS)
    host.spawn("gw0", suite)
    host.send(messages.StopWorker("gw0", signal.SIGKILL))
    assert host.wait_for(messages.WorkerExited) == messages.WorkerExited("gw0", -9, "")
    host.spawn("gw1", suite)
    host.run("gw1")
    assert host.wait_for(messages.WorkerExited) == messages.WorkerExited("gw1", 0, "")


def test_what_workers_fork_from_ends_with_the_run(host: Host, tmp_path: Path) -> None:
    """And is no process that a test has left."""
    host.spawn("gw0", write_suite(tmp_path / "suite", test_a=PASS))
    host.run("gw0")
    host.wait_for(messages.WorkerExited)
    zygotes = host.zygotes()
    assert len(zygotes) == 1
    host.send(messages.Goodbye())
    assert host.closed() == ["the agent ended"]
    assert [process.has_ended() for process in zygotes] == [True]
    assert [message for _, message in host.told if type(message) is messages.ProcessesLeft] == []


def test_what_workers_fork_from_ends_with_a_killed_agent(host: Host, tmp_path: Path) -> None:
    host.spawn("gw0", write_suite(tmp_path / "suite", test_a=PASS))
    host.wait_for(messages.Collected)
    zygotes = host.zygotes()
    agent = Watched(host.greeting.info["pid"])
    os.kill(agent.pid, signal.SIGKILL)
    assert [process.has_ended() for process in [agent, *zygotes]] == [True, True]


def test_what_workers_fork_from_may_not_answer(host: Host, tmp_path: Path) -> None:
    """Whoever was to be forked is lost, as it may be there; who comes then is a new process."""
    suite = write_suite(tmp_path / "suite", test_a=LOOK.replace("in seen()", "in ()"))
    host.spawn("gw0", suite)
    host.wait_for(messages.Collected)
    (zygote,) = host.zygotes()
    os.kill(zygote.pid, signal.SIGSTOP)
    host.spawn("gw1", suite)
    words = f"cannot start a process in '{suite}': the process that forks workers does not answer"
    assert host.wait_for(messages.WorkerExited) == messages.WorkerExited("gw1", 1, words)
    assert zygote.has_ended()
    host.spawn("gw2", suite)
    assert host.property("gw2", "is a fork") is False
