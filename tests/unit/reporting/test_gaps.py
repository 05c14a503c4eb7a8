from __future__ import annotations

from remotest.reporting.gaps import TESTS_SHOWN, gap_lines
from remotest.run.result import CollectionGap


def gap(workers: tuple[str, ...], *node_ids: str) -> CollectionGap:
    return CollectionGap(environment="py36", workers=workers, node_ids=node_ids)


def test_each_gap_is_told_with_its_tests() -> None:
    gaps = [gap(("gw0",), "a"), gap(("gw1", "gw2"), "b", "c")]
    assert gap_lines(gaps, str.upper) == [
        "gw0 [PY36] did not collect 1 test",
        "    a",
        "gw1+gw2 [PY36] did not collect 2 tests",
        "    b",
        "    c",
    ]


def test_many_workers_and_tests_are_counted() -> None:
    workers = tuple(f"gw{number}" for number in range(9))
    tests = tuple(map(str, range(TESTS_SHOWN + 2)))
    assert gap_lines([gap(workers, *tests), gap(("gw9",), "a")], str) == [
        "gw0+gw1+gw2+gw3 and 5 more [py36] did not collect 22 tests",
        *(f"    {number}" for number in range(TESTS_SHOWN)),
        "    ... and 2 more",
        "gw9 [py36] did not collect 1 test",
        "    ... and 1 more",
    ]
