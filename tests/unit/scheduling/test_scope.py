"""What loadscope, loadfile and loadgroup give to whom. The simulator tries the mixtures."""

from __future__ import annotations

import pytest

from remotest.run.commands import FinishWorker, RunItems
from remotest.scheduling.catalogue import Catalogue
from remotest.scheduling.scope import ScopeScheduler
from remotest.scheduling.scopes import SCOPES, Scope

NOTHING: frozenset[int] = frozenset()


def run(worker: str, *positions: int) -> RunItems:
    return RunItems(worker=worker, positions=positions)


def finish(worker: str) -> FinishWorker:
    return FinishWorker(worker=worker)


def by_file(*workers: tuple[str, ...], reorder: bool = True) -> ScopeScheduler:
    """Return a scheduler of ``loadfile`` to which gw0, gw1... announced these ids."""
    scheduler, catalogue = ScopeScheduler(SCOPES["loadfile"], reorder=reorder), Catalogue()
    for number, ids in enumerate(workers):
        assert scheduler.add_worker(f"gw{number}", catalogue.enter(ids)) == []
    return scheduler


def ids(text: str) -> tuple[str, ...]:
    """Return ids such as ``a::0`` for ``"aab"``: files by letter, items counted in all."""
    return tuple(f"{letter}::{number}" for number, letter in enumerate(text))


@pytest.mark.parametrize(
    ("mode", "node_id", "group", "scope"),
    [
        ("loadscope", "a.py::test", None, ("id", "a.py")),
        ("loadscope", "a.py::TestIt::test", None, ("id", "a.py::TestIt")),
        ("loadscope", "README.rst", None, ("id", "README.rst")),
        ("loadfile", "a.py::TestIt::test", None, ("id", "a.py")),
        ("loadfile", "README.rst", None, ("id", "README.rst")),
        ("loadgroup", "a.py::test", None, ("id", "a.py::test")),
        ("loadgroup", "a.py::test", "a.py::test", ("group", "a.py::test")),
        ("loadgroup", "a.py::test[x@y]", None, ("id", "a.py::test[x@y]")),
        ("loadgroup", "a.py::test[x@y]@db", None, ("group", "db")),
        ("loadgroup", "a.py::test[x]@db", "other", ("group", "other")),
    ],
)
def test_the_scope_of_an_item(mode: str, node_id: str, group: str | None, scope: Scope) -> None:
    assert SCOPES[mode](node_id, group) == scope


def test_the_largest_scopes_go_first_one_to_each_worker() -> None:
    scheduler = by_file(ids("abbccc"), ids("abbccc"))
    assert scheduler.start() == [
        run("gw0", 3, 4, 5),
        run("gw1", 1, 2),
        run("gw1", 0),
    ]
    assert scheduler.finish_item("gw1", 1, duration_s=0.0) == [finish("gw1")]
    assert scheduler.finish_item("gw0", 3, duration_s=0.0) == [finish("gw0")]


def test_without_reordering_scopes_go_as_collected() -> None:
    scheduler = by_file(ids("abbccc"), ids("abbccc"), reorder=False)
    assert scheduler.start() == [
        run("gw0", 0),
        run("gw1", 1, 2),
        run("gw0", 3, 4, 5),
        finish("gw1"),
    ]


def test_items_of_a_scope_keep_together_where_the_collection_scatters_them() -> None:
    scheduler = by_file(ids("abab"))
    assert scheduler.start() == [run("gw0", 0, 2), run("gw0", 1, 3)]


def test_a_worker_runs_a_scope_in_its_own_order() -> None:
    scheduler = by_file(("a::0", "a::1", "b::2"), ("b::2", "a::1", "a::0"))
    assert scheduler.start() == [
        run("gw0", 0, 1),
        run("gw1", 0),
        finish("gw0"),
        finish("gw1"),
    ]
    scheduler.remove_worker("gw0", begun=frozenset([0]))
    assert scheduler.stranded_count() == 1


def test_more_workers_than_scopes_finish_at_once() -> None:
    assert by_file(*[ids("aabb")] * 3).start() == [
        run("gw0", 0, 1),
        run("gw1", 2, 3),
        finish("gw0"),
        finish("gw1"),
        finish("gw2"),
    ]


def test_what_a_lost_worker_had_not_begun_of_a_scope_goes_whole_to_one_other() -> None:
    scheduler = by_file(*[ids("aaaaabbbb")] * 2)
    assert scheduler.start() == [run("gw0", 0, 1, 2, 3, 4), run("gw1", 5, 6, 7, 8)]
    assert scheduler.finish_item("gw0", 0, duration_s=0.0) == []
    assert scheduler.wants_replacement("gw0", begun=frozenset([1]))
    assert scheduler.remove_worker("gw0", begun=frozenset([1])) == []
    assert scheduler.finish_item("gw1", 5, duration_s=0.0) == []
    assert scheduler.finish_item("gw1", 6, duration_s=0.0) == [run("gw1", 2, 3, 4)]


def test_short_items_are_given_further_ahead_where_many_are_left() -> None:
    text = "".join(chr(200 + number // 3) for number in range(600))
    scheduler = by_file(ids(text))
    assert scheduler.start() == [run("gw0", 0, 1, 2)]
    scheduler.finish_item("gw0", 0, duration_s=1.0)
    assert scheduler.held_count("gw0") == 5
    for position in range(1, 60):
        scheduler.finish_item("gw0", position, duration_s=0.0)
    # The agent listens every 0.02 s, in which there may be 100 items; two more, and a scope has 3.
    assert 102 <= scheduler.held_count("gw0") <= 102 + 3


def test_a_scope_goes_to_a_worker_that_has_all_of_it() -> None:
    scheduler = by_file(("a::0", "b::0"), ("a::0", "a::1", "b::0"))
    assert scheduler.start() == [
        run("gw0", 1),
        run("gw1", 0, 1),
        finish("gw0"),
        finish("gw1"),
    ]


def test_a_scope_that_nobody_has_whole_is_cut_into_few_parts() -> None:
    scheduler = by_file(("a::0", "a::1"), ("a::1", "a::2", "a::3"), ("a::0", "a::3"))
    assert scheduler.start() == [
        run("gw0", 0),
        run("gw1", 0, 1, 2),
        finish("gw0"),
        finish("gw2"),
    ]


def test_where_nobody_is_left_that_has_a_scope_whole_another_runs_what_it_has() -> None:
    scheduler = by_file(ids("bbbb"), ("a::0", "a::1", "a::2"), ("a::0", "a::2", "c::0", "c::1"))
    assert scheduler.start() == [
        run("gw0", 0, 1, 2, 3),
        run("gw1", 0, 1, 2),
        run("gw2", 2, 3),
        finish("gw2"),
    ]
    scheduler.remove_worker("gw1", begun=NOTHING)
    assert scheduler.stranded_count() == 0
    collection = Catalogue().enter(("a::0", "a::2"))
    assert scheduler.add_worker("gw3", collection) == [finish("gw3")]


def test_a_late_worker_brings_what_nobody_had() -> None:
    catalogue = Catalogue()
    scheduler = ScopeScheduler(SCOPES["loadfile"], reorder=True)
    scheduler.add_worker("gw0", catalogue.enter(("a::0", "a::1")))
    scheduler.start()
    late = catalogue.enter(("a::0", "a::1", "a::2"))
    assert scheduler.add_worker("gw1", late) == [run("gw1", 2), finish("gw1")]
