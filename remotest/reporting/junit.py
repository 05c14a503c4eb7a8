"""A JUnit file with one test suite for each environment.

pytest's own writer puts everything into one suite, where the same test of two environments is
twice the same test case. Here each environment has a writer of pytest's own kind; at the end
their suites go into one file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from _pytest.junitxml import LogXML, bin_xml_escape, xml_key

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping


class EnvironmentJUnit:
    """Takes the place of pytest's JUnit plugin on a controller with several environments."""

    def __init__(
        self,
        original: LogXML,
        *,
        environments: Callable[[], Iterable[str]],
        describe: Callable[[str], Mapping[str, str]],
        failures: Callable[[], Mapping[str, str]],
    ) -> None:
        self._original = original
        self._environments = environments
        self._describe = describe
        self._failures = failures
        self._writers: dict[str, LogXML] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="remotest-junit-")

    def _writer(self, environment: str) -> LogXML:
        """Return the writer of an environment, made when it is first needed."""
        if environment not in self._writers:
            original = self._original
            writer = LogXML(
                Path(self._folder.name, f"{len(self._writers)}.xml"),
                original.prefix,
                original.suite_name,
                original.logging,
                original.report_duration,
                original.family,
                original.log_passing_tests,
            )
            writer.suite_start = original.suite_start
            self._writers[environment] = writer
        return self._writers[environment]

    def _writer_of(self, report: Any) -> LogXML:
        node = getattr(report, "node", None)
        return self._original if node is None else self._writer(node.environment)

    def pytest_sessionstart(self) -> None:
        """Note when the run began."""
        self._original.pytest_sessionstart()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Give a report to the writer of its environment."""
        self._writer_of(report).pytest_runtest_logreport(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Give a collection error to the writer of its environment."""
        self._writer_of(report).pytest_collectreport(report)

    def pytest_internalerror(self, excrepr: Any) -> None:
        """Give it to the writer of what belongs to no environment."""
        self._original.pytest_internalerror(excrepr)

    def pytest_sessionfinish(self) -> None:
        """Write every suite, then one file of them all."""
        original_path = Path(self._original.logfile)
        self._original.pytest_sessionfinish()
        root = ET.parse(original_path).getroot()  # noqa: S314  our own file, just written
        (rest,) = root.findall("testsuite")
        if not len(rest.findall("testcase")):
            root.remove(rest)
        failures = self._failures()
        for environment in self._environments():
            writer = self._writer(environment)
            escape_attributes(writer)
            writer.pytest_sessionfinish()
            suite = ET.parse(writer.logfile).getroot().find("testsuite")  # noqa: S314  as above
            assert suite is not None
            self._name(suite, environment)
            if environment in failures:
                add_failure(suite, failures[environment])
            root.append(suite)
        self._folder.cleanup()
        ET.ElementTree(root).write(original_path, encoding="utf-8", xml_declaration=True)

    def _name(self, suite: ET.Element, environment: str) -> None:
        """Say in a suite which environment it is."""
        facts = dict(self._describe(environment))
        suite.set("name", facts.pop("name"))
        suite.set("hostname", facts["host"])
        properties = suite.find("properties")
        if properties is None:
            properties = ET.Element("properties")
            suite.insert(0, properties)
        for name, value in facts.items():
            ET.SubElement(properties, "property", name=f"environment.{name}", value=value)

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Name the file, as pytest does."""
        self._original.pytest_terminal_summary(terminalreporter, config)


class SingleJUnit:
    """Adds to the file of pytest's own plugin that the only environment did not run to its end."""

    def __init__(self, writer: LogXML, failures: Callable[[], Mapping[str, str]]) -> None:
        self._writer = writer
        self._failures = failures

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Change the file that pytest's plugin writes, if need be."""
        escape_attributes(self._writer)
        yield
        failures = self._failures()
        if failures:
            path = Path(self._writer.logfile)
            tree = ET.parse(path)  # noqa: S314  our own file, just written
            suite = tree.getroot().find("testsuite")
            assert suite is not None
            for reason in failures.values():
                add_failure(suite, reason)
            tree.write(path, encoding="utf-8", xml_declaration=True)


def escape_attributes(writer: LogXML) -> None:
    """Write what XML cannot hold as pytest does; in names of files and properties it does not."""
    for reporter in writer.node_reporters_ordered:
        case = reporter.to_xml()
        for element in case.iter():
            for name, value in element.items():
                element.set(name, bin_xml_escape(value))
        # What pytest does with those that have all their reports.
        reporter.to_xml = lambda case=case: case  # type: ignore[method-assign,misc]


def add_failure(suite: ET.Element, reason: str) -> None:
    """Say in a suite that its environment did not run to its end: an error of its own."""
    case = ET.SubElement(suite, "testcase", classname="remotest", name="environment", time="0")
    text = bin_xml_escape(reason)  # It may hold what a host has said last.
    error = ET.SubElement(case, "error", message=text.partition("\n")[0])
    error.text = text
    for counter in ("errors", "tests"):
        suite.set(counter, str(int(suite.get(counter, "0")) + 1))


def install(
    config: pytest.Config,
    *,
    environments: Callable[[], Iterable[str]],
    is_single: bool,
    describe: Callable[[str], Mapping[str, str]],
    failures: Callable[[], Mapping[str, str]],
) -> None:
    """Put our plugin into the place of pytest's, where a JUnit file was asked for.

    Where there is one environment only, pytest's own plugin stays, and its file is completed.

    Args:
        config: of the controller.
        environments: called at the end of the run: all environments, in the order of their suites.
        is_single: there is one environment, and there will be no other.
        describe: returns for an environment its ``name``, ``host`` and further facts.
        failures: called at the end: environment -> why it did not run to its end.
    """
    original = config.stash.get(xml_key, None)
    if original is not None and is_single:
        config.pluginmanager.register(SingleJUnit(original, failures), "remotest-junit")
    elif original is not None:
        config.pluginmanager.unregister(original)
        # Else pytest would unregister it once more at the end.
        del config.stash[xml_key]
        plugin = EnvironmentJUnit(
            original, environments=environments, describe=describe, failures=failures
        )
        config.pluginmanager.register(plugin, "remotest-junit")
