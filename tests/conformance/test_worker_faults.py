"""What tests may do to the process that runs them, and what a worker makes of it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

import interpreters
import pytest
from gatewayworld import Watched
from workerworld import in_short, output, passed, properties, reports, started, write_suite

from pytest_remotest import messages, workerlink
from pytest_remotest.pipes import LINK_LOST_STATUS

if TYPE_CHECKING:
    from pathlib import Path

OLDER: Final = ("3.6", interpreters.PYPY)
INTERPRETERS: Final = (*OLDER, "3.13")


@pytest.fixture(params=INTERPRETERS)
def python(request: pytest.FixtureRequest) -> str:
    return str(interpreters.with_pytest(request.param))


HARMLESS: Final = {
    "prints": "print('a' * 100000); os.write(1, b'b' * 100000); os.system('echo c')",
    "has no stdout": "sys.stdout = sys.stderr = None",
    "removes the directory": "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
    "changes the directory": "os.chdir('/')",
    "raises SystemExit": "raise SystemExit(7)",
    "ignores signals": "[signal.signal(n, signal.SIG_IGN) for n in (2, 15)]",
    "makes a session of its own process": "os.getpgid(0) == os.getsid(0) or os.setsid()",
    "leaves a thread": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "exits in a thread": "threading.Thread(target=sys.exit).start()",
    "sets a trace": "sys.settrace(None)",
    "collects": "gc.collect()",
    "closes its standard streams": "[os.close(fd) for fd in (0, 1, 2)]",
    "patches what we call": "os.write = os.read = os.getpid = os.fstat = json.dumps = None",
}


def check_no_harm(python: str, tmp_path: Path, *bodies: str) -> None:
    """Check that a worker runs tests with these bodies, and then one that passes."""
    lines = ["import gc, json, os, shutil, signal, sys, threading"]
    for number, body in enumerate([*bodies, "pass"]):
        lines += [f"def test_{number}():", f"    {body}"]
    suite = write_suite(tmp_path / "suite", test_a="\n".join(lines))
    with started(python, suite, "-s", "-p", "no:threadexception") as worker:
        told = worker.run_all()
        worker.exit_status()
    assert [row for row in in_short(told) if type(row) is tuple and row[0] == "ItemFinished"] == [
        ("ItemFinished", number) for number in range(len(bodies) + 1)
    ]
    assert in_short(told)[-1] == messages.SessionFinished("")
    assert in_short(told)[-6:-1] == passed(len(bodies))[1:]


@pytest.mark.parametrize("what", HARMLESS)
@pytest.mark.parametrize(
    "python",
    ["3.13", *(pytest.param(name, marks=pytest.mark.slow) for name in OLDER)],
    indirect=True,
)
def test_a_test_that_does_no_harm(python: str, tmp_path: Path, what: str) -> None:
    check_no_harm(python, tmp_path, HARMLESS[what])


@pytest.mark.parametrize("python", OLDER, indirect=True)
def test_tests_that_do_no_harm_one_after_another(python: str, tmp_path: Path) -> None:
    check_no_harm(python, tmp_path, *HARMLESS.values())


def test_a_fork_that_comes_back_into_pytest_is_not_heard(python: str, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import os
            def test_a(record_property):
                child = os.fork()
                if child:
                    _, status = os.waitpid(child, 0)
                    record_property("status", os.WEXITSTATUS(status))
                    record_property("child", child)
            def test_b():
                pass
        """,
    )
    # From 3.12 on Python warns where a process with threads forks, and we have one.
    with started(python, suite, "-W", "ignore::DeprecationWarning") as worker:
        told = worker.run_all()
        assert worker.exit_status() == 0
    found = properties(told)
    text = f"process {found.pop('child')}, a fork of this test, came back into pytest and was ended"
    text += ": let it end itself, by os._exit()"
    warning = ("WarningRecorded", "RuntimeWarning", text, "runtest")
    *before, finished = passed(0)
    end = messages.SessionFinished("")
    assert in_short(told[2:]) == [*before, warning, finished, *passed(1), end]
    assert found == {"status": workerlink.FORKED_CHILD_STATUS}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.abort()", -signal.SIGABRT),
        ("os.closerange(3, 256)", LINK_LOST_STATUS),
        (
            "os.closerange(3, 256); files.extend(open('taken', 'ab') for _ in range(50))",
            LINK_LOST_STATUS,
        ),
    ],
    ids=["exits", "kills itself", "aborts", "closes everything", "takes our descriptors"],
)
def test_a_worker_that_dies_has_said_what_it_was_at(
    python: str, tmp_path: Path, body: str, status: int
) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a=f"""
            import os
            files = []
            def test_a():
                pass
            def test_b():
                {body}
        """,
    )
    with started(python, suite) as worker:
        told = worker.run_all()
        assert worker.exit_status() == status
    assert in_short(told[2:]) == [*passed(0), ("LogStart", 1)]
    if (suite / "taken").exists():
        assert (suite / "taken").read_bytes() == b""


