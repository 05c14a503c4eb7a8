"""What worksteal gives to whom and asks back. The simulator tries the mixtures."""

from __future__ import annotations

import pytest

from remotest.run.commands import FinishWorker, ReclaimItems, RunItems
from remotest.scheduling.catalogue import Catalogue
from remotest.scheduling.queues import Lengths
from remotest.scheduling.steal import MOST_STOLEN, StealScheduler

NOTHING: frozenset[int] = frozenset()


def run(worker: str, *positions: int) -> RunItems:
    return RunItems(worker=worker, positions=positions)


def ask(worker: str, *positions: int) -> ReclaimItems:
    return ReclaimItems(worker=worker, positions=positions)


def finish(worker: str) -> FinishWorker:
    return FinishWorker(worker=worker)


def made(*workers: tuple[str, ...]) -> StealScheduler:
    """Return a scheduler to which gw0, gw1... announced these ids."""
    scheduler, catalogue = StealScheduler(), Catalogue()
    for number, ids in enumerate(workers):
        assert scheduler.add_worker(f"gw{number}", catalogue.enter(ids)) == []
    return scheduler


def alike(worker_count: int, item_count: int) -> StealScheduler:
    return made(*[tuple(f"test_{number}" for number in range(item_count))] * worker_count)


def work(scheduler: StealScheduler, worker: str, *positions: int) -> list[object]:
    """Let a worker finish items; return what the last of them led to."""
    commands: list[object] = []
    for position in positions:
        assert commands == []
        commands = [*scheduler.finish_item(worker, position, duration_s=0.0)]
    return commands


@pytest.mark.parametrize(
    ("worker_count", "item_count", "commands"),
    [
        (2, 0, [finish("gw0"), finish("gw1")]),
        (2, 1, [run("gw0", 0), finish("gw0"), finish("gw1")]),
        (2, 3, [run("gw0", 0, 1), run("gw1", 2), finish("gw0"), finish("gw1")]),
        (2, 4, [run("gw0", 0, 1), run("gw1", 2, 3), finish("gw0"), finish("gw1")]),
        (3, 10, [run("gw0", 0, 1, 2, 3), run("gw1", 4, 5, 6), run("gw2", 7, 8, 9)]),
    ],
)
def test_everything_is_shared_out_at_once(
    worker_count: int, item_count: int, commands: list[object]
) -> None:
    assert alike(worker_count, item_count).start() == commands


def test_an_idle_worker_takes_half_of_the_longest_queue_from_its_end() -> None:
    scheduler = alike(3, 24)
    scheduler.start()
    assert work(scheduler, "gw1", 8) == []
    assert work(scheduler, "gw2", 16, 17, 18, 19, 20, 21) == []
    assert work(scheduler, "gw2", 22) == [ask("gw0", 4, 5, 6, 7)]
    assert scheduler.has_asked("gw0", [6, 7])
    assert not scheduler.has_asked("gw0", [3])
    assert not scheduler.has_asked("gw0", [7, 7])
    assert not scheduler.has_asked("gw1", [])
    assert work(scheduler, "gw0", 0, 1) == []
    assert scheduler.return_items("gw0", [6, 7]) == [run("gw2", 6, 7)]
    assert [scheduler.held_count(f"gw{number}") for number in range(3)] == [4, 7, 3]


def test_who_was_asked_for_so_much_that_little_is_sure_looks_for_more() -> None:
    scheduler = alike(3, 24)
    scheduler.start()
    assert work(scheduler, "gw2", *range(16, 23)) == [ask("gw0", 4, 5, 6, 7)]
    assert work(scheduler, "gw0", 0, 1, 2) == [ask("gw1", 12, 13, 14, 15)]
    assert scheduler.return_items("gw0", [4, 5, 6, 7]) == [run("gw2", 4, 5), run("gw0", 6, 7)]


def test_a_queue_is_never_left_with_less_than_two() -> None:
    scheduler = alike(2, 6)
    scheduler.start()
    assert work(scheduler, "gw0", 0, 1) == [ask("gw1", 5)]
    assert scheduler.return_items("gw1", [5]) == [run("gw0", 5)]
    assert work(scheduler, "gw0", 2) == [finish("gw0")]
    assert work(scheduler, "gw1", 3) == [finish("gw1")]


