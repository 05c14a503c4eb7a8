"""A report that is not as pytest makes it is refused or shown: it breaks nothing of the run."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from relayworld import STARTED, make_worker
from reportworld import Shown, configured

from pytest_remotest import messages
from remotest.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("project")
    config = configured(folder)
    yield Shown(config, folder)
    config._ensure_unconfigure()


JSON: Final = st.recursive(
    st.sampled_from([None, True, -1, 10**400, 1e308, float("nan"), "", "x", "passed", "skipped"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
NAMES: Final = st.sampled_from(["_id", "toterminal", "get_sections", "wasxfail", "when", "result"])


def place_in(data: st.DataObject, value: Any) -> tuple[Any, Any]:
    """Return a dict or list somewhere inside of a value, and a key of it."""
    key = data.draw(st.sampled_from(list(value if isinstance(value, dict) else range(len(value)))))
    inner = value[key]
    if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
        return place_in(data, inner)
    return value, key


def places_in(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all of them."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places_in(value[key])


def changed(data: st.DataObject, report: str) -> dict[str, Any]:
    """Return a report that is another in one or two places."""
    found: dict[str, Any] = json.loads(report)
    for _ in range(data.draw(st.integers(1, 2))):
        holder, key = place_in(data, found)
        if isinstance(holder, dict) and data.draw(st.booleans()):
            key = data.draw(NAMES)
        holder[key] = data.draw(JSON)
    if data.draw(st.booleans()):
        found["extra"] = {"dict": [[data.draw(NAMES), data.draw(JSON)]]}
    return found


def show(shown: Shown, message: Any) -> None:
    """Let a worker say something to a run, up to its end."""
    shown.begin()
    worker = make_worker(shown.config)
    relay = Relay(shown.config, "run1")
    relay.handle(worker, STARTED)
    relay.handle(worker, message)
    shown.end()


def test_what_pytest_makes_is_shown(shown: Shown) -> None:
    for wire in map(json.loads, shown.reports):
        is_test = wire["$report_type"] == "TestReport"
        show(shown, messages.TestReport(0, 0, wire) if is_test else messages.CollectReport(wire))


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [3], ["x", "y", "z"]], ids=repr)
def test_whatever_stands_in_one_place_is_refused_or_shown(shown: Shown, value: Any) -> None:
    for report in shown.reports:
        is_test = json.loads(report)["$report_type"] == "TestReport"
        for number in itertools.count():
            wire = json.loads(report)
            place = next(itertools.islice(places_in(wire), number, None), None)
            if place is None:
                break
            holder, key = place
            holder[key] = value
            message = messages.TestReport(0, 0, wire) if is_test else messages.CollectReport(wire)
            with contextlib.suppress(messages.ProtocolError):
                show(shown, message)


@settings(max_examples=100)
@given(data=st.data())
def test_only_protocol_errors_escape(shown: Shown, data: st.DataObject) -> None:
    wire = changed(data, data.draw(st.sampled_from(shown.reports)))
    is_test = data.draw(st.booleans())
    message = messages.TestReport(0, 0, wire) if is_test else messages.CollectReport(wire)
    with contextlib.suppress(messages.ProtocolError):
        show(shown, message)
