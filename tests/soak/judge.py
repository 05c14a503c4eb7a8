"""What must hold after every run, whatever has happened in it."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from faultlab.sample import BEGAN
from soak import suite

if TYPE_CHECKING:
    from pathlib import Path

    from faultlab.scene import Seen
    from soak.plan import Plan

GREEN: Final = 0
TESTS_FAILED: Final = 1
STOPPED: Final = 2
NOTHING_RAN: Final = 5
HOST_FAILED: Final = 6

OF_WORKERS: Final = ("kill a worker", "stop a worker")

MOST_LOSSES: Final = 3
"""Of one host in a run: a line that flaps may be lost again after each connection."""

MULTILINE: Final = re.MULTILINE | re.DOTALL

OWN_FILES: Final = ("junit.xml", "__pycache__")
"""What a run adds to the project here."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a run was.

    Attributes:
        project: the project's directory here.
        temporary: the folder here for temporary files, empty before the run.
        notes: what tests have noted.
    """

    project: Path
    temporary: Path
    notes: Path


def judge(plan: Plan, seen: Seen, places: Places, *, has_come: bool) -> list[str]:
    """Return what does not hold: each item one outcome, nothing left, and no green lie.

    Args:
        plan: of the run.
        seen: what was seen of it.
        places: where it was.
        has_come: whether what the plan says has gone wrong.
    """
    wrong = []
    account = seen.account
    if seen.status is None:
        wrong.append("it hung")
    if "INTERNALERROR" in seen.output or "Traceback (most" in seen.output:
        wrong.append("an internal error")
    wrong += [f"{name} has {count} outcomes" for name, count in _reported_twice(plan, places)]
    wrong += [f"{name} began {count} times" for name, count in _begun_too_often(plan, places)]
    was_ended_by_us = plan.is_ended_by_us and has_come
    if account.lost > _not_listed(seen.output) and not was_ended_by_us:
        wrong.append(f"{account.lost} items lost")
    wrong += [f"left behind: {command}" for command in seen.left]
    wrong += _wrong_status(plan, seen, has_come=has_come)
    wrong += [
        f"a tree that differs: {what}" for what in trees(places.notes) if what != "as it was sent"
    ]
    wrong += [f"stray on this machine: {path}" for path in strays(plan, places)]
    return wrong


def _wrong_status(plan: Plan, seen: Seen, *, has_come: bool) -> list[str]:
    outcomes = seen.account.outcomes
    failed = outcomes.get("failure", 0) + outcomes.get("error", 0)
    wanted = plan.copies * suite.item_count(plan)
    is_whole = outcomes == {"passed": wanted}
    allowed = {
        GREEN: is_whole,
        TESTS_FAILED: failed > 0,
        HOST_FAILED: has_come and not failed,
        NOTHING_RAN: False,
        STOPPED: plan.fault == "Ctrl-C" and has_come,
        128 + signal.SIGTERM: plan.fault == "SIGTERM" and has_come,
        # It came while hosts are dialled, before pytest has begun, or again at the very end.
        -signal.SIGTERM: plan.fault == "SIGTERM" and has_come and not outcomes,
    }
    if seen.status is None or allowed.get(seen.status, False):
        return []
    return [f"exit status {seen.status} with {outcomes} of {wanted}"]


def _reported_twice(plan: Plan, places: Places) -> list[tuple[str, int]]:
    reported: Counter[str] = Counter()
    path = places.project / "junit.xml"
    for suite_element in ET.parse(path).getroot() if path.exists() else ():
        environment = suite_element.get("name", "") if plan.mode == "each" else ""
        for case in suite_element.iter("testcase"):
            # One that is interrupted has an element without a name.
            if case.get("name") is not None and case.get("classname") != "remotest":
                reported[f"{environment} {case.get('classname')}.{case.get('name')}"] += 1
    return [(name, count) for name, count in reported.items() if count > 1]


def _begun_too_often(plan: Plan, places: Places) -> list[tuple[str, int]]:
    """Return which items were run more often than they may be, by what they noted themselves.

    Nobody knows of an item that began on a host when its line was gone: so it runs again. A worker
    that dies alone has told of all that it began.
    """
    can_run_again = plan.fault is not None and not (
        plan.fault in OF_WORKERS and plan.moment.test is not None
    )
    most = plan.copies + (MOST_LOSSES if can_run_again else 0)
    began = Counter(row[2] for row in _notes(places.notes) if row[1] == BEGAN)
    return [(name, count) for name, count in began.items() if count > most]


def _not_listed(output: str) -> int:
    """Return how many tests without an outcome are only counted, behind those that are named."""
    found = re.search(r" tests without an outcome =.*?^\.\.\. and (\d+) more$", output, MULTILINE)
    return int(found[1]) if found else 0


def _notes(path: Path) -> list[list[str]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def trees(notes: Path) -> list[str]:
    """Return what workers have noted of their trees."""
    return [row[2] for row in _notes(notes) if row[1] == suite.TREE]


def strays(plan: Plan, places: Places) -> list[str]:
    """Return what a run has left where it must not: the project and the temporary folder here."""
    project = places.project
    own = {*suite.files(plan), *OWN_FILES}
    found = [
        str(path.relative_to(project))
        for path in project.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    return [*(path for path in found if path not in own), *map(str, places.temporary.rglob("*"))]
