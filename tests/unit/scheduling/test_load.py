from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remotest.run.commands import FinishWorker, RunItems
from remotest.scheduling.catalogue import Catalogue
from remotest.scheduling.load import LoadScheduler

if TYPE_CHECKING:
    from remotest.scheduling.base import SchedulingCommand

NOTHING: frozenset[int] = frozenset()


def ids(count: int) -> tuple[str, ...]:
    return tuple(f"test_{number}" for number in range(count))


def started(
    worker_count: int, item_count: int, *, max_chunk: int | None = None
) -> tuple[LoadScheduler, list[SchedulingCommand]]:
    scheduler, collection = LoadScheduler(max_chunk=max_chunk), Catalogue().enter(ids(item_count))
    for number in range(worker_count):
        assert scheduler.add_worker(f"gw{number}", collection) == []
    return scheduler, scheduler.start()


def run(worker: str, *positions: int) -> RunItems:
    return RunItems(worker=worker, positions=positions)


def finish(worker: str) -> FinishWorker:
    return FinishWorker(worker=worker)


@pytest.mark.parametrize(
    ("worker_count", "item_count", "max_chunk", "commands"),
    [
        (2, 0, None, [finish("gw0"), finish("gw1")]),
        (2, 1, None, [run("gw0", 0), finish("gw0"), finish("gw1")]),
        (2, 2, None, [run("gw0", 0), run("gw1", 1), finish("gw0"), finish("gw1")]),
        (
            2,
            3,
            None,
            [run("gw0", 0), run("gw1", 1), run("gw0", 2), finish("gw0"), finish("gw1")],
        ),
        (2, 4, None, [run("gw0", 0, 1), run("gw1", 2, 3), finish("gw0"), finish("gw1")]),
        (2, 5, None, [run("gw0", 0, 1), run("gw1", 2, 3)]),
        (2, 40, None, [run("gw0", *range(5)), run("gw1", *range(5, 10))]),
        (2, 40, 3, [run("gw0", 0, 1, 2), run("gw1", 3, 4, 5)]),
        (2, 40, 1, [run("gw0", 0, 1), run("gw1", 2, 3)]),
    ],
)
def test_the_first_chunks(
    worker_count: int, item_count: int, max_chunk: int | None, commands: list[SchedulingCommand]
) -> None:
    assert started(worker_count, item_count, max_chunk=max_chunk)[1] == commands


def test_a_worker_that_holds_little_is_filled_up_with_the_items_that_follow() -> None:
    scheduler, _ = started(1, 40)  # It holds 0 to 9; 30 wait; it is filled up below 7, to 15.
    for position in range(3):
        assert scheduler.finish_item("gw0", position, duration_s=0.05) == []
    assert scheduler.finish_item("gw0", 3, duration_s=0.05) == [run("gw0", *range(10, 19))]


def test_a_worker_with_long_items_gets_more_only_when_it_needs_it() -> None:
    scheduler, _ = started(1, 40)
    for position in range(8):
        assert scheduler.finish_item("gw0", position, duration_s=5.0) == []
    assert scheduler.finish_item("gw0", 8, duration_s=5.0) == [run("gw0", *range(10, 24))]


@pytest.mark.parametrize(("round_trip_s", "held_count"), [(0.0, 3), (0.05, 6)])
def test_a_worker_is_kept_ahead_by_what_ends_while_messages_travel(
    round_trip_s: float, held_count: int
) -> None:
    scheduler, collection = LoadScheduler(), Catalogue().enter(ids(16))
    for worker in ("gw0", "gw1"):
        scheduler.set_round_trip(worker, round_trip_s)
        scheduler.add_worker(worker, collection)
    assert scheduler.start() == [run("gw0", 0, 1), run("gw1", 2, 3)]
    scheduler.finish_item("gw0", 0, duration_s=0.02)
    # Four end on the way; else it gets half of its share of what is left.
    assert scheduler.held_count("gw0") == held_count


def test_no_worker_is_kept_further_ahead_than_its_share() -> None:
    scheduler, collection = LoadScheduler(), Catalogue().enter(ids(12))
    for worker in ("gw0", "gw1"):
        scheduler.set_round_trip(worker, 1.0)
        scheduler.add_worker(worker, collection)
    scheduler.start()
    scheduler.finish_item("gw0", 0, duration_s=0.02)
    assert scheduler.held_count("gw0") == 4


def test_a_worker_stays_open_for_what_another_may_leave_until_its_last_two() -> None:
    scheduler, _ = started(2, 5)  # gw0 holds 0 and 1, gw1 2 and 3, and 4 waits.
    assert scheduler.finish_item("gw0", 0, duration_s=0.0) == [run("gw0", 4), finish("gw0")]
    assert scheduler.remove_worker("gw0", begun=frozenset({1})) == []
    assert scheduler.finish_item("gw1", 2, duration_s=0.0) == [run("gw1", 4), finish("gw1")]
    assert scheduler.finish_item("gw1", 3, duration_s=0.0) == []


def test_a_worker_with_a_long_queue_is_not_told_to_finish_yet() -> None:
    scheduler, _ = started(2, 40)  # gw0 holds 0 to 4, and gw1 now runs all the rest.
    commands: list[SchedulingCommand] = []
    for position in range(5, 40):
        commands = scheduler.finish_item("gw1", position, duration_s=0.0) or commands
    assert commands[-1] == finish("gw1")
    assert scheduler.finish_item("gw0", 0, duration_s=0.0) == []
    assert scheduler.finish_item("gw0", 1, duration_s=0.0) == []
    assert scheduler.finish_item("gw0", 2, duration_s=0.0) == [finish("gw0")]


def test_what_a_lost_worker_held_goes_to_the_others_first() -> None:
    scheduler, _ = started(2, 40)
    scheduler.remove_worker("gw0", begun=frozenset({0}))
    for position in range(5, 8):
        commands = scheduler.finish_item("gw1", position, duration_s=5.0)
        assert commands == []
    assert scheduler.finish_item("gw1", 8, duration_s=5.0) == [
        run("gw1", 1, 2, 3, 4, *range(10, 22))
    ]


def test_a_late_worker_gets_work_at_once() -> None:
    catalogue, scheduler = Catalogue(), LoadScheduler()
    collection = catalogue.enter(ids(40))
    scheduler.add_worker("gw0", collection)
    scheduler.start()
    assert scheduler.add_worker("gw1", collection, replaces="gone") == [run("gw1", *range(10, 17))]


def test_workers_get_only_what_they_have_at_their_own_positions() -> None:
    catalogue, scheduler = Catalogue(), LoadScheduler()
    scheduler.add_worker("gw0", catalogue.enter(("a", "b", "c")))
    scheduler.add_worker("gw1", catalogue.enter(("x", "c", "b", "a")))
    assert scheduler.start() == [run("gw0", 0, 1), run("gw1", 0, 1), finish("gw0"), finish("gw1")]


def test_closing_tells_everybody_to_finish_and_gives_nothing_more() -> None:
    catalogue, scheduler = Catalogue(), LoadScheduler()
    collection = catalogue.enter(ids(40))
    scheduler.add_worker("gw0", collection)
    scheduler.start()
    assert scheduler.close() == [finish("gw0")]
    assert scheduler.finish_item("gw0", 0, duration_s=0.0) == []
    assert scheduler.add_worker("gw1", collection) == [finish("gw1")]


def test_items_are_stranded_when_everybody_was_told_to_finish() -> None:
    scheduler, _ = started(2, 4)
    assert scheduler.stranded_count() == 0
    scheduler.remove_worker("gw0", begun=NOTHING)
    assert scheduler.stranded_count() == 2
