"""When a worker is to be ended that does not move, or says nothing; with a clock of the test's."""

from __future__ import annotations

import itertools
from typing import Final

import pytest

from pytest_remotest.processstate import (
    FROZEN,
    HUNG,
    MOVING,
    STOPPED,
    TRACED,
    ProcessState,
)
from pytest_remotest.watch import IDLE, LONGEST_STEP_S, Verdict, Watch

STOP: Final = ProcessState(STOPPED, "SIGSTOP", "7 1")
SILENT: Final = Verdict("said nothing for 5 s (--worker-timeout) and was killed", can_speak=True)


SECONDS: Final = itertools.count(1000)


def seconds_until_verdict(
    watch: Watch, state: ProcessState | None, *, most: int = 200
) -> tuple[int, Verdict | None]:
    """Look once a second; return after how many seconds there is a verdict."""
    for second in range(most):
        verdict = watch.look(float(next(SECONDS)), state)
        if verdict is not None:
            return second, verdict
    return most, None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (STOP, (30, "was stopped (SIGSTOP) for 30 s and was killed")),
        (ProcessState(STOPPED), (30, "was stopped for 30 s and was killed")),
        (ProcessState(FROZEN), (30, "was frozen by a control group for 30 s and was killed")),
        (ProcessState(HUNG), (120, "hung in the kernel (state D) for 120 s and was killed")),
    ],
)
def test_what_does_not_move_is_ended(state: ProcessState, expected: tuple[int, str]) -> None:
    seconds, words = expected
    verdict = Verdict(words, can_speak=False)
    assert seconds_until_verdict(Watch(30.0, None), state) == (seconds, verdict)


@pytest.mark.parametrize("state", [None, ProcessState(MOVING), ProcessState(TRACED)])
def test_what_moves_or_is_debugged_is_left_alone(state: ProcessState | None) -> None:
    assert seconds_until_verdict(Watch(30.0, None), state) == (200, None)


@pytest.mark.parametrize("between", [STOP._replace(moves="8 1"), ProcessState(MOVING, "", "8 1")])
def test_what_moved_in_between_begins_anew(between: ProcessState) -> None:
    watch = Watch(30.0, None)
    assert seconds_until_verdict(watch, STOP, most=29) == (29, None)
    assert seconds_until_verdict(watch, between, most=1) == (1, None)
    assert seconds_until_verdict(watch, STOP, most=29) == (29, None)


@pytest.mark.parametrize("idle", IDLE)
def test_a_silence_counts_while_there_is_something_to_run(idle: bytes) -> None:
    watch = Watch(30.0, 5.0)
    moving = ProcessState(MOVING)
    assert seconds_until_verdict(watch, moving) == (200, None)
    # The second before the first look counts.
    watch.told()
    assert seconds_until_verdict(watch, moving) == (4, SILENT)
    watch.printed()
    assert seconds_until_verdict(watch, moving) == (4, SILENT)
    watch.said(b"[...]")
    assert seconds_until_verdict(watch, moving) == (4, SILENT)
    watch.said(idle)
    assert seconds_until_verdict(watch, moving) == (200, None)


def test_who_is_told_more_while_busy_has_no_more_time() -> None:
    watch = Watch(30.0, 5.0)
    watch.told()
    for second in range(5):
        assert watch.look(second, None) is None
        watch.told()
    assert watch.look(5.0, None) == SILENT


@pytest.mark.parametrize("what", [TRACED, STOPPED, FROZEN])
def test_who_cannot_speak_is_not_called_silent(what: str) -> None:
    watch = Watch(30.0, 5.0)
    watch.told()
    assert seconds_until_verdict(watch, ProcessState(what), most=30) == (30, None)


def test_time_in_which_nobody_looked_hardly_counts() -> None:
    watch = Watch(LONGEST_STEP_S + 1.0, LONGEST_STEP_S + 1.0)
    watch.told()
    assert watch.look(0.0, STOP) is None
    assert watch.look(10000.0, STOP) is None  # The machine slept.
    assert watch.look(10001.0, STOP) is not None
