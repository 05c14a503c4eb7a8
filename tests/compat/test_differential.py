"""The same projects and command lines under pytest-xdist and under remotest, side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import twinruns

CASES: Final = twinruns.cases()
PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"

CRASH: Final = {"reports": "crash-setup", "junit": "crash-cause", "headings": "crash-cause"}
COLLECTION_ERROR: Final = {"phrases": "collection-error-worker"}
INCOMPLETE: Final = dict.fromkeys(("junit", "junit suites"), "junit-incomplete")
MISSING: Final = {
    **dict.fromkeys(("status", "phrases", "headings"), "missing-path"),
    **INCOMPLETE,
}
EACH: Final = {
    "session": "each-collected",
    "summary": "each-names",
    "headings": "each-names",
    "junit suites": "each-junit",
}


def everything_but(*alike: str, row: str) -> dict[str, str]:
    """Return what names a row for all aspects but these."""
    return {aspect: row for aspect in twinruns.ASPECTS if aspect not in alike}


NAMED: Final[dict[str, dict[str, str]]] = {
    "collection-error": COLLECTION_ERROR,
    "collection-error-continue": COLLECTION_ERROR,
    "missing-path": MISSING,
    "missing-test": MISSING,
    "other-order": everything_but("status", "processes", "session", "notes", row="other-order"),
    "crash-exit": CRASH,
    "crash-signal": CRASH,
    "crash-worksteal": CRASH,
    "crash-last": {**CRASH, "processes": "crash-last", "phrases": "crash-last"},
    "crash-no-restart": {**INCOMPLETE, **CRASH},
    "crash-one-restart": CRASH,
    "crash-in-fixture": {"junit": "crash-cause", "headings": "crash-cause"},
    "crash-in-scope": everything_but("status", "notes", "cache", row="crash-in-scope"),
    "crash-each": {**CRASH, **EACH},
    "each": {**EACH, "cache": "each-cache"},
    "tx-ids": {"junit suites": "each-junit"},
    "show-fixtures": {"processes": "only-shown"},
    "interrupt-in-test": everything_but("status", "starts", "notes", row="interrupt-in-test"),
    "report-all": {"headings": "subtest-letter"},
    "no-capture": {"phrases": "no-capture"},
    "bad-number": {"phrases": "usage-words"},
    "pdb": {"summary": "usage-words", "phrases": "usage-words"},
    "hooks": {"notes": "node-keys"},
}
"""Aspects in which a case differs, and the row of the page that says why."""


class Broken(NamedTuple):
    """How remotest ends a case that pytest-xdist breaks: there is nothing more to compare."""

    row: str
    status: int
    counts: dict[str, int]


BROKEN_THERE: Final = {
    "tx-and-number": Broken("number-and-tx", 4, {}),
    "negative-number": Broken("negative-number", 4, {}),
    "other-sets": Broken("other-sets", 0, {"passed": 3}),
    "property": Broken("property", 0, {"passed": 3}),
    "surrogate": Broken("surrogate", 1, {"failed": 1, "passed": 2}),
    "warning-class": Broken("warning-class", 0, {"passed": 3, "warning": 1}),
    "exit-in-test": Broken("exit-in-test", 7, {"passed": 1}),
}


COMPARED: Final = [name for name in CASES if name not in BROKEN_THERE]


QUICK: Final = frozenset(
    (
        *("exit-first", "last-failed", "shouldstop-in-test"),
        *("collection-error", "other-order", "missing-path"),
        *("crash-signal", "crash-in-scope", "crash-each", "crash-no-restart"),
        *("two-workers", "each", "loadscope", "loadgroup", "tx"),
        *("hooks", "junit-options", "report-all", "no-capture"),
        *("bad-dist", "no-xdist"),
    )
)
"""One for each way in which the two may drift apart. All would take minutes (-m slow)."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in COMPARED],
)
def test_both_show_the_same_but_for_what_the_page_names(name: str, tmp_path: Path) -> None:
    theirs, ours = twinruns.run_both(CASES[name], tmp_path)
    differing = [aspect for aspect in twinruns.ASPECTS if theirs[aspect] != ours[aspect]]
    named = [aspect for aspect in twinruns.ASPECTS if aspect in NAMED.get(name, {})]
    assert differing == named, twinruns.describe(theirs, ours, differing)
    assert (ours["percentage"] or 0) <= 100


@pytest.mark.parametrize(
    "name",
    # What is refused, tests/functional/test_options.py shows without pytest-xdist.
    [
        pytest.param(name, marks=() if broken.status != 4 else pytest.mark.slow)
        for name, broken in BROKEN_THERE.items()
    ],
)
def test_remotest_is_right_where_pytest_xdist_is_not(name: str, tmp_path: Path) -> None:
    theirs, ours = twinruns.run_both(CASES[name], tmp_path)
    expected = BROKEN_THERE[name]
    assert ours["status"] == expected.status, ours["screen"]
    assert ours["counts"] == expected.counts, ours["screen"]
    assert theirs["status"] != expected.status, theirs["screen"]
    assert (ours["percentage"] or 0) <= 100


def test_each_named_difference_is_of_a_case_and_has_a_row() -> None:
    anchors = re.findall(r'^\| <a id="([\w-]+)"></a>', PAGE.read_text(), re.MULTILINE)
    assert len(anchors) == len(set(anchors))
    rows = {row for named in NAMED.values() for row in named.values()}
    rows |= {broken.row for broken in BROKEN_THERE.values()}
    assert rows == set(anchors)
    assert QUICK - {*COMPARED} == set()
    assert {*NAMED, *BROKEN_THERE} - set(CASES) == set()
