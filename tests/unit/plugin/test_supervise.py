"""Who is below whom, as /proc was read."""

from __future__ import annotations

from pytest_remotest.supervise import Stat, descendants


def known(parents: dict[int, int]) -> dict[int, Stat]:
    return {pid: Stat(parent, session=1, owner=0) for pid, parent in parents.items()}


def test_what_is_below_a_process_is_found_at_any_depth() -> None:
    stats = known({2: 1, 3: 2, 4: 3, 5: 2, 6: 1})
    assert sorted(descendants(2, stats)) == [3, 4, 5]
    assert descendants(6, stats) == []


def test_processes_that_seem_to_be_below_each_other_are_found_once() -> None:
    # 3 was read when 4 was its parent, and 4 when its number had gone to a child of 3.
    assert sorted(descendants(3, known({3: 4, 4: 3, 5: 4}))) == [3, 4, 5]
