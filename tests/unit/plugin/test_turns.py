"""As many workers begin at a time as there are CPUs, unless those that do need none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_remotest.turns import HOLD_S, IDLE_LOOKS, LOOK_S, Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNS, SLEEPS = "R", "S"
PIDS = {"gw0": 7, "gw1": 8}


@pytest.fixture
def does(tmp_path: Path) -> Callable[[str, str], None]:
    """Let a worker's process do something, as the kernel tells it."""

    def does(worker: str, letter: str) -> None:
        folder = tmp_path / str(PIDS[worker])
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(f"{PIDS[worker]} (a) b) {letter} 1 7 7 0 -1\n")

    return does


@pytest.fixture
def turns(tmp_path: Path, does: Callable[[str, str], None]) -> Turns:
    """Two CPUs, two workers that begin, and others that wait."""
    turns = Turns(2, str(tmp_path))
    for worker, pid in PIDS.items():
        does(worker, RUNS)
        assert turns.is_free
        turns.take(worker, pid)
    assert not turns.is_free
    return turns


def test_who_has_collected_gives_the_turn_to_the_next(turns: Turns) -> None:
    turns.give_back("gw1")
    assert turns.is_free
    turns.give_back("gw1")
    turns.take("gw2", 9)
    assert not turns.is_free


def test_who_does_not_run_for_some_looks_in_a_row_has_no_turn(
    turns: Turns, does: Callable[[str, str], None]
) -> None:
    frees = []
    for letter in [RUNS, SLEEPS, RUNS, *[SLEEPS] * IDLE_LOOKS]:
        does("gw0", letter)
        turns.hold(0.0)
        frees.append(turns.is_free)
    assert frees == [False] * (len(frees) - 1) + [True]


def test_who_has_ended_has_no_turn(turns: Turns, tmp_path: Path) -> None:
    (tmp_path / str(PIDS["gw1"]) / "stat").unlink()
    turns.hold(0.0)
    assert turns.is_free


def test_nobody_is_held_back_for_long(turns: Turns) -> None:
    turns.hold(5.0)
    turns.hold(5.0 + HOLD_S - LOOK_S)
    assert not turns.is_free
    turns.hold(5.0 + HOLD_S)
    assert turns.is_free


def test_who_waits_later_is_held_back_for_as_long(turns: Turns) -> None:
    turns.hold(5.0)
    turns.nobody_waits()
    turns.hold(5.0 + HOLD_S)
    assert not turns.is_free
