"""The screen of ``remotest check``, from made-up answers of hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_remotest.messages import Room
from remotest.errors import ConnectError, HostError, SyncError
from remotest.preflight import Interpreter
from remotest.reporting.checktable import (
    CheckResult,
    HostFacts,
    PluginDifference,
    Row,
    Tree,
    clock_text,
    compare_plugins,
    screen,
)
from remotest.reporting.sizes import size_text
from remotest.sync.push import Lacking

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOM: Final = Room(place="/home/me", total_bytes=10**12, free_bytes=34_100_000_000, free_files=None)
COVERAGE: Final = PluginDifference(name="pytest-cov", here="7.0", there="4.1")


def facts(version: str = "3.9.18", **others: Any) -> HostFacts:
    interpreter = Interpreter(
        implementation="CPython",
        version=version,
        executable="/usr/bin/python3",
        prefix="/usr",
        hostname="box",
        pytest_version="8.4.2",
        cpu_count=2,
    )
    known = {"plugins": (), "clock_ahead_s": 0.0, "room": ROOM}
    return HostFacts(interpreter=interpreter, **{**known, **others})


def row(spec: str, told: HostFacts | None = None, error: HostError | None = None) -> Row:
    return Row(spec=spec, facts=told, error=error)


def lines(rows: Iterable[Row], tree: Tree | HostError | None = None, width: int = 80) -> list[str]:
    return [line.plain for line in screen(CheckResult(rows=tuple(rows), tree=tree), width)]


REFUSED: Final = ConnectError(
    host="away", phase="connect", cause="away:22 refused the connection", remedy="check the port"
)
ROWS: Final = (
    row("popen", facts("3.11.7")),
    row("ssh=box", facts(lacking=Lacking(file_count=12, byte_count=34_500), plugins=(COVERAGE,))),
    row("ssh=box//id=b", facts(shares_tree=True, clock_ahead_s=-7300.0)),
    row("ssh=away", error=REFUSED),
)
TREE: Final = Tree(base="/p", file_count=40, byte_count=99_000, notes=("stayed here: .env",))
BELOW: Final = [
    "",
    "plugins that differ from here:",
    "  ssh=box",
    "    pytest-cov 7.0 here, 4.1 there",
    "",
    "the tree of /p: 40 files, 99.0 kB",
    "  stayed here: .env",
    "",
    "away: connect failed: away:22 refused the connection",
    "  try: check the port",
    "",
    "3 of 4 usable",
]


WIDE: Final = """\
spec           reachable  interpreter     pytest  plugins   free disk  clock  files to send
popen          yes        CPython 3.11.7  8.4.2   same      34.1 GB    same   -
ssh=box        yes        CPython 3.9.18  8.4.2   1 differ  34.1 GB    same   12, 34.5 kB
ssh=box//id=b  yes        CPython 3.9.18  8.4.2   same      34.1 GB    -2 h   shared
ssh=away       no: away:22 refused the connection
"""

NARROW: Final = """\
spec
  reachable  interpreter     pytest  plugins   free disk  clock  files to send
popen
  yes        CPython 3.11.7  8.4.2   same      34.1 GB    same   -
ssh=box
  yes        CPython 3.9.18  8.4.2   1 differ  34.1 GB    same   12, 34.5 kB
ssh=box//id=b
  yes        CPython 3.9.18  8.4.2   same      34.1 GB    -2 h   shared
ssh=away
  no: away:22 refused the connection
