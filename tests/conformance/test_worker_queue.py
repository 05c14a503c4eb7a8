"""What a worker runs, when, and how its session ends, on every interpreter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import interpreters
import pytest
from workerworld import in_short, item, output, passed, started, write_suite

from pytest_remotest import messages

if TYPE_CHECKING:
    from pathlib import Path

INTERPRETERS: Final = (
    *("3.6", "3.13", interpreters.PYPY),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("3.7", "3.9")),
)


@pytest.fixture(params=INTERPRETERS)
def python(request: pytest.FixtureRequest) -> str:
    return str(interpreters.with_pytest(request.param))


SCOPES: Final = """
    import pytest

    @pytest.fixture(scope="class")
    def resource():
        print("made")
        yield
        print("torn down")

    class TestOne:
        def test_a(self, resource):
            pass
        def test_b(self, resource):
            pass

    class TestTwo:
        def test_c(self, resource):
            pass
"""


def phases_that_print(told: list[Any]) -> list[Any]:
    """Return, for each report with output of its own phase, where it is from and the output."""
    return [
        (message.position, message.data["when"], text)
        for message in told
        if isinstance(message, messages.TestReport)
        for title, text in message.data["sections"]
        if title == f"Captured stdout {message.data['when']}"
    ]


@pytest.mark.parametrize(
    ("order", "printed"),
    [
        pytest.param(
            [0, 1, 2],
            [
                (0, "setup", "made"),
                (1, "teardown", "torn down"),
                (2, "setup", "made"),
                (2, "teardown", "torn down"),
            ],
            id="in order",
        ),
        pytest.param(
            [0, 2, 1],
            [
                (position, when, text)
                for position in (0, 2, 1)
                for when, text in (("setup", "made"), ("teardown", "torn down"))
            ],
            id="another class between",
        ),
    ],
)
def test_fixtures_live_until_the_last_item_that_is_given_for_them(
    python: str, tmp_path: Path, order: list[int], printed: list[Any]
) -> None:
    suite = write_suite(tmp_path / "suite", test_a=SCOPES)
    with started(python, suite) as worker:
        worker.until(messages.Collected)
        for position in order:
            worker.send(messages.RunItems([position]))
        worker.send(messages.Finish())
        told = worker.until(None)
    assert phases_that_print(told) == [(p, when, f"{text}\n") for p, when, text in printed]
    assert in_short(told) == [
        *(row for position in order for row in passed(position)),
        messages.SessionFinished(""),
    ]


BLOCKING: Final = """
    import pytest
    @pytest.mark.parametrize("number", range(5))
    def test_a(number):
        if number == 0:
            with open("gate") as gate:  # a FIFO: waits until the other end is open
                gate.read()
"""


def test_an_item_begins_when_its_successor_is_known(python: str, tmp_path: Path) -> None:
    """Items that have not been taken up come back; the one after the running one has been."""
    suite = write_suite(tmp_path / "suite", test_a=BLOCKING)
    os.mkfifo(suite / "gate")
    with started(python, suite) as worker:
        worker.until(messages.Collected)
        worker.send(messages.RunItems([0]))
        worker.send(messages.RunItems([3, 1, 4, 2]))
        with (suite / "gate").open("w"):
            worker.send(messages.ReclaimItems([0, 3, 4, 1, 99]))
            told = worker.until(messages.ItemsReturned)
            worker.send(messages.ReclaimItems([1]))
            told += worker.until(messages.ItemsReturned)
        told += worker.until(messages.ItemFinished)
        assert in_short(told) == [
            *passed(0)[:1],
            messages.ItemsReturned([1, 4]),
            messages.ItemsReturned([]),
            *passed(0)[1:],
        ]
        assert in_short(worker.until(messages.ItemFinished)) == passed(3)
        worker.send(messages.RunItems([1]))
        assert in_short(worker.until(messages.ItemFinished)) == passed(2)
        worker.send(messages.Finish())
        assert in_short(worker.until(None)) == [*passed(1), messages.SessionFinished("")]
        assert worker.exit_status() == 0


def test_stop_lets_the_running_item_end_and_begins_no_other(python: str, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite", test_a=BLOCKING)
    os.mkfifo(suite / "gate")
    with started(python, suite) as worker:
        worker.until(messages.Collected)
        worker.send(messages.RunItems([0, 1, 2]))
        with (suite / "gate").open("w"):
            # The answer to the second tells that the first has been obeyed.
            worker.send(messages.StopSession("enough"), messages.ReclaimItems([2]))
            told = worker.until(messages.ItemsReturned)
        told += worker.until(None)
        assert in_short(told) == [
            *passed(0)[:1],
            messages.ItemsReturned([]),
            *passed(0)[1:],
            messages.SessionFinished(""),
        ]
        assert worker.exit_status() == 0


def test_a_suite_without_items_ends_when_it_is_told(python: str, tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite")
    with started(python, suite) as worker:
        assert in_short(worker.run_all()) == [
            "SessionStarted",
            ("Collected",),
            messages.SessionFinished(""),
        ]
        assert worker.exit_status() == 5


# -- ends that tests and plugins bring about ----------------------------------------------------

PASS: Final = """
    def test_a():
        pass
    def test_b():
        pass
