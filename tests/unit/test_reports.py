"""Reports and warnings of workers, rebuilt: never lost, and nothing a host names is called."""

from __future__ import annotations

import json
import subprocess
import sys
import types
import warnings
from typing import Any

import pytest

from pytest_remotest import messages
from pytest_remotest.reportwire import report_to_json
from remotest.reports import combine_outcomes, lost_item_report, rebuild_report, rebuild_warning


def report(when: str = "call", outcome: str = "passed", **fields: Any) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="test_a.py::test_b",
        location=("test_a.py", 3, "test_b"),
        keywords={"test_b": 1},
        outcome=outcome,
        longrepr=fields.pop("longrepr", None),
        when=when,
        **fields,
    )


def wire_of(config: pytest.Config, original: object) -> dict[str, Any]:
    data = config.hook.pytest_report_to_serializable(config=config, report=original)
    wire: dict[str, Any] = json.loads(report_to_json(data).text)
    return wire


def test_a_report_comes_back_as_it_was(pytestconfig: pytest.Config) -> None:
    original = report(
        outcome="failed",
        longrepr="assert 0",
        sections=[("Captured stdout call", "hello")],
        duration=0.25,
        user_properties=[("size", (1, 2))],
    )
    found = rebuild_report(pytestconfig, wire_of(pytestconfig, original), pytest.TestReport)
    assert isinstance(found, pytest.TestReport)
    assert {**vars(found), "$report_type": ""} == {**vars(original), "$report_type": ""}


def test_where_and_why_a_test_was_skipped_comes_back(pytestconfig: pytest.Config) -> None:
    original = report("setup", "skipped", longrepr=("test_a.py", 3, "Skipped: not here"))
    found = rebuild_report(pytestconfig, wire_of(pytestconfig, original), pytest.TestReport)
    assert found.longrepr == ("test_a.py", 3, "Skipped: not here")


def test_a_collection_error_comes_back(pytestconfig: pytest.Config) -> None:
    original = pytest.CollectReport("test_a.py", "failed", "no module named x", None)
    found = rebuild_report(pytestconfig, wire_of(pytestconfig, original), pytest.CollectReport)
    assert isinstance(found, pytest.CollectReport)
    assert (found.nodeid, found.outcome, found.longrepr) == (
        *("test_a.py", "failed"),
        "no module named x",
    )


@pytest.mark.parametrize("outcome", ["failed", "skipped"])
def test_a_report_of_a_kind_that_is_not_known_here(
    pytestconfig: pytest.Config, outcome: str
) -> None:
    wire = wire_of(pytestconfig, report(outcome=outcome, longrepr="boom"))
    found = rebuild_report(
        pytestconfig, {**wire, "$report_type": "ReportOfSomePlugin"}, pytest.TestReport
    )
    assert isinstance(found, pytest.TestReport)
    assert (found.nodeid, found.when, found.outcome) == ("test_a.py::test_b", "call", outcome)
    whole = found.longrepr[2] if isinstance(found.longrepr, tuple) else str(found.longrepr)
    text, reason = whole.split("\n")
    assert text == "boom"
    assert reason.startswith("(this pytest cannot read the report: ")
    assert "ReportOfSomePlugin" in reason


def test_a_passed_report_without_a_kind(pytestconfig: pytest.Config) -> None:
    wire = wire_of(pytestconfig, report())
    found = rebuild_report(pytestconfig, {**wire, "$report_type": None}, pytest.TestReport)
    assert isinstance(found, pytest.TestReport)
    assert (found.nodeid, found.outcome, found.longrepr) == ("test_a.py::test_b", "passed", None)


def test_a_report_that_a_newer_pytest_made_is_no_loss(pytestconfig: pytest.Config) -> None:
    wire = wire_of(pytestconfig, report(outcome="failed", longrepr="boom"))
    del wire["location"]
    found = rebuild_report(
        pytestconfig, {**wire, "longrepr": {"reprcrash": {"new": 1}}}, pytest.TestReport
    )
    assert isinstance(found, pytest.TestReport)
    assert found.outcome == "failed"
    assert "this pytest knows no such form of a failure" in str(found.longrepr)
    assert "'new': 1" in str(found.longrepr)