def test_a_crash_is_dumped(python: str, tmp_path: Path) -> None:
    if python == str(interpreters.with_pytest(interpreters.PYPY)):
        pytest.skip("PyPy has no faulthandler._sigsegv")
    suite = write_suite(
        tmp_path / "suite", test_a="def test_a():\n    __import__('faulthandler')._sigsegv()\n"
    )
    with started(python, suite) as worker:
        worker.run_all()
        assert worker.exit_status() == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in worker.printed()
    assert "in test_a" in worker.printed()


def test_a_worker_does_not_outlive_its_agent(python: str, tmp_path: Path) -> None:
    """Its group goes with it; and a child of a test does not hold the pipes open."""
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import subprocess, time
            def test_a(record_property):
                child = subprocess.Popen(["sleep", "1000"], close_fds=False)
                record_property("child", child.pid)
            def test_b():
                time.sleep(1000)
        """,
    )
    with started(python, suite) as worker:
        ids = worker.until(messages.Collected)[-1].ids
        worker.send(messages.RunItems(list(range(len(ids)))), messages.Finish())
        told = worker.until(messages.ItemFinished)
        child = Watched(properties(told)["child"])
        worker.hang_up()
        assert worker.exit_status() == -signal.SIGKILL
        assert child.has_ended()


def test_what_happens_at_exit_still_happens(python: str, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import atexit, threading, time
            def test_a():
                atexit.register(print, "at exit")
                threading.Thread(target=lambda: (time.sleep(0.2), print("a thread"))).start()
        """,
    )
    with started(python, suite, "-s", environment={"PYTHONUNBUFFERED": "1"}) as worker:
        told = worker.run_all()
        assert worker.exit_status() == 0
    assert in_short(told)[-1] == messages.SessionFinished("")
    assert worker.printed().split("\n") == ["a thread", "at exit", ""]


def test_reports_that_cannot_be_serialised_are_told_in_plain_text(
    python: str, tmp_path: Path
) -> None:
    suite = write_suite(
        tmp_path / "suite",
        conftest="""
            import pytest
            class Broken:
                def toterminal(self, writer):
                    raise RuntimeError
                def __str__(self):
                    raise RuntimeError
                def __repr__(self):
                    raise RuntimeError
            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtest_makereport(item, call):
                outcome = yield
                report = outcome.get_result()
                if call.when == "call":
                    report.longrepr = Broken()
                    report.outcome = "failed"
                    report.sections.append(Broken())
            def pytest_sessionfinish(session):
                session.config.workeroutput["broken"] = Broken()
        """,
        test_a="def test_a(): pass",
    )
    with started(python, suite, "--tb=no") as worker:
        told = worker.run_all()
        assert worker.exit_status() == 1
    words = "<Broken object whose repr() raises RuntimeError>"
    assert [report["longrepr"] for report in reports(told)] == [None, words, None]
    assert output(told)["broken"] == words


@pytest.mark.parametrize(
    "python",
    ["3.6", *(pytest.param(name, marks=pytest.mark.slow) for name in ("3.13", "pypy3"))],
    indirect=True,
)
def test_floods_of_reports_and_warnings_stay_below_the_frame_limit(
    python: str, tmp_path: Path
) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import pytest, sys, warnings
            @pytest.mark.parametrize("number", range(3))
            def test_a(number):
                print("\\u00e9" * 4000000)
                sys.stderr.write("x" * 50000000)
            def test_b():
                for number in range(5000):
                    warnings.warn("x" * 5000 + str(number))
        """,
    )
    with started(python, suite) as worker:
        told = worker.run_all()  # read_body raises where a body is over the limit
        assert worker.exit_status() == 0
    assert in_short(told)[-1] == messages.SessionFinished("")
    assert sum(isinstance(m, messages.WarningRecorded) for m in told) == 5000
    titles = [title for report in reports(told) for title, _ in report["sections"]]
    # A teardown's report carries the output of the phases before as well.
    assert titles.count("cut by remotest") == 6


def test_a_host_without_setproctitle_runs_as_well(tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        setproctitle="def setproctitle(title):\n    raise SystemError(title)\n",
        test_a="def test_a(): pass",
    )
    python = interpreters.with_pytest("3.13")
    with started(python, suite, environment={"PYTHONPATH": os.fspath(suite)}) as worker:
        told = worker.run_all()
        assert worker.exit_status() == 0
    assert in_short(told[2:]) == [*passed(0), messages.SessionFinished("")]
