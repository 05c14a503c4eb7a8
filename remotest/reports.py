"""Reports and warnings of workers, rebuilt for pytest's hooks here.

What a host sends is data: nothing in it is imported, called or evaluated. A report that this
pytest cannot rebuild is shown as a plain failure or pass with the same node id, never dropped.
"""

from __future__ import annotations

import builtins
import sys
import warnings
from sys import intern
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pytest

from pytest_remotest import messages
from pytest_remotest.brief import phases_of
from pytest_remotest.hookowners import are_all_of_pytest
from pytest_remotest.reportwire import is_location, report_from_wire
from pytest_remotest.values import safe_repr
from remotest.failureshape import has_shape_of_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from remotest.run.events import Outcome

_PARSED_ID = "_id"
"""Where a report of pytest 9.2 has its node id, taken apart."""

_OWN_FIELDS = frozenset(
    (
        *("nodeid", "location", "keywords", "outcome", "longrepr", "when", "sections", "result"),
        *("user_properties", "duration", "start", "stop", _PARSED_ID),
    )
)
"""What pytest itself gives its reports: none of it is a method of them."""

_TYPE_FIELD: dict[str, Any] = {"$report_type": "TestReport"}
"""What pytest leaves in the reports that it rebuilds itself."""

LOCATION_PARTS = 3
"""Path, line, name."""

Location: TypeAlias = tuple[str, int | None, str]
"""Of an item, as pytest's hooks have it."""

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def rebuild_report(config: pytest.Config, wire: dict[str, Any], kind: type[Report]) -> Report:
    """Return the report of a worker, of a test or of collecting.

    Raises:
        pytest_remotest.messages.ProtocolError: ``wire`` is no report of this kind.
    """
    data = report_from_wire(wire)
    if not isinstance(data.get("nodeid"), str) or not isinstance(data.get("outcome"), str):
        raise messages.ProtocolError("a report without a node id or outcome")
    if _PARSED_ID in data:
        raise messages.ProtocolError(f"a report's field {_PARSED_ID!r} never travels")
    failure = data.get("longrepr")
    if isinstance(failure, dict) and not has_shape_of_failure(failure):
        return _plain_report(data, "this pytest knows no such form of a failure", kind)
    try:
        report = config.hook.pytest_report_from_serializable(config=config, data=dict(data))
    except Exception as error:  # noqa: BLE001  another pytest's form may fail in any way
        return _plain_report(data, f"this pytest cannot read the report: {error!r}", kind)
    if not isinstance(report, pytest.TestReport | pytest.CollectReport):
        return _plain_report(data, "this pytest knows no such kind of report", kind)
    if not isinstance(report, kind):
        raise messages.ProtocolError(f"a {type(report).__name__} is no {kind.__name__}")
    _check_state(report)
    if isinstance(report, pytest.CollectReport):
        report.result = []  # What was collected does not travel, whatever is said here.
    if report.failed and report.longrepr is None:
        report.longrepr = ""  # pytest's JUnit does not take None.
    return report


def are_rebuilt_by_pytest(config: pytest.Config) -> bool:
    """Return whether no plugin has a say in how reports are made of what has travelled."""
    return are_all_of_pytest(config.hook.pytest_report_from_serializable)


def rebuild_passed(
    node_id: str, location: Location, passed: messages.ItemPassed
) -> Iterator[pytest.TestReport]:
    """Yield the reports that a message stands for, as ``rebuild_report`` would return them.

    Their texts are there once, for all reports that have them.

    Args:
        node_id: of the item.
        location: of the item.
        passed: the message.

    Raises:
        pytest_remotest.messages.ProtocolError: it cannot stand for any.
    """
    path, line, name = location
    location = intern(path), line, intern(name)
    keywords = list(map(intern, passed.keywords))
    parsed_id: Any = node_id
    for when, times, sections in phases_of(passed):
        fields: dict[str, Any] = {"when": when, **_TYPE_FIELD, **times}
        report = pytest.TestReport(
            nodeid=parsed_id,
            location=location,
            keywords=dict.fromkeys(keywords, 1),  # Plugins may change each.
            outcome="passed",
            longrepr=None,
            sections=[(title, text) for title, text in sections],
            **fields,
        )
        parsed_id = getattr(report, "id", node_id)  # It is taken apart once.
        yield report


