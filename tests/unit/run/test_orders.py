"""A worker that waits for what it was told has a deadline; one that runs a test has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from runsteps import box, comes, ends, feed, new_machine, plan, ready, running, start

from remotest.run.commands import (
    KillWorker,
    ReclaimItems,
    ReportNote,
    RunItems,
)
from remotest.run.deadlines import FINISH_TIMEOUT_S, ORDER_TIMEOUT_S
from remotest.run.events import (
    DeadlineReached,
    Event,
    ItemsAwaited,
    ItemsReturned,
    ItemsTaken,
    ItemStarted,
    StopRequested,
    WorkerEnding,
    WorkerReady,
)

if TYPE_CHECKING:
    from remotest.run.machine import RunMachine

AWAITED: Final = ItemsAwaited(worker="gw0")
TAKEN: Final = ItemsTaken(worker="gw0")
STARTED: Final = ItemStarted(worker="gw0", position=0)
TOLD_AT: Final = 7.0
DUE: Final = TOLD_AT + ORDER_TIMEOUT_S
WAITS: Final = "told 300 s ago what to do, it still waits for that"


def begun(count: int, *, dist: str = "load") -> RunMachine:
    """Return a machine with two workers that were given items at time 0."""
    return running(plan(box(2), dist=dist), "gw0", "gw1", ids=tuple("abcdefghijklmnop"[:count]))


@pytest.mark.parametrize(
    ("count", "said", "deadline"),
    [
        pytest.param(12, (AWAITED,), DUE, id="it was given two"),
        pytest.param(12, (AWAITED, AWAITED), DUE, id="it says so again"),
        pytest.param(12, (AWAITED, TAKEN), None, id="it has got them"),
        pytest.param(12, (AWAITED, STARTED), None, id="it has begun one"),
        pytest.param(12, (), None, id="it says nothing"),
        pytest.param(12, (STARTED,), None, id="it runs one"),
        pytest.param(12, (STARTED, AWAITED), None, id="it runs one, whatever it says"),
        pytest.param(4, (*ends("gw0", 0), AWAITED), DUE, id="it was told to finish"),
    ],
)
def test_who_waits_for_what_it_was_given_has_a_deadline(
    count: int, said: tuple[Event, ...], deadline: float | None
) -> None:
    machine = begun(count)
    feed(machine, *said, now=TOLD_AT)
    assert machine.next_deadline() == deadline


def test_who_waits_before_it_is_told_anything_may_wait() -> None:
    machine = new_machine(plan(box(2)))
    machine.start(0.0)
    feed(machine, ready(), *comes("gw0", "a", "b"), AWAITED, WorkerReady(worker="gw1"))
    told = feed(machine, *comes("gw1", "a", "b")[1:], now=TOLD_AT)
    assert RunItems(worker="gw0", positions=(0,)) in told
    assert machine.next_deadline() == DUE
    feed(machine, TAKEN, now=8.0)
    assert machine.next_deadline() is None


def test_who_still_waits_is_killed_and_replaced() -> None:
    machine = begun(12)
    feed(machine, AWAITED)
    assert feed(machine, DeadlineReached(), now=ORDER_TIMEOUT_S) == [
        KillWorker(worker="gw0", reason=WAITS),
        ReportNote(text="replacing crashed worker gw0"),
        start("gw2", replaces="gw0"),
    ]
    assert [loss.reason for loss in machine.result().losses] == [WAITS]


@pytest.mark.parametrize(
    ("run_count", "then"),
    [
        pytest.param(3, None, id="it may go on"),
        pytest.param(5, 8.0 + FINISH_TIMEOUT_S, id="it had run all others, and may end"),
    ],
)
def test_who_was_asked_for_items_answers_at_the_latest_when_it_waits(
    run_count: int, then: float | None
) -> None:
    machine = begun(12, dist="worksteal")
    told = feed(machine, *(event for position in range(6, 11) for event in ends("gw1", position)))
    assert told == [ReclaimItems(worker="gw0", positions=(3, 4, 5))]
    feed(machine, *(event for position in range(run_count) for event in ends("gw0", position)))
    assert machine.next_deadline() is None
    feed(machine, AWAITED, now=TOLD_AT)
    assert machine.next_deadline() == DUE
    feed(machine, ItemsReturned(worker="gw0", positions=(5,)), now=8.0)
    assert machine.next_deadline() == then


@pytest.mark.parametrize("phase", ["running", "finishing"])
def test_who_begins_nothing_more_has_to_end(phase: str) -> None:
    machine = begun(4 if phase == "finishing" else 12)
    feed(machine, WorkerEnding(worker="gw0"), now=TOLD_AT)
    assert machine.next_deadline() == TOLD_AT + FINISH_TIMEOUT_S
    told = feed(machine, DeadlineReached(), now=TOLD_AT + FINISH_TIMEOUT_S)
    assert KillWorker(worker="gw0", reason="its session did not end within 300 s") in told


def test_who_waits_when_the_run_is_stopped_has_to_end() -> None:
    machine = begun(12)
    feed(machine, AWAITED, STARTED, ItemsAwaited(worker="gw1"))
    feed(machine, StopRequested(reason="enough"), now=TOLD_AT)
    assert machine.next_deadline() == TOLD_AT + FINISH_TIMEOUT_S
    assert feed(machine, DeadlineReached(), now=TOLD_AT + FINISH_TIMEOUT_S) == [
        KillWorker(worker="gw1", reason="enough")
    ]
    assert machine.next_deadline() is None


def test_who_waits_and_has_not_collected_breaks_the_protocol() -> None:
    machine = new_machine(plan(box()))
    machine.start(0.0)
    what = "broken protocol: it waits for items and has not collected"
    told = feed(machine, ready(), WorkerReady(worker="gw0"), AWAITED)
    assert told[0] == KillWorker(worker="gw0", reason=what)