"""


def test_a_wide_screen_has_a_line_for_each_spec() -> None:
    assert lines(ROWS, TREE, width=91) == [*WIDE.splitlines(), *BELOW]


def test_a_narrow_screen_has_each_spec_above_its_line() -> None:
    assert lines(ROWS, TREE, width=90) == [*NARROW.splitlines(), *BELOW]


def test_a_cause_is_cut_in_the_table_and_whole_below_it() -> None:
    error = ConnectError(
        host="away", phase="boot", cause="python3.5 not found;\nit has " + "x " * 9
    )
    assert lines([row("ssh=away", error=error)], width=44) == [
        "spec",
        "  reachable  interpreter  pytest  plugins  free disk  clock  files to send",
        "ssh=away",
        "  no: python3.5 not found; it has x x x ...",
        "",
        "away: boot failed: python3.5 not found;",
        "it has x x x x x x x x x ",
        "",
        "0 of 1 usable",
    ]


def test_a_host_that_is_reached_may_not_be_usable() -> None:
    error = SyncError(host="box", phase="sync", cause="the disk is full")
    assert lines([row("ssh=box", facts(room=None), error)])[2:] == [
        "ssh=box",
        "  yes        CPython 3.9.18  8.4.2   same     ?          same   -",
        "",
        "box: sync failed: the disk is full",
        "",
        "0 of 1 usable",
    ]


def test_a_tree_that_cannot_be_read_is_an_error_of_the_check() -> None:
    error = SyncError(host="this machine", phase="reading the tree", cause="cannot read a.py")
    result = CheckResult(rows=(row("ssh=box", facts()),), tree=error)
    assert result.errors == [error]
    assert "this machine: reading the tree failed: cannot read a.py" in lines(result.rows, error)


def test_a_disk_that_counts_its_files_and_has_room_for_few_is_named() -> None:
    room = ROOM._replace(free_files=312)
    assert lines([row("ssh=box", facts(room=room))])[4:6] == [
        "",
        "ssh=box: no more than 312 new files fit in /home/me (inodes)",
    ]


def test_specs_with_the_same_differences_are_told_together() -> None:
    rows = [row(f"ssh=box{number}", facts(plugins=(COVERAGE,))) for number in range(2)]
    assert lines(rows)[6:] == [
        "",
        "plugins that differ from here:",
        "  ssh=box0",
        "  ssh=box1",
        "    pytest-cov 7.0 here, 4.1 there",
        "",
        "2 of 2 usable",
    ]


@given(st.text())
def test_nothing_that_a_host_says_steers_the_terminal(text: str) -> None:
    interpreter = Interpreter(
        implementation=text,
        version=text,
        executable=text,
        prefix=text,
        hostname=text,
        pytest_version=text,
        cpu_count=1,
    )
    difference = PluginDifference(name="a", here="1", there=text)
    told = HostFacts(
        interpreter=interpreter,
        plugins=(difference,),
        clock_ahead_s=None,
        room=Room(place=text, total_bytes=0, free_bytes=0, free_files=0),
    )
    error = HostError(host="box", phase=text, cause=text, remedy=text, stderr=text)
    shown = "".join(lines([row("a", told, error), row("b", error=error)]))
    assert [
        character for character in shown if not (character.isprintable() or character == "\t")
    ] == []


@pytest.mark.parametrize(
    ("byte_count", "text"),
    [
        (0, "0 B"),
        (-1, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_900, "99.9 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (34_100_000_000, "34.1 GB"),
        (10**21, "1000000 PB"),
    ],
)
def test_sizes(byte_count: int, text: str) -> None:
    assert size_text(byte_count) == text


@pytest.mark.parametrize(
    ("ahead_s", "text"),
    [
        (None, "?"),
        (0.0, "same"),
        (-4.9, "same"),
        (5.0, "+5 s"),
        (-59.9, "-60 s"),
        (3599.0, "+60 min"),
        (-7200.0, "-2 h"),
        (86400.0 * 400, "+400 d"),
    ],
)
def test_clocks(ahead_s: float | None, text: str) -> None:
    assert clock_text(ahead_s) == text


def test_plugins_are_compared_by_normal_name_and_exact_version() -> None:
    here = {"pytest_cov": "7.0", "Pytest.Mock": "3.1", "other": "1", "odd": "1"}
    there = {"pytest-cov": "7.0", "pytest-mock": "3.0", "unrelated": "5", "odd": 1}
    assert [str(difference) for difference in compare_plugins(here, there)] == [
        "Pytest.Mock 3.1 here, 3.0 there",
        "odd 1 here, 1 there",
        "other 1 here, none there",
    ]
