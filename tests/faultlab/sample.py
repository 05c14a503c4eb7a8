"""The project that faults happen to: its tests note on their host that they were run there.

A note is a line of JSON, ``[host, what, node id]``, in a file that no run writes but the tests:
an account that is independent of what the run reports.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NOTES: Final = "FAULTLAB_NOTES"
HOST: Final = "FAULTLAB_HOST"
FIFO: Final = "FAULTLAB_FIFO"
GO: Final = "FAULTLAB_GO"

MOVED: Final = (
    "was lost with its host while running this",
    "this may have begun on ",
)
"""What a report says of an item that ran twice: in a property, or in the text of an error."""

COLLECTED: Final = "collected"
BEGAN: Final = "began"

CONFTEST: Final = '''
"""Runs on every interpreter, down to 3.6."""
import json
import os

import pytest


class Notes(object):
    def __init__(self):
        # Open from now on: a test may leave no descriptor free.
        self.file = os.open(os.environ["FAULTLAB_NOTES"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(self, what, node_ids):
        rows = [[os.environ["FAULTLAB_HOST"], what, one] for one in node_ids]
        os.write(self.file, "".join(json.dumps(row) + "\\n" for row in rows).encode("ascii"))

    def pytest_collection_finish(self, session):
        self.note("collected", [item.nodeid for item in session.items])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid):
        self.note("began", [nodeid])


def write(word):
    with open(os.environ["FAULTLAB_FIFO"], "w") as stream:
        stream.write(word + "\\n")


class Controller(object):
    def pytest_runtest_logstart(self, nodeid):
        write("seen:" + nodeid)


def pytest_configure(config):
    is_worker = hasattr(config, "workerinput")
    config.pluginmanager.register(Notes() if is_worker else Controller())


@pytest.fixture
def tell():
    """Tells whoever makes the fault that a test has come so far."""
    return write


@pytest.fixture
def tell_that_it_runs(request):
    """Tells that this test runs here; the controller says so, too, when it knows."""
    return lambda: write("here:" + request.node.nodeid)


@pytest.fixture
def wait(tell):
    """Tells that a test is there, and waits until whoever makes the fault lets it go on."""

    def read():
        tell("here")
        with open(os.environ["FAULTLAB_GO"]) as stream:
            stream.readline()

    return read
'''

PASSING: Final = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_number(number):
    pass
"""

PLAIN: Final = {"pytest.ini": "[pytest]\n", "conftest.py": CONFTEST, "test_it.py": PASSING}
"""Six tests that pass."""

SMALL: Final = {"pytest.ini": "[pytest]\n", "conftest.py": CONFTEST}
"""The same without the tests."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """What became of the items of a run.

    Attributes:
        outcomes: how many items the JUnit report says passed, failed, had an error, were skipped.
        collected: how many items were to have an outcome.
        began: how many the hosts began to run.
        lost: of what was collected, how many have no outcome and are not named as missing.
        doubled: how many outcomes, or runs on hosts, there are too many.
    """

    outcomes: dict[str, int]
    collected: int
    began: int
    lost: int
    doubled: int


def account(notes: Path, junit: Path, output: str, *, each: bool) -> Account:
    """Settle the notes of the hosts with what the run reported.

    Args:
        notes: what the tests noted; nothing may be there.
        junit: the report; nothing may be there.
        output: what the run printed.
        each: whether every host was to run every item, and not all of them together.
    """
    rows = [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []
    collected = {(row[0], row[2]) for row in rows if row[1] == COLLECTED}
    wanted = Counter(node_id for _, node_id in collected)
    if not each:
        wanted = Counter(set(wanted))
    wanted = Counter({_name_in_junit(node_id): count for node_id, count in wanted.items()})
    began = Counter(_name_in_junit(row[2]) for row in rows if row[1] == BEGAN)
    reported, moved, outcomes = _reported(junit)
    missing = (wanted - reported).total()
    twice = (reported - wanted).total() if wanted else 0
    return Account(
        outcomes=dict(outcomes),
        collected=wanted.total(),
        began=began.total(),
        lost=max(0, missing - _named_as_missing(output.splitlines())),
        doubled=twice + (began - wanted - moved).total(),
    )


def _reported(junit: Path) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return how often each test is in the report, and is there as moved, and the outcomes."""
    reported: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    try:
        root = ET.parse(junit).getroot()
    except (FileNotFoundError, ET.ParseError):
        return reported, moved, outcomes
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if name == "remotest.environment" or case.get("name") is None:
            continue  # No test; pytest gives one that is interrupted an element without a name.
        reported[name] += 1
        moved[name] += any(words in text for text in _texts_of(case) for words in MOVED)
        tags = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        outcomes[tags[0] if tags else "passed"] += 1
    return reported, moved, outcomes


def _texts_of(case: ET.Element) -> list[str]:
    """Return what is written in a test's element: texts and values of properties."""
    return [*case.itertext(), *(one.get("value", "") for one in case.iter("property"))]


def _named_as_missing(lines: Iterable[str]) -> int:
    """Return how many items a run itself names as those that have no outcome."""
    count = 0
    within = False
    for line in lines:
        if line.startswith(("=", "_")):
            within = " tests without an outcome " in line
        elif within and line.startswith("["):
            count += 1
    return count


def _name_in_junit(node_id: str) -> str:
    path, _, names = node_id.partition("::")
    dotted = path.removesuffix(".py").replace("/", ".")
    return ".".join([dotted, *names.split("::")])
