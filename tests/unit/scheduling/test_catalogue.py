from __future__ import annotations

from remotest.scheduling.catalogue import Catalogue


def test_items_are_matched_by_id_and_occurrence() -> None:
    catalogue = Catalogue()
    first = catalogue.enter(("a", "b", "a"))
    second = catalogue.enter(("c", "a", "a", "a"))
    assert list(first.items) == [0, 1, 2]
    assert list(second.items) == [3, 0, 2, 4]
    assert [second.position(item) for item in range(5)] == [1, None, 2, 0, 3]
    assert [catalogue.node_id(item) for item in range(len(catalogue))] == ["a", "b", "a", "c", "a"]


def test_workers_with_the_same_ids_share_one_collection() -> None:
    catalogue = Catalogue()
    assert catalogue.enter(("a", "b")) is catalogue.enter(tuple(iter(["a", "b"])))
    assert catalogue.enter(("a", "b")) is not catalogue.enter(("b", "a"))


def test_groups_are_kept_beside_the_ids() -> None:
    catalogue = Catalogue()
    plain, grouped = catalogue.enter(("a", "b")), catalogue.enter(("a", "b"), ((1, "db"),))
    assert (plain.ids, plain.groups, plain.marked_ids()) == (("a", "b"), {}, ["a", "b"])
    assert (grouped.ids, grouped.groups) == (("a", "b"), {1: "db"})
    assert grouped.marked_ids() == ["a", "b@db"]
    assert grouped.items == plain.items
    assert catalogue.enter(("a", "b"), ((1, "db"),)) is grouped
