"""What a run reported is settled with what its hosts noted, whoever is to blame."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from faultlab import catalogue, sample, table
from faultlab.sample import Account
from faultlab.scene import Seen

if TYPE_CHECKING:
    from pathlib import Path

    from faultlab.scene import Scene

IDS = ("test_a.py::test_one", "sub/test_b.py::TestIt::test_two[x-1]")
NAMES = (("test_a", "test_one"), ("sub.test_b.TestIt", "test_two[x-1]"))
WAS_MOVED = "gw0 was lost with its host while running this: x"
MOVED = f'<properties><property name="remotest_moved" value="{WAS_MOVED}"/></properties>'
IN_DOUBT = "this may have begun on gw0, which was lost with its host: x"
WAS_IN_DOUBT = f'<properties><property name="remotest_moved" value="{IN_DOUBT}"/></properties>'
LOST_TWICE = f"<error>before that, {WAS_MOVED}</error>"


def settle(
    folder: Path,
    notes: list[tuple[str, str, str]],
    cases: list[str],
    output: str = "",
    *,
    each: bool = False,
) -> Account:
    (folder / "notes").write_text("".join(json.dumps(note) + "\n" for note in notes))
    text = "".join(cases)
    (folder / "junit.xml").write_text(f"<testsuites><testsuite>{text}</testsuite></testsuites>")
    return sample.account(folder / "notes", folder / "junit.xml", output, each=each)


def noted(what: str, *ids: str, host: str = "first") -> list[tuple[str, str, str]]:
    return [(host, what, one) for one in ids]


def case(name: tuple[str, str], inside: str = "") -> str:
    return f'<testcase classname="{name[0]}" name="{name[1]}">{inside}</testcase>'


ALL_NOTED = noted("collected", *IDS) + noted("began", *IDS)
ENVIRONMENT = case(("remotest", "environment"), "<error/>")
NAMELESS = "<testcase/>"


@pytest.mark.parametrize(
    ("notes", "cases", "run", "expected"),
    [
        pytest.param(
            ALL_NOTED,
            [case(NAMES[0]), case(NAMES[1], "<failure/>"), ENVIRONMENT, NAMELESS],
            ("", False),
            Account(outcomes={"passed": 1, "failure": 1}, collected=2, began=2, lost=0, doubled=0),
            id="all is well",
        ),
        pytest.param(
            ALL_NOTED,
            [case(NAMES[0])],
            ("", False),
            Account(outcomes={"passed": 1}, collected=2, began=2, lost=1, doubled=0),
            id="one is lost",
        ),
        pytest.param(
            ALL_NOTED,
            [case(NAMES[0])],
            (
                f"=== tests without an outcome ===\n[first] {IDS[1]}\n=== 1 passed ===\n[first] x",
                False,
            ),
            Account(outcomes={"passed": 1}, collected=2, began=2, lost=0, doubled=0),
            id="one is named as missing",
        ),
        pytest.param(
            ALL_NOTED + noted("collected", *IDS, host="second"),
            [case(NAMES[0]), case(NAMES[1])],
            ("", True),
            Account(outcomes={"passed": 2}, collected=4, began=2, lost=2, doubled=0),
            id="each host was to run all",
        ),
        pytest.param(
            ALL_NOTED,
            [case(NAMES[0]), case(NAMES[0]), case(NAMES[1])],
            ("", False),
            Account(outcomes={"passed": 3}, collected=2, began=2, lost=0, doubled=1),
            id="two outcomes",
        ),
        pytest.param(
            ALL_NOTED + noted("began", IDS[0], host="second"),
            [case(NAMES[0]), case(NAMES[1])],
            ("", False),
            Account(outcomes={"passed": 2}, collected=2, began=3, lost=0, doubled=1),
            id="two runs",
        ),
        pytest.param(
            ALL_NOTED + noted("began", IDS[0], host="second"),
            [case(NAMES[0], MOVED), case(NAMES[1])],
            ("", False),
            Account(outcomes={"passed": 2}, collected=2, began=3, lost=0, doubled=0),
            id="two runs, and it says so",
        ),
        pytest.param(
            ALL_NOTED + noted("began", IDS[0], host="second"),
            [case(NAMES[0], WAS_IN_DOUBT), case(NAMES[1])],
            ("", False),
            Account(outcomes={"passed": 2}, collected=2, began=3, lost=0, doubled=0),
            id="two runs, and it says that this may be",
        ),
        pytest.param(
            ALL_NOTED + noted("began", IDS[0], host="second"),
            [case(NAMES[0], LOST_TWICE), case(NAMES[1])],
            ("", False),
            Account(outcomes={"error": 1, "passed": 1}, collected=2, began=3, lost=0, doubled=0),
            id="two runs, both lost, and it says so",
        ),
        pytest.param(
            [],
            [ENVIRONMENT],
            ("", False),
            Account(outcomes={}, collected=0, began=0, lost=0, doubled=0),
            id="nothing was collected",
        ),
    ],
)
def test_accounts(
    tmp_path: Path, notes: Any, cases: list[str], run: tuple[str, bool], expected: Account
) -> None:
    output, each = run
    assert settle(tmp_path, notes, cases, output, each=each) == expected


def test_a_run_without_a_report_has_lost_all(tmp_path: Path) -> None:
    settle(tmp_path, ALL_NOTED, [])
    found = sample.account(tmp_path / "notes", tmp_path / "none.xml", "", each=False)
    assert found == Account(outcomes={}, collected=2, began=2, lost=2, doubled=0)


def stage(scene: Scene) -> Seen:
    """Something is done."""
    raise AssertionError(scene)


def entry(**changes: Any) -> catalogue.Fault:
    plain: dict[str, Any] = {
        "row": "1",
        "name": "a fault",
        "stage": stage,
        "exits": 6,
        "says": ("is (gone|lost)",),
        "outcomes": {"passed": 2},
        "is_cheap": True,
        "is_settled": True,
    }
    return catalogue.Fault(**{**plain, **changes})


def seen(**changes: Any) -> Seen:
    account = {"outcomes": {"passed": 2}, "collected": 2, "began": 2, "lost": 0, "doubled": 0}
    inside = {name: changes.pop(name) for name in list(changes) if name in account}
    plain: dict[str, Any] = {
        "status": 6,
        "output": "x\nthe host is gone\n= 2 passed in 0.1s =\n",
        "seconds": 1.0,
        "account": Account(**{**account, **inside}),
        "left": (),
    }
    return Seen(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"status": 0}, ["exit status 0, not 6"]),
        ({"status": None}, ["it hung, not 6"]),
        ({"output": "all is well"}, ["not said: is (gone|lost)"]),
        ({"lost": 1}, ["1 items lost"]),
        ({"doubled": 2}, ["2 items doubled"]),
        ({"outcomes": {"passed": 1}}, ["outcomes {'passed': 1}, not {'passed': 2}"]),
        ({"left": ("sleep 1000",)}, ["left behind: sleep 1000"]),
        ({"output": "it is lost\nINTERNALERROR> x"}, ["an internal error"]),
    ],
)
def test_a_run_is_judged(changes: dict[str, Any], wrong: list[str]) -> None:
    assert catalogue.judge(entry(), seen(**changes)) == wrong


def test_a_run_that_is_stopped_owes_no_outcome() -> None:
    assert catalogue.judge(entry(is_settled=False), seen(lost=1)) == []


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("it is gone /tmp/faultlab-x1/scene/y 127.0.0.1:12\nx", "it is gone …/y 127.0.0.1:PORT"),
        ("x\n=== 2 passed in 0.1s ===\n\n", "2 passed in 0.1s"),
        ("INTERNALERROR> OSError: x\n=== no tests ran in 1.0s ===", "INTERNALERROR> OSError: x"),
        ("started\nwaiting\n", "waiting"),
        ("", "(nothing)"),
    ],
)  # fmt: skip
def test_the_essential_line(output: str, line: str) -> None:
    assert table.essential(output, entry().says) == line


def test_the_page() -> None:
    results = {
        ("ours", "1"): table.result_of(entry(), seen(), []),
        ("theirs", "1"): table.result_of(entry(), seen(status=None, lost=2, output="a | b"), []),
        ("ours", "2b"): table.Result(why_not="no such disk"),
    }
    head = {"deadline": "60 s", "own": "9 s", "versions": "Made today."}
    rows = [entry(), entry(row="2b", is_settled=False)]
    page = table.render(rows, results, ["ours", "theirs"], head)
    columns = "printed | exit | s | lost, doubled, left"
    start = "| # | fault | what was done"
    made = "a fault | Something is done."
    theirs = r"`a \| b` | **hangs** | 1.0 | **2**, 0, 0"
    assert page.splitlines()[-4:] == [
        f"{start} | ours: {columns} | theirs: {columns} |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        f"| 1 | {made} | `the host is gone` | 6 | 1.0 | 0, 0, 0 | {theirs} |",
        f"| 2b | {made} | not made: no such disk | | | | (not run) | | | |",
    ]


def test_every_fault_is_in_the_catalogue() -> None:
    numbers = {one.number for one in catalogue.faults()}
    assert numbers == set(range(1, table.ROW_COUNT + 1))
