from __future__ import annotations

from remotest.run.commands import FinishWorker, RunItems
from remotest.scheduling.catalogue import Catalogue
from remotest.scheduling.each import EachScheduler

NOTHING: frozenset[int] = frozenset()


def test_every_worker_runs_all_that_it_collected() -> None:
    catalogue, scheduler = Catalogue(), EachScheduler()
    assert scheduler.add_worker("gw0", catalogue.enter(("a", "b", "c"))) == []
    assert scheduler.add_worker("gw1", catalogue.enter(("c", "a"))) == []
    assert scheduler.add_worker("gw2", catalogue.enter(())) == []
    assert not scheduler.holds("gw0", 0)
    assert scheduler.start() == [
        RunItems(worker="gw0", positions=(0, 1, 2)),
        FinishWorker(worker="gw0"),
        RunItems(worker="gw1", positions=(0, 1)),
        FinishWorker(worker="gw1"),
        FinishWorker(worker="gw2"),
    ]
    assert [scheduler.holds("gw1", position) for position in (-1, 0, 1, 2)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_replacement_goes_on_in_its_own_order_without_what_was_begun() -> None:
    catalogue, scheduler = Catalogue(), EachScheduler()
    scheduler.add_worker("gw0", catalogue.enter(("a", "b", "c", "d")))
    scheduler.start()
    assert scheduler.finish_item("gw0", 0, duration_s=1.0) == []
    assert scheduler.held_count("gw0") == 3
    assert scheduler.wants_replacement("gw0", begun=frozenset({1}))
    assert scheduler.remove_worker("gw0", begun=frozenset({1})) == []
    assert scheduler.add_worker("gw1", catalogue.enter(("d", "new", "b", "c")), replaces="gw0") == [
        RunItems(worker="gw1", positions=(0, 1, 3)),
        FinishWorker(worker="gw1"),
    ]


def test_what_the_first_of_three_did_is_not_run_by_the_third() -> None:
    catalogue, scheduler = Catalogue(), EachScheduler()
    scheduler.add_worker("gw0", catalogue.enter(("a", "b", "c")))
    scheduler.start()
    scheduler.finish_item("gw0", 0, duration_s=0.0)
    scheduler.remove_worker("gw0", begun=NOTHING)
    scheduler.add_worker("gw1", catalogue.enter(("b", "c")), replaces="gw0")
    scheduler.remove_worker("gw1", begun=frozenset({0}))
    assert scheduler.add_worker("gw2", catalogue.enter(("a", "b", "c")), replaces="gw1") == [
        RunItems(worker="gw2", positions=(2,)),
        FinishWorker(worker="gw2"),
    ]


def test_nobody_is_needed_after_a_worker_that_left_nothing() -> None:
    catalogue, scheduler = Catalogue(), EachScheduler()
    scheduler.add_worker("gw0", catalogue.enter(("a",)))
    scheduler.start()
    assert not scheduler.wants_replacement("gw0", begun=frozenset({0}))
