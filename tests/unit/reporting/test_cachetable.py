"""What lies in a cache, on a screen."""

from __future__ import annotations

import pytest

from remotest.env.stored import Stored
from remotest.reporting.cachetable import age_text, listing, removal

NOW = 1_000_000.0
THINGS = [
    Stored(kind="wheel", key="a", name="a-1.whl", size_bytes=1_200, used_s=NOW),
    Stored(
        kind="environment",
        key="b",
        name="3fa9\x1b[2J\nc1",
        size_bytes=34_000_000,
        used_s=NOW - 7200,
        in_use=True,
    ),
]


def test_a_cache_is_a_table_and_a_sum() -> None:
    assert [str(line) for line in listing("~/.cache", THINGS, NOW)] == [
        "kind         size     last use  in use  name",
        "environment  34.0 MB  2 h ago   yes     3fa9?[2J c1",
        "wheel        1.2 kB   now       no      a-1.whl",
        "~/.cache: 2 things, 34.0 MB",
    ]


def test_what_was_removed_is_named() -> None:
    assert [str(line) for line in removal("~/.cache", THINGS[:1], NOW)] == [
        "kind   size    last use  in use  name",
        "wheel  1.2 kB  now       no      a-1.whl",
        "~/.cache: 1 thing, 1.2 kB removed",
    ]


def test_an_empty_cache_has_no_table() -> None:
    assert [str(line) for line in listing("/c", [], NOW)] == ["/c: nothing"]
    assert [str(line) for line in removal("/c", [], NOW)] == ["/c: nothing removed"]


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (-3, "now"),
        (0.4, "now"),
        (59, "59 s ago"),
        (3600, "1 h ago"),
        (90_000, "1 d ago"),
        (9e7, "1042 d ago"),
    ],
)
def test_an_age_has_one_unit(age_s: float, expected: str) -> None:
    assert age_text(age_s) == expected
