"""A report that is not as pytest makes it is refused or shown: it breaks nothing of the run."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from _pytest.config import _prepareconfig
from _pytest.junitxml import LogXML
from _pytest.terminal import TerminalReporter
from hypothesis import given, settings
from hypothesis import strategies as st
from relayworld import STARTED, make_worker

from pytest_remotest import hookspecs, messages
from pytest_remotest.reportwire import report_to_wire
from remotest.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTIONS: Final = (
    *("-v", "-rA", "--color=yes", "--durations=3"),
    *("-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:remotest", "-p", "no:xdist"),
)


class Shown:
    """The screen and the JUnit file of a run, new for each report: to register is slow."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.session = pytest.Session.from_config(config)
        self.reports = [json.dumps(report) for report in made_by_pytest(config)]
        self.begin()

    def begin(self) -> None:
        self.screen = TerminalReporter(self.config, io.StringIO())
        self.screen._session = self.session
        self.junit = LogXML(self.folder / "junit.xml", None)
        self.junit.pytest_sessionstart()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.screen.pytest_runtest_logreport(report)
        self.junit.pytest_runtest_logreport(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.screen.pytest_collectreport(report)
        self.junit.pytest_collectreport(report)

    def end(self) -> None:
        self.screen.summary_failures()
        self.screen.summary_errors()
        self.screen.summary_passes()
        self.screen.short_test_summary()
        self.junit.pytest_sessionfinish()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("project")
    config = _prepareconfig([*OPTIONS, f"--rootdir={folder}", str(folder)])
    config.pluginmanager.add_hookspecs(hookspecs)
    config._do_configure()
    config.pluginmanager.unregister(name="terminalreporter")
    plugin = Shown(config, folder)
    config.pluginmanager.register(plugin)
    yield plugin
    config._ensure_unconfigure()


def failure(style: Any) -> Any:
    """Return a failure as pytest represents it."""
    try:
        try:
            int("x", base=3)
        except ValueError:
            raise KeyError from None
    except KeyError:
        return pytest.ExceptionInfo.from_current().getrepr(style=style, showlocals=True)


def wire_of(config: pytest.Config, report: Any) -> dict[str, Any]:
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    return report_to_wire(data)


def made_by_pytest(config: pytest.Config) -> list[dict[str, Any]]:
    """Return reports on the wire, of each kind and outcome."""
    outcomes: list[tuple[str, Any, dict[str, Any]]] = [
        ("failed", failure("long"), {}),
        ("failed", failure("native"), {}),
        ("failed", "a text", {"user_properties": [("a", 1)]}),
        ("skipped", ("test_a.py", 3, "Skipped: why"), {}),
        ("skipped", failure("short"), {"wasxfail": "reason: known"}),
        ("passed", None, {"sections": [("Captured stdout call", "out")], "duration": 0.5}),
    ]
    tests = [
        pytest.TestReport(
            nodeid="test_a.py::test_a",
            location=("test_a.py", 3, "test_a"),
            keywords={"test_a": 1},
            outcome=outcome,
            longrepr=longrepr,
            when="call",
            **extra,
        )
        for outcome, longrepr, extra in outcomes
    ]
    collecting = [
        pytest.CollectReport("test_a.py", outcome, longrepr, None)
        for outcome, longrepr, extra in outcomes
        if outcome != "passed" and not extra
    ]
    return [wire_of(config, report) for report in (*tests, *collecting)]


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
        show(shown, messages.TestReport(0, wire) if is_test else messages.CollectReport(wire))


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
            message = messages.TestReport(0, wire) if is_test else messages.CollectReport(wire)
            with contextlib.suppress(messages.ProtocolError):
                show(shown, message)


@settings(max_examples=100)
@given(data=st.data())
def test_only_protocol_errors_escape(shown: Shown, data: st.DataObject) -> None:
    wire = changed(data, data.draw(st.sampled_from(shown.reports)))
    is_test = data.draw(st.booleans())
    message = messages.TestReport(0, wire) if is_test else messages.CollectReport(wire)
    with contextlib.suppress(messages.ProtocolError):
        show(shown, message)
