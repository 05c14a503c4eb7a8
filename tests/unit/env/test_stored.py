"""What of a cache somebody means by a name."""

from __future__ import annotations

import pytest

from remotest.env.stored import Stored, pick, refuse_used
from remotest.errors import UsageError


def stored(kind: str, key: str, name: str = "", *, in_use: bool = False) -> Stored:
    return Stored(kind=kind, key=key, name=name or key, size_bytes=1, used_s=0.0, in_use=in_use)


THINGS = [
    stored("wheel", "aa", "toolz-1.whl"),
    stored("wheel", "bb", "toolz-1.whl"),
    stored("wheel", "cc", "tooling-1.whl"),
    stored("environment", "3fa9c1"),
    stored("environment", "3fbbbb", in_use=True),
]


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        ([], []),
        (["toolz-1.whl"], ["aa", "bb"]),
        (["toolz"], ["aa", "bb"]),
        (["3fa"], ["3fa9c1"]),
        (["3f*", "3fa9c1"], ["3fa9c1", "3fbbbb"]),
        (["tool*", "*"], ["aa", "bb", "cc", "3fa9c1", "3fbbbb"]),
    ],
)
def test_a_name_means_all_that_bears_it(names: list[str], keys: list[str]) -> None:
    assert [one.key for one in pick(THINGS, names)] == keys


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "tool",
            "tool is the beginning of several names (tooling-1.whl, toolz-1.whl): write more",
        ),
        ("nothing", "nothing in the cache is called nothing: see remotest cache ls"),
        ("no*", "nothing in the cache is called no*: see remotest cache ls"),
    ],
)
def test_a_name_that_means_nothing_certain_is_refused(name: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        pick(THINGS, ["3fa", name])
    assert str(caught.value) == said


def test_what_is_in_use_is_not_to_be_removed() -> None:
    refuse_used(THINGS[:4], "ssh=h")
    with pytest.raises(UsageError) as caught:
        refuse_used(THINGS, "ssh=h")
    said = "environment 3fbbbb is in use by a run on ssh=h: end that first"
    assert str(caught.value) == said
