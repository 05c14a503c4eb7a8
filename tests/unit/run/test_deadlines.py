from __future__ import annotations

from remotest.run.deadlines import Deadlines


def test_the_earliest_is_at_hand_and_what_is_due_is_forgotten() -> None:
    deadlines = Deadlines()
    assert deadlines.next() is None
    deadlines.set("late", 9.0)
    deadlines.set("moved", 1.0)
    deadlines.set("moved", 5.0)
    deadlines.set("dropped", 2.0)
    deadlines.drop("dropped")
    deadlines.drop("never there")
    assert deadlines.next() == 5.0
    assert deadlines.pop_due(4.9) == []
    assert deadlines.pop_due(9.0) == ["moved", "late"]
    assert deadlines.next() is None


def test_shorten_never_moves_a_deadline_back() -> None:
    deadlines = Deadlines()
    deadlines.shorten("gw0", 5.0)
    deadlines.shorten("gw0", 7.0)
    assert deadlines.next() == 5.0
    deadlines.shorten("gw0", 3.0)
    assert deadlines.pop_due(3.0) == ["gw0"]
    assert deadlines.next() is None
