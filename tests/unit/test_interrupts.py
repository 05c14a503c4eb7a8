"""What becomes of Ctrl-C, counted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from remotest.interrupts import CLEANING_S, END_S, TEARDOWN_GRACE_S, Interrupts

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def woken() -> list[None]:
    return []


@pytest.fixture
def interrupts(woken: list[None]) -> Iterator[Interrupts]:
    made = Interrupts(lambda: woken.append(None))
    made.install()
    yield made
    made.restore()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_gives_time_the_second_none_and_the_third_is_raised(
    interrupts: Interrupts, woken: list[None]
) -> None:
    assert interrupts.take() is None
    ctrl_c()
    assert len(woken) == 1
    assert interrupts.take() == TEARDOWN_GRACE_S
    assert interrupts.take() is None
    ctrl_c()
    assert interrupts.take() == 0.0
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


def test_one_that_nobody_takes_in_does_not_swallow_the_next(interrupts: Interrupts) -> None:
    ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()
    assert interrupts.take() == TEARDOWN_GRACE_S


def test_when_nothing_runs_any_more_two_in_all_need_no_answer(interrupts: Interrupts) -> None:
    interrupts.close()
    ctrl_c()
    ctrl_c()
    with pytest.raises(KeyboardInterrupt):
        ctrl_c()


@pytest.mark.parametrize(
    ("pressed_s", "left_s"),
    [
        ([], None),
        ([0.0], END_S),
        ([4.0], END_S),
        ([0.0, 4.0], END_S - 4.0),
        ([0.0, END_S], CLEANING_S),
        ([0.0, 60.0], CLEANING_S),
    ],
)
def test_the_first_one_decides_when_hosts_are_waited_for_no_more(
    pressed_s: list[float], left_s: float | None
) -> None:
    now_s = [0.0]
    interrupts = Interrupts(lambda: None, clock=lambda: now_s[0])
    interrupts.install()
    try:
        for now_s[0] in pressed_s:
            ctrl_c()
            interrupts.take()
        assert interrupts.end_within_s() == left_s
    finally:
        interrupts.restore()


def test_who_ignores_it_or_handles_it_otherwise_goes_on_to() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts = Interrupts(lambda: None)
        interrupts.install()
        ctrl_c()
        assert interrupts.count == 0
        interrupts.restore()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_else_ends_a_process_counts_alike_and_has_its_own_status(
    interrupts: Interrupts, number: signal.Signals
) -> None:
    ctrl_c()
    assert (interrupts.take(), interrupts.words, interrupts.status) == (TEARDOWN_GRACE_S, "", None)
    signal.raise_signal(number)
    assert interrupts.take() == 0.0
    assert (interrupts.words, interrupts.status) == (number.name, 128 + number)
    interrupts.restore()
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_after_the_end_does_not_change_the_status(interrupts: Interrupts) -> None:
    interrupts.close()
    signal.raise_signal(signal.SIGTERM)
    assert (interrupts.words, interrupts.status) == ("", None)
