"""What a worker says, message by message, on every interpreter and the pytest that it has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import interpreters
import pytest
from workerworld import (
    in_short,
    item,
    output,
    passed,
    properties,
    reports,
    started,
    write_suite,
)

from pytest_remotest import messages

INTERPRETERS: Final = ("3.6", "3.7", "3.8", "3.9", "3.13", interpreters.PYPY)
"""They have pytest 7.0, 7.4, 8.3, 8.4, 9 and, on PyPy, 8.4."""


@pytest.fixture(params=INTERPRETERS)
def python(request: pytest.FixtureRequest) -> str:
    return str(interpreters.with_pytest(request.param))


OUTCOMES: Final = """
    # -*- coding: utf-8 -*-
    import sys, unittest, warnings
    import pytest

    def test_pass(record_property):
        print("printed")
        record_property("odd", {1: (2, b"\\xff", {3})})
        record_property("object", type)

    def test_fail():
        assert ["\\ud800"] == ["a"]

    def test_skip():
        pytest.skip("why")

    @pytest.mark.xfail(reason="because")
    def test_xfail():
        assert 0

    @pytest.mark.xfail
    def test_xpass():
        pass

    @pytest.fixture
    def broken():
        raise ValueError("\\ud800")

    def test_setup_error(broken):
        pass

    @pytest.fixture
    def late():
        yield
        raise ValueError("late")

    def test_teardown_error(late):
        print("printed before")

    def test_warns():
        warnings.warn(u"w\\u00f6rn")

    class TestUnit(unittest.TestCase):
        def test_unit(self):
            self.assertEqual(1, 1)
"""


def test_a_session_of_every_outcome(python: str, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite", test_a=OUTCOMES, test_b="import no_such_module")
    with started(python, suite, "--continue-on-collection-errors") as worker:
        told = worker.run_all()
        assert worker.exit_status() == 1
    names = ["pass", "fail", "skip", "xfail", "xpass", "setup_error", "teardown_error", "warns"]
    assert in_short(told) == [
        "SessionStarted",
        ("CollectReport", "test_b.py", "failed"),
        ("Collected", *(f"test_a.py::test_{n}" for n in names), "test_a.py::TestUnit::test_unit"),
        *passed(0),
        *item(1, (1, "setup", "passed"), (1, "call", "failed"), (1, "teardown", "passed")),
        *item(2, (2, "setup", "passed"), (2, "call", "skipped"), (2, "teardown", "passed")),
        *item(3, (3, "setup", "passed"), (3, "call", "skipped"), (3, "teardown", "passed")),
        *passed(4),
        *item(5, (5, "setup", "failed"), (5, "teardown", "passed")),
        *item(6, (6, "setup", "passed"), (6, "call", "passed"), (6, "teardown", "failed")),
        *item(
            7,
            *((7, when, "passed") for when in ("setup", "call", "teardown")),
            after=[("WarningRecorded", "UserWarning", "w\xf6rn", "runtest")],
        ),
        *passed(8),
        messages.SessionFinished(""),
    ]
    assert [brief.position for brief in worker.briefs] == [8]
    by_name = {(r["nodeid"].partition("test_")[2], r["when"]): r for r in reports(told)}
    first = by_name["a.py::test_pass", "call"]
    assert first["sections"] == [("Captured stdout call", "printed\n")]
    assert first["user_properties"] == [
        ("odd", {1: (2, b"\xff", {3})}),
        ("object", "<class 'type'>"),
    ]
    assert first["location"] == ("test_a.py", 5, "test_pass")
    failed = by_name["a.py::test_fail", "call"]
    message = failed["longrepr"]["reprcrash"]["message"]
    assert message.startswith("AssertionError: assert ['\\ud800'] == ['a']\n")
    assert "At index 0 diff: '\\ud800' != 'a'" in message
    assert by_name["a.py::test_skip", "call"]["longrepr"][2] == "Skipped: why"
    assert by_name["a.py::test_xfail", "call"]["wasxfail"] == "because"
    assert by_name["a.py::test_xpass", "call"]["wasxfail"] == ""
    assert worker.printed() == ""


def test_odd_and_equal_node_ids_arrive(python: str, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import pytest
            @pytest.mark.parametrize("value", ["a b", "[]::/", "\\n", u"\\u00e9", "x" * 10000])
            def test_a(value):
                pass
        """,
        conftest="""
            def pytest_collection_modifyitems(items):
                items.append(items[0])
                items[2]._nodeid = "test_a.py::odd \\xe9\\n\\0"
        """,
    )
    with started(python, suite) as worker:
        told = worker.run_all()
    ids = told[1].ids
    assert [told[1].last, len(ids), ids[0], ids[1]] == [
        True,
        6,
        ids[5],
        "test_a.py::test_a[[]::/]",
    ]
    assert in_short(told[2:]) == [
        *(row for position in range(6) for row in passed(position)),
        messages.SessionFinished(""),
    ]