@pytest.mark.parametrize(
    "wire", [{}, {"nodeid": "a"}, {"outcome": "failed"}, {"nodeid": 1, "outcome": "failed"}]
)
def test_what_is_no_report_at_all(pytestconfig: pytest.Config, wire: dict[str, Any]) -> None:
    with pytest.raises(messages.ProtocolError):
        rebuild_report(pytestconfig, wire, pytest.TestReport)


@pytest.mark.parametrize(
    ("node_id", "location"),
    [
        ("a/test_a.py::test_b[x::y]", ("a/test_a.py", None, "test_b[x.y]")),
        ("test_a.py::TestC::test_b", ("test_a.py", None, "TestC.test_b")),
        ("README.rst", ("README.rst", None, "README.rst")),
    ],
)
def test_a_lost_item(node_id: str, location: tuple[str, None, str]) -> None:
    found = lost_item_report(node_id, "the host is gone")
    assert (found.nodeid, found.location, found.outcome, found.when, found.longrepr) == (
        *(node_id, location),
        *("failed", "???", "the host is gone"),
    )


PASSES = [report("setup"), report("call"), report("teardown")]


@pytest.mark.parametrize(
    ("reports", "outcome"),
    [
        (PASSES, "passed"),
        ([report("setup", "failed"), report("teardown")], "error"),
        ([report("setup"), report("call", "failed"), report("teardown")], "failed"),
        ([report("setup"), report("call", "failed"), report("teardown", "failed")], "failed"),
        ([report("setup"), report("call"), report("teardown", "failed")], "error"),
        ([report("setup", "skipped"), report("teardown")], "skipped"),
        (
            [report("setup"), report("call", "skipped", wasxfail="why"), report("teardown")],
            "xfailed",
        ),
        ([report("setup"), report("call", wasxfail="why"), report("teardown")], "xpassed"),
        ([report("setup"), report("teardown")], None),
    ],
)
def test_the_outcome_of_an_item(reports: list[pytest.TestReport], outcome: str | None) -> None:
    found = None
    for each in reports:
        found = combine_outcomes(found, each)
    assert found == outcome


def warning(category: str, module: str) -> messages.WarningRecorded:
    return messages.WarningRecorded(
        category=category,
        category_module=module,
        text="old",
        filename="a.py",
        line=3,
        when="runtest",
        node_id="",
        location=None,
    )


@pytest.mark.parametrize(
    ("category", "module", "found_category", "text"),
    [
        ("DeprecationWarning", "builtins", DeprecationWarning, "old"),
        ("PytestUnknownMarkWarning", "pytest", pytest.PytestUnknownMarkWarning, "old"),
        ("MineWarning", "not_imported_here", UserWarning, "not_imported_here.MineWarning: old"),
        ("Popen", "subprocess", UserWarning, "subprocess.Popen: old"),
        ("exit", "builtins", UserWarning, "builtins.exit: old"),
        ("", "", UserWarning, ".: old"),
    ],
)
def test_a_warning(category: str, module: str, found_category: type[Warning], text: str) -> None:
    assert subprocess.Popen
    found = rebuild_warning(warning(category, module))
    assert isinstance(found, warnings.WarningMessage)
    assert (found.category, str(found.message), found.filename, found.lineno) == (
        *(found_category, text),
        *("a.py", 3),
    )


def test_a_warning_runs_no_code_of_the_module_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("lazy")
    asked: list[str] = []
    module.__getattr__ = asked.append  # type: ignore[method-assign]  # as in a lazy module
    monkeypatch.setitem(sys.modules, "lazy", module)

    rebuild_warning(warning("Category", "lazy"))

    assert asked == []


def test_a_warning_imports_nothing() -> None:
    assert "this" not in sys.modules
    rebuild_warning(warning("Zen", "this"))
    assert "this" not in sys.modules
