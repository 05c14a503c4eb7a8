"""Types a pytest command in two like projects, and tells what a user sees of each run.

The projects are data, in ``compat/differential/*.yaml``: ``files`` holds texts by path, ``cases``
the arguments of pytest by the name of the case.
"""

from __future__ import annotations

import collections
import json
import os
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree as ET

import projects
import xdistworld
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

    from projects import Project

DATA: Final = Path(__file__).with_name("compat") / "differential"

COLUMNS: Final = 300
"""So wide that no line of a summary is cut, and pytest folds none."""

RUN_UID: Final = "PYTEST_XDIST_TESTRUNUID"

View = dict[str, Any]
"""What is seen of a run, by aspect; each aspect is what JSON can hold, in a stable order."""

ASPECTS: Final = (
    "status",
    "processes",  # their worker ids and variables
    "reports",
    "session",
    "notes",
    "counts",
    "summary",
    "results",
    "percentage",
    "starts",
    "phrases",
    "headings",
    "junit",
    "junit suites",
    "cache",
)
"""What is compared. The whole ``screen`` is in a view beside them, to be looked at."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command line and the files that it is typed beside."""

    name: str
    arguments: tuple[str, ...]
    files: dict[str, str]


def cases() -> dict[str, Case]:
    """Return all cases by name."""
    found: dict[str, Case] = {}
    for path in sorted(DATA.glob("*.yaml")):
        data = yaml.safe_load(path.read_text())
        for name, arguments in data["cases"].items():
            assert name not in found, f"two cases called {name}"
            split = tuple(shlex.split(arguments))
            found[name] = Case(name=name, arguments=split, files=data["files"])
    return found


def run_both(case: Case, directory: Path) -> tuple[View, View]:
    """Return what is seen of a case under pytest-xdist, and under remotest."""
    theirs = xdistworld.project(
        directory / "xdist", case.files, xdistworld.REAL_XDIST, with_remotest=False
    )
    ours = projects.make(directory / "remotest", os.environ, case.files)
    with ThreadPoolExecutor(max_workers=2) as pool:
        first, second = pool.map(lambda project: _run(case, project), [theirs, ours])
    return first, second


def _run(case: Case, project: Project) -> View:
    notes = project.directory / "notes"
    notes.touch()
    shell = project.with_variables(
        {
            "PYTHONPATH": str(DATA),
            "PYTEST_PLUGINS": "observer",
            "OBSERVER_NOTES": str(notes),
            "COLUMNS": str(COLUMNS),
        }
    )
    answer = shell.pytest(*case.arguments, "--junitxml=junit.xml")
    rows = [json.loads(line) for line in notes.read_text().splitlines()]
    return {
        "status": answer.status,
        **_seen_by_processes(rows),
        **_seen_on_screen(answer.lines),
        **_seen_in_junit(project.directory / "junit.xml"),
        "cache": _cached(project.directory),
        "screen": answer.output,
    }


def _seen_by_processes(rows: list[list[Any]]) -> View:
    processes = [row[1:] for row in rows if row[0] == "process"]
    runs = {variables.get(RUN_UID) for _, variables in processes} - {None}
    assert len(runs) <= 1, f"workers of one run have several ids of it: {runs}"
    for _, variables in processes:
        if re.fullmatch("[0-9a-f]{32}", variables.get(RUN_UID, "")):
            variables[RUN_UID] = "<hex>"
    known = {"process", "report", "session"}
    return {
        "processes": _sorted(processes),
        "reports": _sorted(row[1:] for row in rows if row[0] == "report"),
        "session": [row[1:] for row in rows if row[0] == "session"],
        "notes": _sorted(row for row in rows if row[0] not in known),
    }


_END = re.compile(r" in [\d.]+s\b")
_HEADING = re.compile(r"([=_])\1{2,} .* \1{2,}")
_COUNT = re.compile(r"(\d+) ([a-z]+)")
_RESULT = re.compile(r"(?P<worker>\[gw\d+\] )?\[ *(?P<percent>\d+)%\] (?P<rest>.+)")
_PLAIN_RESULT = re.compile(r"(?P<rest>\S.*?) +\[ *(?P<percent>\d+)%\]")
_START = re.compile(r"(?!.*%\])[\w/]+\.py::.*")
_SUMMARY = re.compile(r"(FAILED|ERROR|SUBFAILED|SKIPPED|XFAIL|XPASS|PASSED)\b(?! +\[ *\d+%).*")
_PHRASES: Final = (
    r"\[gw\d+\] node down.*",
    r"replacing crashed worker .*",
    r"worker '?gw\d+'? crashed .*",
    r"INTERNALERROR",
    r"!+ .* !+",
    r"=+ xdist: .* =+",
    r"ERROR: .*",
    r"\S*: error: .*",
    r"Different tests were collected .*",
    r"scheduling tests via .*",
    r"\d+ workers? \[\d+ items?\]",
    r"created: .*",
    r"\[gw\d+\] \S+ -- Python .*",
    r"maximum crashed workers .*",
    r"(\[gw\d+\] )?said .*",
)