def test_a_long_collection_comes_in_parts(python: str, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import pytest
            @pytest.mark.parametrize("value", range(5001))
            def test_a(value):
                pass
        """,
    )
    with started(python, suite) as worker:
        told = worker.until(messages.Collected)
        told += worker.until(messages.Collected)
        worker.send(messages.Finish())
        told += worker.until(None)
    assert [(type(m).__name__, *map(len, m[:1])) for m in told[1:3]] == [
        ("Collected", 5000),
        ("Collected", 1),
    ]
    assert [part.last for part in told[1:3]] == [False, True]
    assert in_short(told[3:]) == [messages.SessionFinished("")]


def test_inputs_and_outputs_keep_their_types(python: str, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        conftest="""
            import pytest
            @pytest.hookimpl(trylast=True)
            def pytest_configure(config):
                config.workeroutput["input"] = config.workerinput
            @pytest.hookimpl(hookwrapper=True)
            def pytest_sessionfinish(session):
                yield
                session.config.workeroutput["late"] = "x" * 20000000
        """,
        test_a="""
            def test_a(worker_id, testrun_uid, request, record_property):
                import xdist
                record_property("ids", [
                    worker_id, testrun_uid, xdist.get_xdist_worker_id(request),
                    xdist.is_xdist_worker(request), xdist.is_xdist_controller(request),
                    xdist.is_xdist_master(request)])
        """,
    )
    given = {
        "workerid": "gw3",
        "testrunuid": "run",
        "mainargv": ["pytest", "-n", "2"],
        1: (None, True, 0.5, b"\xff", {1}, frozenset([2]), -(2**31) - 1),
    }
    with started(python, suite, worker_input=given) as worker:
        told = worker.run_all()
        assert worker.exit_status() == 0
    assert output(told) == {
        "input": given,
        "late": "x" * 20_000_000,
        "exitstatus": 0,
        "shouldfail": False,
        "shouldstop": False,
    }
    assert properties(told)["ids"] == ["gw3", "run", "gw3", True, False, False]


def test_the_terminal_of_a_worker_is_nowhere_and_stdout_is_what_it_was(
    python: str, tmp_path: Path
) -> None:
    suite = write_suite(
        tmp_path / "suite",
        conftest="""
            import sys
            before = sys.stdout
            def pytest_configure(config):
                print("configured")
                assert sys.stdout is before
            def pytest_terminal_summary(terminalreporter):
                terminalreporter.write_line("a line of a summary")
                print("a summary")
            def pytest_unconfigure():
                print("unconfigured")
        """,
        test_a="""
            import os, sys
            def test_a():
                print("printed")
                sys.stderr.write("complained\\n")
                os.write(1, b"written\\n")
        """,
    )
    (suite / "pytest.ini").write_text(
        "[pytest]\nlog_cli = true\naddopts = -vv -rA --durations=3 -n3\n"
    )
    arguments = ("-s", "--tb=short", "--setup-show", "--color=yes", "-W", "error")
    with started(python, suite, *arguments, environment={"PYTHONUNBUFFERED": "1"}) as worker:
        told = worker.run_all()
        assert worker.exit_status() == 0
    assert in_short(told[2:]) == [*passed(0), messages.SessionFinished("")]
    assert worker.printed().splitlines() == [
        "configured",
        "printed",
        "complained",
        "written",
        "unconfigured",
    ]


def test_a_process_is_what_its_tests_expect(python: str, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        json="raise SystemExit('this json is not ours')",
        test_a="""
            import os, sys, threading
            def test_a(record_property):
                record_property("argv", sys.argv)
                record_property("path", sys.path)
                record_property("PYTHONPATH", os.environ["PYTHONPATH"])
                record_property("nice", os.nice(0))
                record_property("main", threading.current_thread() is threading.main_thread())
        """,
    )
    fields: dict[str, Any] = {"python_path": ["/some", "", "/some"], "nice": 2}
    environment = {"PYTHONPATH": f"/inherited:{tmp_path}"}
    with started(python, suite, environment=environment, **fields) as worker:
        found = properties(worker.run_all())
    path = found.pop("path")
    assert found == {
        "argv": ["-c"],
        "PYTHONPATH": os.pathsep.join(["/some", "", "/some", "/inherited", str(tmp_path)]),
        "nice": os.nice(0) + 2,
        "main": True,
    }
    assert path[:5] == [str(suite), "/some", "", "/inherited", str(tmp_path)]


def test_the_whole_path_can_be_given(tmp_path: Path) -> None:
    python = interpreters.with_pytest("3.13")
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import os, sys
            def test_a(record_property):
                record_property("path", sys.path)
                record_property("PYTHONPATH", os.environ.get("PYTHONPATH"))
        """,
    )
    probe = "import sys; print(*filter(None, sys.path), sep=chr(10))"
    own = subprocess.check_output([python, "-c", probe], text=True).splitlines()
    path = ["", "/first", *own]
    environment = {"PYTHONPATH": ""}
    with started(
        python, suite, environment=environment, python_path=path, whole_path=True
    ) as worker:
        found = properties(worker.run_all())
    assert found == {"path": [str(suite), *path], "PYTHONPATH": ""}


def test_the_title_tells_what_runs(python: str, tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        test_a="""
            import pytest
            @pytest.mark.parametrize("value", ["a\\n", "\\0", u"\\u00e9"], ids=["a\\n", "0", "e"])
            def test_a(value, record_property):
                pytest.importorskip("setproctitle")
                with open("/proc/self/cmdline", "rb") as stream:
                    record_property(repr(value), stream.read())
        """,
    )
    with started(python, suite) as worker:
        ids = worker.until(messages.Collected)[-1].ids
        worker.send(messages.RunItems([0, 1, 2, 0]))
        told = [message for _ in ids for message in worker.until(messages.ItemFinished)]
        idle = Path(f"/proc/{worker.process.pid}/cmdline").read_bytes()
        worker.send(messages.Finish())
        worker.until(None)
    if any(report["outcome"] == "skipped" for report in reports(told)):
        pytest.skip("this interpreter has no setproctitle")
    assert idle.rstrip(b"\0") == b"[pytest-xdist idle]"
    for title, node_id in zip(properties(told).values(), ids, strict=True):
        assert title.rstrip(b"\0") == b"[pytest-xdist running] " + node_id.encode()
