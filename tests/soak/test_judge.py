"""The judge of the soak sees what does not hold, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from faultlab.sample import BEGAN, Account
from faultlab.scene import Seen
from soak import suite
from soak.judge import Places, judge
from soak.plan import Moment, Plan, plan

if TYPE_CHECKING:
    from pathlib import Path

CUT: Final = Plan(
    seed=0,
    mode="load",
    host_count=2,
    worker_count=1,
    item_count=3,
    fails=False,
    fault="cut the line",
    moment=Moment(test=1),
    reconnect_s=0,
    choice=0.0,
)
KILLED: Final = replace(CUT, fault="kill a worker")
WELL: Final = Seen(
    status=6,
    output="",
    seconds=1.0,
    account=Account(outcomes={"passed": 3}, collected=3, began=3, lost=0, doubled=0),
    left=(),
)
UNFINISHED: Final = replace(WELL.account, outcomes={"passed": 2}, lost=1)
NOTHING: Final = replace(WELL.account, outcomes={}, lost=0)
CASE: Final = '<testcase classname="test_0" name="test_it[0]"/>'


@pytest.mark.parametrize(
    ("run", "changes", "wrong"),
    [
        (CUT, {}, []),
        (CUT, {"status": 0}, []),
        (CUT, {"status": None}, ["it hung"]),
        (CUT, {"status": 3}, ["exit status 3 with {'passed': 3} of 3"]),
        (CUT, {"status": 2}, ["exit status 2 with {'passed': 3} of 3"]),
        (replace(CUT, fault="Ctrl-C"), {"status": 2, "account": UNFINISHED}, []),
        (replace(CUT, fault="SIGTERM"), {"status": -15, "account": NOTHING}, []),
        (
            replace(CUT, fault="Ctrl-C"),
            {"status": -2, "account": NOTHING},
            ["exit status -2 with {} of 3"],
        ),
        (
            replace(CUT, fault="SIGTERM"),
            {"status": -15},
            ["exit status -15 with {'passed': 3} of 3"],
        ),
        (CUT, {"account": UNFINISHED}, ["1 items lost"]),
        (
            CUT,
            {"account": UNFINISHED, "status": 0},
            ["1 items lost", "exit status 0 with {'passed': 2} of 3"],
        ),
        (CUT, {"output": "INTERNALERROR> x"}, ["an internal error"]),
        (CUT, {"left": ("sleep 1000",)}, ["left behind: sleep 1000"]),
    ],
)
def test_what_is_seen(tmp_path: Path, run: Plan, changes: dict[str, Any], wrong: list[str]) -> None:
    places = made_in(tmp_path, run)
    assert judge(run, replace(WELL, **changes), places, has_come=True) == wrong


@pytest.mark.parametrize(
    ("run", "rows", "wrong"),
    [
        (CUT, [["first", BEGAN, "a"], ["second", BEGAN, "a"]], []),
        (KILLED, [["first", BEGAN, "a"], ["first", BEGAN, "a"]], ["a began 2 times"]),
        (CUT, [["first", suite.TREE, "test_0.py"]], ["a tree that differs: test_0.py"]),
        (CUT, [["first", suite.TREE, "as it was sent"]], []),
    ],
)
def test_what_is_noted(tmp_path: Path, run: Plan, rows: list[list[str]], wrong: list[str]) -> None:
    places = made_in(tmp_path, run)
    places.notes.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    seen = replace(WELL, status=1, account=replace(WELL.account, outcomes={"error": 1}))
    assert judge(run, seen, places, has_come=True) == wrong


def test_what_is_reported_twice_or_left_here(tmp_path: Path) -> None:
    places = made_in(tmp_path, CUT)
    suites = "".join(f'<testsuite name="{name}">{CASE}</testsuite>' for name in ("a", "b"))
    (places.project / "junit.xml").write_text(f"<testsuites>{suites}</testsuites>")
    (places.project / "core").touch()
    (places.temporary / "x").touch()
    twice = " test_0.test_it[0] has 2 outcomes"
    strays = [f"stray on this machine: {path}" for path in ("core", places.temporary / "x")]
    assert judge(CUT, WELL, places, has_come=True) == [twice, *strays]
    each = replace(CUT, mode="each")
    seen = replace(WELL, account=replace(WELL.account, outcomes={"passed": 6}))
    assert judge(each, seen, places, has_come=True) == strays


def test_a_seed_says_all() -> None:
    assert plan(102) == plan(102)
    assert str(plan(102)) == "   102  loadscope 2x3 42 items  cut the line in test 6"


def made_in(folder: Path, run: Plan) -> Places:
    places = Places(project=folder / "project", temporary=folder / "tmp", notes=folder / "notes")
    places.temporary.mkdir()
    for name, text in suite.files(run).items():
        path = places.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return places
