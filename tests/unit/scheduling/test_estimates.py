"""How long items are expected to take, by what is known."""

from __future__ import annotations

import pytest

from remotest.scheduling.estimates import Estimates

IDS = ("a.py::one", "a.py::two", "a.py::new", "b.py::new")


@pytest.mark.parametrize(
    ("by_kind", "expected"),
    [
        ({}, [0, 0, 0, 0]),
        ({"here": {"a.py::one": 1.0, "a.py::two": 3.0, "c.py::old": 0.5}}, [1, 3, 2, 1]),
        ({"there": {"a.py::one": 1.0, "a.py::two": 3.0}}, [1, 3, 2, 2]),
        (
            {"here": {"a.py::one": 2.0}, "there": {"a.py::one": 1.0, "a.py::two": 3.0}},
            [2, 6, 4, 4],
        ),
        (
            {"here": {"a.py::one": 2.0}, "there": {"a.py::one": 0.0, "a.py::two": 3.0}},
            [2, 3, 2.5, 2.5],
        ),
    ],
    ids=["nothing", "by file, else by all", "elsewhere", "twice as slow here", "no time at all"],
)
def test_what_is_not_known_is_told_from_what_is(
    by_kind: dict[str, dict[str, float]], expected: list[float]
) -> None:
    estimates = Estimates(by_kind, lambda _: "here")
    assert estimates.seconds("here", IDS) == expected
    assert bool(estimates) == bool(by_kind)


def test_anywhere_is_where_it_takes_longest() -> None:
    estimates = Estimates(
        {"here": {"a.py::one": 1.0, "b.py::new": 5.0}, "there": {"a.py::one": 2.0}}, str
    )
    assert estimates.anywhere(("a.py::one", "b.py::new")) == [2.0, 5.0]
