"""The screen and the JUnit file of a run that is fed with reports, and reports to feed it with."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import pytest
from _pytest.config import _prepareconfig
from _pytest.junitxml import LogXML
from _pytest.terminal import TerminalReporter

from pytest_remotest import hookspecs
from pytest_remotest.reportwire import report_to_json
from remotest.reporting.junit import escape_attributes

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS: Final = (
    *("-v", "-rA", "--color=yes", "--durations=3"),
    *("-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:remotest", "-p", "no:xdist"),
    *("-p", "no:hypothesispytest"),  # It would be told of a pytest that never begins.
)


def configured(folder: Path) -> pytest.Config:
    """Return the configuration of a pytest that runs in a folder, without a screen so far."""
    config = _prepareconfig([*OPTIONS, f"--rootdir={folder}", str(folder)])
    config.pluginmanager.add_hookspecs(hookspecs)
    config._do_configure()
    config.pluginmanager.unregister(name="terminalreporter")
    return config


class Shown:
    """The screen and the JUnit file of a run, new for each report: to register is slow."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.session = pytest.Session.from_config(config)
        self.reports = [json.dumps(report) for report in made_by_pytest(config)]
        self.begin()
        config.pluginmanager.register(self)

    def begin(self) -> None:
        self.screen = TerminalReporter(self.config, io.StringIO())
        self.screen._session = self.session
        self.junit = LogXML(str(self.folder / "junit.xml"), None)
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
        escape_attributes(self.junit)  # As the writer of each environment has it.
        self.junit.pytest_sessionfinish()
        ET.parse(self.folder / "junit.xml")


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
    wire: dict[str, Any] = json.loads(report_to_json(data).text)
    return wire


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