def test_who_comes_too_late_asks_again_or_finishes() -> None:
    scheduler = alike(2, 10)
    scheduler.start()
    assert work(scheduler, "gw0", 0, 1, 2, 3) == [ask("gw1", 8, 9)]
    assert work(scheduler, "gw1", 5, 6) == []
    assert scheduler.return_items("gw1", []) == [ask("gw1", 9)]
    assert work(scheduler, "gw1", 7) == []
    assert scheduler.return_items("gw1", []) == [finish("gw0")]


def test_what_comes_back_is_shared_among_all_who_are_idle_by_then() -> None:
    scheduler = alike(3, 30)
    scheduler.start()
    assert work(scheduler, "gw0", *range(9)) == [ask("gw1", 15, 16, 17, 18, 19)]
    assert work(scheduler, "gw2", *range(20, 29)) == []
    assert scheduler.return_items("gw1", [15, 16, 17, 18, 19]) == [
        run("gw0", 15, 16, 17),
        run("gw2", 18, 19),
    ]


def test_two_idle_workers_ask_two_queues() -> None:
    scheduler = alike(4, 40)
    scheduler.start()
    assert work(scheduler, "gw0", *range(9)) == [ask("gw1", 15, 16, 17, 18, 19)]
    assert work(scheduler, "gw3", *range(30, 39)) == [ask("gw2", 25, 26, 27, 28, 29)]


def test_nobody_waits_for_a_worker_that_died_when_it_was_asked() -> None:
    scheduler = alike(2, 8)
    scheduler.start()
    assert work(scheduler, "gw0", 0, 1, 2) == [ask("gw1", 6, 7)]
    assert scheduler.remove_worker("gw1", begun=frozenset([4])) == []
    assert scheduler.redistribute() == [run("gw0", 5, 6, 7)]
    assert scheduler.redistribute() == []


def test_what_a_dead_thief_asked_for_goes_back_to_whoever_is_idle() -> None:
    scheduler = alike(2, 8)
    scheduler.start()
    assert work(scheduler, "gw0", 0, 1, 2) == [ask("gw1", 6, 7)]
    scheduler.remove_worker("gw0", begun=frozenset([3]))
    assert scheduler.redistribute() == []
    assert scheduler.return_items("gw1", [6, 7]) == []
    assert work(scheduler, "gw1", 4) == [run("gw1", 6, 7)]


def test_only_what_the_idle_worker_has_collected_is_asked_for() -> None:
    scheduler = made(("a", "b", "x", "y"), ("a", "c", "d", "b", "e", "f"))
    assert scheduler.start() == [run("gw0", 0, 1, 2, 3), run("gw1", 1, 2, 4, 5)]
    assert work(scheduler, "gw0", 0, 1) == []
    assert work(scheduler, "gw0", 2) == [finish("gw0")]


def test_what_a_worker_may_have_begun_is_not_asked_for() -> None:
    scheduler = made(("a", "b", "c", "d", "e"), ("a", "x"))
    assert scheduler.start() == [run("gw0", 0, 1, 2), run("gw1", 1), finish("gw1")]


def test_an_item_that_ended_meanwhile_cannot_come_back() -> None:
    scheduler = alike(2, 8)
    scheduler.start()
    assert work(scheduler, "gw0", 0, 1, 2) == [ask("gw1", 6, 7)]
    scheduler.finish_item("gw1", 6, duration_s=0.0)
    assert not scheduler.has_asked("gw1", [6, 7])
    assert scheduler.has_asked("gw1", [7])


def test_after_the_end_was_told_to_all_nothing_moves() -> None:
    scheduler = alike(2, 8)
    scheduler.start()
    assert work(scheduler, "gw0", 0, 1, 2) == [ask("gw1", 6, 7)]
    assert scheduler.close() == [finish("gw0"), finish("gw1")]
    assert scheduler.return_items("gw1", [6, 7]) == []
    assert scheduler.held_count("gw1") == 2
    assert scheduler.stranded_count() == 0


def test_one_message_does_not_ask_for_more_than_it_can_hold() -> None:
    scheduler = alike(2, 8 * MOST_STOLEN)
    scheduler.start()
    (asked,) = work(scheduler, "gw0", *range(4 * MOST_STOLEN - 1))
    assert asked == ask("gw1", *range(7 * MOST_STOLEN, 8 * MOST_STOLEN))


def test_the_longest_queue_is_found_first() -> None:
    lengths = Lengths()
    assert list(lengths.longest_first()) == []
    for name, length in [("a", 3), ("b", 5), ("c", 3), ("b", 1), ("d", 9), ("d", 0), ("e", 0)]:
        lengths.set(name, length)
    assert list(lengths.longest_first()) == ["a", "c", "b"]
    assert lengths.any()