def as_location(location: list[Any] | None) -> Location:
    """Return a location as pytest's hooks have it.

    Raises:
        pytest_remotest.messages.ProtocolError: it is none.
    """
    if type(location) is list and len(location) == LOCATION_PARTS:
        path, line, name = location
        if type(path) is str and type(name) is str and (line is None or type(line) is int):
            return path, line, name
    raise messages.ProtocolError("a location that is no path, line and name")


def _check_state(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Refuse fields that would stand before what the class has: they came with the others.

    Raises:
        pytest_remotest.messages.ProtocolError: there is such a one.
    """
    for name in vars(report).keys() - _OWN_FIELDS:
        if callable(getattr(type(report), name, None)):
            raise messages.ProtocolError(f"a report's field {name!r} is a method here")


def _plain_report(data: Mapping[str, Any], reason: str, kind: type[Report]) -> Report:
    """Return a report with as much of it as is certain, as one of the given kind."""
    node_id, outcome = str(data["nodeid"]), data["outcome"]
    longrepr: Any = data.get("longrepr")
    path, line, said = longrepr if is_location(longrepr) else ("", None, longrepr)
    text = f"{said if isinstance(said, str) else safe_repr(said)}\n({reason})"
    shown: Any = None if outcome == "passed" else text
    if outcome == "skipped":
        shown = path, line, text
    if issubclass(kind, pytest.CollectReport):
        return kind(nodeid=node_id, outcome=outcome, longrepr=shown, result=None)
    return kind(
        nodeid=node_id,
        location=(node_id.partition("::")[0], None, node_id),
        keywords={},
        outcome=outcome,
        longrepr=shown,
        when=data["when"] if data.get("when") in ("setup", "call", "teardown") else "call",
        sections=[],
        duration=0,
    )


def lost_item_report(node_id: str, text: str) -> pytest.TestReport:
    """Return the report of an item whose worker died while it ran."""
    path, _, name = node_id.partition("::")
    return pytest.TestReport(
        nodeid=node_id,
        location=(path, None, name.replace("::", ".") or path),
        keywords={},
        outcome="failed",
        longrepr=text,
        when="???",  # type: ignore[arg-type]  # pytest-xdist's frozen value: no phase is known
    )


def combine_outcomes(previous: Outcome | None, report: pytest.TestReport) -> Outcome | None:
    """Return the outcome of an item after one more of its reports.

    A failure outside of the call is an error; what was worse before stays. An outcome that pytest
    does not know says nothing: plugins have their own, as "rerun", for what is not the last word.
    """
    if previous in ("failed", "error"):
        return previous
    if report.failed:
        return "failed" if report.when == "call" else "error"
    if report.skipped:
        return "xfailed" if hasattr(report, "wasxfail") else "skipped"
    if report.when == "call" and report.passed:
        return "xpassed" if hasattr(report, "wasxfail") else previous or "passed"
    return previous


def rebuild_warning(message: messages.WarningRecorded) -> warnings.WarningMessage:
    """Return a worker's warning.

    Its category is a warning class that is already imported here, by its name; for any other
    the text names it, under ``UserWarning``.
    """
    # vars(), not getattr(): a module may run code of its own when it is asked for a name.
    names = vars(sys.modules.get(message.category_module, builtins))
    category = names.get(message.category)
    text = message.text
    if not (isinstance(category, type) and issubclass(category, Warning)):
        category = UserWarning
        text = f"{message.category_module}.{message.category}: {text}"
    return warnings.WarningMessage(
        message=Warning(text),
        category=category,
        filename=message.filename,
        lineno=message.line,
    )