"""


@pytest.mark.parametrize(
    ("body", "reason", "status"),
    [
        ("import pytest; pytest.exit('enough')", "Exit: enough", 2),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: ", 2),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", "KeyboardInterrupt: ", 2),
    ],
    ids=["exit", "KeyboardInterrupt", "SIGINT"],
)
def test_an_interrupted_session_says_why(
    python: str, tmp_path: Path, body: str, reason: str, status: int
) -> None:
    suite = write_suite(tmp_path / "suite", test_a=f"def test_a():\n    {body}\n")
    with started(python, suite) as worker:
        told = worker.run_all()
        assert worker.exit_status() == status
    assert in_short(told[2:]) == [
        ("LogStart", 0),
        (0, "setup", "passed"),
        messages.SessionFinished(reason),
    ]
    assert output(told)["exitstatus"] == status


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_a_session_stops_itself_at_its_first_failure(
    python: str, tmp_path: Path, when: str
) -> None:
    hook = f"def pytest_runtest_{when}(item):\n    assert 0\n"
    suite = write_suite(tmp_path / "suite", test_a=PASS, conftest=hook)
    with started(python, suite, "-x") as worker:
        told = worker.run_all()
        assert worker.exit_status() == 1
    phases = ["setup", "teardown"] if when == "setup" else ["setup", "call", "teardown"]
    outcomes = ["failed" if phase == when else "passed" for phase in phases]
    rows = [(0, phase, outcome) for phase, outcome in zip(phases, outcomes, strict=True)]
    assert in_short(told[2:]) == [*item(0, *rows), messages.SessionFinished("")]
    assert output(told)["shouldfail"] == "stopping after 1 failures"


def test_a_broken_plugin_is_an_internal_error(python: str, tmp_path: Path) -> None:
    conftest = "def pytest_runtest_protocol(item):\n    raise ValueError('broken')\n"
    suite = write_suite(tmp_path / "suite", test_a=PASS, conftest=conftest)
    with started(python, suite) as worker:
        told = worker.run_all()
        assert worker.exit_status() == 3
    assert in_short(told[2:]) == [
        ("InternalError", "ValueError: broken"),
        messages.SessionFinished(""),
    ]


@pytest.mark.parametrize("when", ["configure", "sessionstart"])
def test_a_plugin_that_breaks_before_collection_is_an_internal_error(
    python: str, tmp_path: Path, when: str
) -> None:
    conftest = f"def pytest_{when}():\n    1 / 0\n"
    suite = write_suite(tmp_path / "suite", test_a=PASS, conftest=conftest)
    with started(python, suite) as worker:
        told = worker.run_all()
        assert worker.exit_status() == 3
    assert in_short(told)[-1] == ("InternalError", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("conftest", "argument", "words"),
    [
        ("", "--no-such-option", "unrecognized arguments: --no-such-option"),
        ("", "no_such_file.py", "file or directory not found: no_such_file.py"),
        ("import no_such_module", ".", "No module named 'no_such_module'"),
        ("def pytest_sessionfinish(): 1/0", ".", "ZeroDivisionError"),
    ],
    ids=["option", "file", "conftest", "sessionfinish"],
)
def test_a_session_that_does_not_end_in_order_says_why_on_stderr(
    python: str, tmp_path: Path, conftest: str, argument: str, words: str
) -> None:
    suite = write_suite(tmp_path / "suite", test_a=PASS, conftest=conftest)
    with started(python, suite, argument) as worker:
        told = worker.run_all()
        assert worker.exit_status() == (1 if "sessionfinish" in conftest else 4)
    assert messages.SessionFinished not in map(type, told)
    assert words in worker.printed()
