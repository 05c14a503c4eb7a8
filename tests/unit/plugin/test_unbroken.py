"""Ctrl-C waits for the end of a section, and is told to who handles it."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_remotest.unbroken import Unbroken

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_it_comes_at_the_end_of_the_outermost() -> None:
    unbroken = Unbroken()
    done = []

    def interrupted() -> None:
        with unbroken:
            with unbroken:
                signal.raise_signal(signal.SIGINT)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["inner", "outer"]
    with unbroken:
        done.append("next")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_handles_it_hears_of_it_once() -> None:
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    with Unbroken():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert heard == []
    assert heard == [signal.SIGINT]


def test_where_it_is_ignored_it_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Unbroken():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_hold_nothing_up() -> None:
    unbroken = Unbroken()
    is_in, is_over = threading.Event(), threading.Event()

    def stay() -> None:
        with unbroken:
            is_in.set()
            is_over.wait(60)

    thread = threading.Thread(target=stay)
    thread.start()
    assert is_in.wait(60)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    is_over.set()
    thread.join(60)