def _seen_on_screen(lines: list[str]) -> View:
    results = [
        match
        for line in lines
        if (match := _RESULT.fullmatch(line) or _PLAIN_RESULT.fullmatch(line))
    ]
    return {
        "counts": _counts(lines),
        "summary": _sorted(_neutral(line) for line in lines if _SUMMARY.fullmatch(line)),
        "results": _sorted(
            ("[gw] " if match.groupdict().get("worker") else "") + _result(match["rest"])
            for match in results
        ),
        "percentage": max((int(match["percent"]) for match in results), default=None),
        "starts": _sorted({line for line in lines if _START.fullmatch(line)}),
        "phrases": _phrases(lines),
        "headings": _sorted(
            _neutral(line) for line in lines if _HEADING.fullmatch(line) and not _END.search(line)
        ),
    }


def _result(text: str) -> str:
    """Return a result, or a line of letters with these in order: theirs is chance."""
    return "".join(sorted(text)) if re.fullmatch("[.sFExXu,-]+", text) else text


def _counts(lines: list[str]) -> dict[str, int]:
    """Return the numbers of the last line, such as ``== 1 failed, 2 passed in 0.1s ==``."""
    ends = [line for line in lines if _END.search(line)]
    counted = _COUNT.findall(ends[-1].partition(" in ")[0]) if ends else []
    return {word: int(number) for number, word in counted}


def _phrases(lines: list[str]) -> list[Any]:
    """Return the lines that tools look for, each once: how often a worker says so is chance."""
    pattern = re.compile("|".join(_PHRASES))
    found = {match[0] for line in lines if (match := pattern.match(line))}
    return _sorted({_neutral(text) for text in found})


def _neutral(line: str) -> str:
    """Return a line without what differs from run to run."""
    line = re.sub(r"\bgw\d+\b", "gw", line)
    line = re.sub(r"0x[0-9a-f]+", "0x", line)
    line = re.sub(r"([!=_-])\1{3,}", r"\1", line)
    line = re.sub(r"/\S*/(xdist|remotest)\b", "<here>", line)
    return re.sub(r"-- Python .*", "-- Python", line)


def _seen_in_junit(path: Path) -> View:
    """Return suites' names and totals, and their tests with outcomes and properties."""
    if not path.exists():
        return {"junit": None, "junit suites": None}
    suites = ET.parse(path).getroot().findall("testsuite")
    kept = ("name", "tests", "failures", "errors", "skipped")
    return {
        "junit": _sorted(
            [case.get("classname"), case.get("name"), _sorted(map(_element, case))]
            for suite in suites
            for case in suite.iter("testcase")
        ),
        "junit suites": [
            [
                {name: suite.get(name) for name in kept},
                _sorted(map(_element, suite.findall("properties"))),
            ]
            for suite in suites
        ],
    }


def _element(element: ET.Element) -> list[Any]:
    attributes = {name: _neutral(value) for name, value in element.attrib.items()}
    return [element.tag, attributes, *([list(map(_element, element))] if len(element) else [])]


def _cached(directory: Path) -> list[str] | None:
    path = directory / ".pytest_cache/v/cache/lastfailed"
    return sorted(json.loads(path.read_text())) if path.exists() else None


def _sorted(values: Iterable[Any]) -> list[Any]:
    return sorted(json.loads(json.dumps(list(values))), key=json.dumps)


def describe(theirs: View, ours: View, aspects: Iterable[str]) -> str:
    """Return what differs in these aspects, then both screens."""
    parts = [f"{aspect}:\n{_difference(theirs[aspect], ours[aspect])}" for aspect in aspects]
    screens = [f"pytest-xdist:\n{theirs['screen']}", f"remotest:\n{ours['screen']}"]
    return "\n".join([*parts, *screens])


def _difference(theirs: Any, ours: Any) -> str:
    """Return what one aspect has of each run that the other has not."""
    if not (isinstance(theirs, list) and isinstance(ours, list)):
        return f"  pytest-xdist  {theirs}\n  remotest      {ours}"
    there = collections.Counter(map(json.dumps, theirs))
    here = collections.Counter(map(json.dumps, ours))
    gone = [f"  pytest-xdist only  {row}" for row in (there - here).elements()]
    new = [f"  remotest only      {row}" for row in (here - there).elements()]
    return "\n".join([*gone, *new])
