"""Reports on the wire: exact where they can be, near where not, and never too large."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_remotest import messages
from pytest_remotest.frames import encode_message
from pytest_remotest.messages import MAX_MESSAGE_BYTES, ProtocolError
from pytest_remotest.reportwire import report_from_wire, report_to_json

if TYPE_CHECKING:
    from collections.abc import Callable


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError


def report(**fields: Any) -> dict[str, Any]:
    """Return a serialised report as pytest makes it."""
    return {
        "nodeid": "test_a.py::test_a",
        "location": ("test_a.py", 0, "test_a"),
        "keywords": {"test_a": 1},
        "outcome": "passed",
        "longrepr": None,
        "when": "call",
        "user_properties": [],
        "sections": [("Captured stdout call", "out")],
        "duration": 0.5,
        "start": 1.5,
        "stop": 2.0,
        "$report_type": "TestReport",
        **fields,
    }


def there_and_back(data: dict[str, Any]) -> dict[str, Any]:
    return report_from_wire(json.loads(report_to_json(data).text))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"longrepr": ("test_a.py", 3, "Skipped: why"), "outcome": "skipped"},
        {"longrepr": "a text \ud800", "outcome": "failed"},
        {"wasxfail": "reason: why"},
        {"user_properties": [("a", (1, {2})), ("b", {3: b"\xff"}), ("c", 10**5000)]},
        {"item_index": 3, "worker_id": "gw0", "context": {"kwargs": {"i": (1,)}}},
        {"location": ("test_a.py", None, "test_a")},
    ],
    ids=lambda fields: "-".join(fields) or "nothing else",
)
def test_a_report_comes_back_as_it_was(fields: dict[str, Any]) -> None:
    assert there_and_back(report(**fields)) == report(**fields)


def test_what_the_wire_does_not_hold_becomes_text() -> None:
    sent = report(
        longrepr={"reprcrash": Mute(), "lines": (1, int), 3: 10**5000, "same": {1, 2} - {2}},
        user_properties=[("a", Mute())],
        keywords={"k": Mute()},
        plugin=Mute(),
    )
    mute = "<Mute object whose repr() raises RuntimeError>"
    back = there_and_back(sent)
    assert back.pop("longrepr") == {
        "reprcrash": mute,
        "lines": [1, "<class 'int'>"],
        "3": hex(10**5000),
        "same": "{1}",
    }
    assert back.pop("plugin") == mute
    assert back == {
        key: value
        for key, value in report(user_properties=[("a", mute)], keywords={"k": mute}).items()
        if key != "longrepr"
    }


@pytest.mark.parametrize(
    ("field", "value", "nearest"),
    [
        ("nodeid", 3, "3"),
        ("location", ["a"], ("", None, "['a']")),
        ("location", (1, 2, 3), ("", None, "(1, 2, 3)")),
        ("keywords", ["a"], {}),
        ("outcome", None, "None"),
        ("when", 1, "1"),
        ("sections", [("a", 1)], [("sections", "[('a', 1)]")]),
        ("sections", "abc", [("sections", "abc")]),
        ("duration", "long", 0.0),
    ],
)
def test_a_field_of_another_shape_becomes_text(field: str, value: Any, nearest: Any) -> None:
    assert there_and_back(report(**{field: value})) == report(**{field: nearest})


SIZES: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "one section": lambda: {"sections": [("Captured stdout call", "x" * 50_000_000)]},
    "sections": lambda: {"sections": [("out", "\U0001f600" * 2_000_000)] * 6},
    "a traceback": lambda: {
        "longrepr": {"chain": [[{"lines": ["x" * 1000] * 100_000}, None, None]]}
    },
    "keywords": lambda: {"keywords": {f"keyword {number}": 1 for number in range(1_000_000)}},
    "sections without number": lambda: {"sections": [("out", "x")] * 1_000_000},
    "properties": lambda: {"user_properties": [("a", "x" * 50_000_000)]},
    "all": lambda: {
        "longrepr": "x" * 20_000_000,
        "keywords": {"x" * 20_000_000: 1},
        "nodeid": "x" * 20_000_000,
        "location": ("x" * 20_000_000, 1, "x" * 20_000_000),
        "wasxfail": "x" * 20_000_000,
    },
}
"""Functions: what they return is large, and would be there from the collection to the end."""


@pytest.mark.parametrize("name", SIZES)
def test_a_report_that_is_too_large_arrives_cut_and_says_so(name: str) -> None:
    row = encode_message(messages.TestReport(0, 0, report_to_json(report(**SIZES[name]()))))
    assert len(row) <= MAX_MESSAGE_BYTES
    title, text = report_from_wire(json.loads(row)[-1])["sections"][-1]
    assert title == "cut by remotest"
    assert text.endswith("texts, lists or properties of it were left out")


def test_cut_output_keeps_its_beginning_and_its_end() -> None:
    output = "first\n" + "x" * 50_000_000 + "\nlast"
    back = there_and_back(report(sections=[("Captured stdout call", output)]))
    text = back["sections"][0][1]
    assert (text[:6], text[-5:]) == ("first\n", "\nlast")
    assert "\n... [49737867 characters left out by remotest] ...\n" in text


def test_a_long_text_of_digits_is_no_long_number() -> None:
    data = report(longrepr="7" * 5000)
    assert there_and_back(data) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
ANYTHING = st.recursive(
    JSON | st.binary() | st.just(1j) | st.sets(st.integers(), max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3),
)


@pytest.mark.parametrize("field", [*report(), "plugin"])
@pytest.mark.parametrize("value", [Mute(), [Mute()], {1: Mute()}], ids=["one", "list", "dict"])
def test_an_object_that_cannot_even_be_shown_is_no_obstacle(field: str, value: Any) -> None:
    assert there_and_back(report(**{field: value})).keys() == report(**{field: value}).keys()


@given(st.dictionaries(st.sampled_from([*report(), "plugin"]), ANYTHING))
def test_what_a_worker_makes_of_any_report_is_read(fields: dict[str, Any]) -> None:
    assert there_and_back(report(**fields)).keys() == report(**fields).keys()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodeid", 1),
        ("location", ["a", "b", "c"]),
        ("keywords", ["a"]),
        ("sections", "abc"),
        ("sections", [["a", 1]]),
        ("duration", "long"),
        ("extra", {"dict": [[1, 2]]}),
        ("extra", {"dict": [["nodeid", 2]]}),
        ("extra", ["a"]),
    ],
)
def test_a_host_cannot_send_other_shapes(field: str, value: Any) -> None:
    wire = {**json.loads(report_to_json(report()).text), field: value}
    with pytest.raises(ProtocolError, match="a report's"):
        report_from_wire(wire)
