"""Packing: every value has a form, and those of plain types come back as they were."""

from __future__ import annotations

import collections
import enum
import json
import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_remotest import values
from pytest_remotest.messages import ProtocolError
from pytest_remotest.values import (
    MAX_DEPTH,
    MAX_INT_BITS,
    cut,
    pack,
    pack_text,
    safe_str,
    unpack,
    unpack_text,
)

# A high and a low half that stand side by side are one character in JSON.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\ud800\udbff"))
HASHABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | st.binary(),
    lambda inner: st.frozensets(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=5,
)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.sets(HASHABLE, max_size=3),
        st.dictionaries(HASHABLE, inner, max_size=3),
    ),
    max_leaves=20,
)


def there_and_back(value: Any) -> Any:
    return unpack_text(pack_text(value))


def typed(value: Any) -> Any:
    """Return a value with the types of all of its parts, in an order of their own."""
    if isinstance(value, dict):
        return dict, [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(map(repr, map(typed, value)))
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    return type(value), repr(value)


@given(VALUES)
def test_plain_values_come_back_with_their_types(value: Any) -> None:
    assert typed(there_and_back(value)) == typed(value)


@pytest.mark.parametrize(
    "value",
    [-0.0, math.inf, -math.inf, math.nan, -(2**31) - 1, 10**5000, -(1 << 100_000), "\ud800", True],
    ids=lambda value: safe_str(value)[:20] if not isinstance(value, int) else hex(value)[:20],
)
def test_odd_values_come_back(value: Any) -> None:
    assert typed_scalar(there_and_back({1: value})[1]) == typed_scalar(value)


def typed_scalar(value: Any) -> Any:
    """Return what tells a scalar from others: for large numbers a text in base ten is refused."""
    return type(value), hex(value) if isinstance(value, int) else repr(value)


def test_a_number_is_read_under_the_tightest_limit_of_digits() -> None:
    number = 10**616
    text = pack_text(number)
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        assert unpack_text(text) == number
    finally:
        sys.set_int_max_str_digits(before)


class Color(enum.IntEnum):
    RED = 3


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError


class Liar(Mute):
    __class__ = property(Mute.__repr__)  # type: ignore[assignment]  # on purpose


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024  an untyped one as suites have them
itself: list[Any] = []
itself += [itself, itself]
key_of_itself: dict[Any, Any] = {}
key_of_itself["a"] = key_of_itself
deep: list[Any] = []
for _ in range(100_000):
    deep = [deep]


@pytest.mark.parametrize(
    ("value", "nearest"),
    [
        (Color.RED, 3),
        (Text("text"), "text"),
        (Point(1, [2]), (1, [2])),
        (collections.OrderedDict([(2, 1), (1, 2)]), {2: 1, 1: 2}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (1j, "1j"),
        (bytearray(b"a"), "bytearray(b'a')"),
        (Mute(), "<Mute object whose repr() raises RuntimeError>"),
        ({int}, {"<class 'int'>"}),
        (Liar(), "<Liar object whose repr() raises RuntimeError>"),
        (itself, ["<list left out by remotest: it holds itself or too much>"] * 2),
        (key_of_itself, {"a": "<dict left out by remotest: it holds itself or too much>"}),
        (1 << MAX_INT_BITS, "<int of 8388609 bits left out by remotest>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_become_the_nearest(value: Any, nearest: Any) -> None:
    assert typed(there_and_back(value)) == typed(nearest)


def test_what_is_nested_deeper_than_the_limit_is_left_out() -> None:
    value = there_and_back(deep)
    for _ in range(MAX_DEPTH):
        assert type(value) is list
        (value,) = value
    assert value == "<list left out by remotest: it holds itself or too much>"


def test_lists_that_hold_others_twice_do_not_unfold_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(values, "MAX_PARTS", 1000)
    value: list[Any] = []
    for _ in range(MAX_DEPTH - 1):
        value = [value, value]
    assert pack_text(value).count("[") < 1000


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"tuple": [], "set": []},
        {"complex": "1j"},
        {"tuple": "ab"},
        {"tuple": {"a": 1}},
        {"set": [[]]},
        {"frozenset": None},
        {"dict": [[1]]},
        {"dict": [[[], 1]]},
        {"dict": [["a", "b", "c"]]},
        {"dict": "ab"},
        {"bytes": "a"},
        {"bytes": "\ud800"},
        {"bytes": 1},
        {"int": "x"},
        {"int": 3},
        {"float": "1.5"},
        {"float": []},
        [{"tuple": [{}]}],
    ],
    ids=json.dumps,
)
def test_a_form_that_pack_never_makes_is_refused(form: Any) -> None:
    with pytest.raises(ProtocolError, match="a packed value is broken"):
        unpack(form)


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "1" * 100_000])
def test_a_text_that_is_no_form_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="a packed value is not JSON"):
        unpack_text(text)


@given(st.text(), st.integers(2, 40))
def test_a_cut_text_says_what_it_lacks(text: str, chars: int) -> None:
    shorter = cut(text, chars)
    if len(text) <= chars:
        assert shorter == text
        return
    half = chars // 2
    mark = f"\n... [{len(text) - 2 * half} characters left out by remotest] ...\n"
    assert shorter == text[:half] + mark + text[-half:]


def test_packing_does_not_change_the_value() -> None:
    value = {"a": [1, {2}]}
    pack(value)
    assert value == {"a": [1, {2}]}
