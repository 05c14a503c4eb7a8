"""The matrix and what does not agree, as lines."""

from __future__ import annotations

import pytest

from remotest.reporting.matrix import (
    MAX_DISAGREEMENTS,
    Disagreement,
    Row,
    disagreement_lines,
    find_disagreements,
    harmless_line,
    matrix_lines,
)

PY310 = Row(
    label="myhost-py310",
    interpreter="CPython 3.10.13",
    pytest_version="9.2.0",
    counts={"passed": 1234, "failed": 1, "skipped": 12, "error": 2, "xfailed": 3, "xpassed": 4},
    duration_s=123.46,
)
PYPY = Row(
    label="local-pypy39",
    interpreter="PyPy 3.9.16",
    pytest_version="8.4.2",
    counts={"passed": 1},
    duration_s=0.04,
)
DOWN = Row(label="far-python3.9", interpreter="-", pytest_version="-", has_run=False)


def test_the_table_on_100_columns() -> None:
    assert matrix_lines([PY310, PYPY, DOWN], 100) == [
        "environment   interpreter     pytest passed failed skipped errors xfailed xpassed   time",
        "myhost-py310  CPython 3.10.13 9.2.0    1234      1      12      2       3       4 123.5s",
        "local-pypy39  PyPy 3.9.16     8.4.2       1      0       0      0       0       0   0.0s",
        "far-python3.9 -               -           -      -       -      -       -       -      -",
    ]


@pytest.mark.parametrize("width", [80, 20])
def test_the_table_on_80_columns(width: int) -> None:
    assert matrix_lines([PY310, PYPY, DOWN], width) == [
        "environment   interpreter     pytest pass fail skip err xfail xpass   time",
        "myhost-py310  CPython 3.10.13 9.2.0  1234    1   12   2     3     4 123.5s",
        "local-pypy39  PyPy 3.9.16     8.4.2     1    0    0   0     0     0   0.0s",
        "far-python3.9 -               -         -    -    -   -     -     -      -",
    ]


def test_the_table_has_only_the_columns_that_it_needs() -> None:
    assert matrix_lines([PYPY, DOWN], 100) == [
        "environment   interpreter pytest passed failed skipped errors  time",
        "local-pypy39  PyPy 3.9.16 8.4.2       1      0       0      0  0.0s",
        "far-python3.9 -           -           -      -       -      -     -",
    ]


def test_brackets_in_names_are_no_markup() -> None:
    row = Row(label="h[red]", interpreter="CPython 3.9.0", pytest_version="[x]")
    assert matrix_lines([row], 100)[1].split() == [
        *("h[red]", "CPython", "3.9.0", "[x]"),
        *("0", "0", "0", "0", "0.0s"),
    ]


def test_what_does_not_agree() -> None:
    outcomes = {
        ("e1", "a"): "passed",
        ("e2", "a"): "passed",
        ("e1", "b"): "passed",
        ("e2", "b"): "failed",
        ("e2", "c"): "error",
        ("e1", "d"): "skipped",
        ("e2", "d"): "passed",
        ("gone", "a"): "failed",
    }
    assert find_disagreements(outcomes, {"e1": "one", "e2": "two"}) == [
        Disagreement(node_id="b", labels_by_outcome={"passed": ("one",), "failed": ("two",)}),
        Disagreement(node_id="c", labels_by_outcome={"not there": ("one",), "error": ("two",)}),
        Disagreement(node_id="d", labels_by_outcome={"skipped": ("one",), "passed": ("two",)}),
    ]


def test_one_environment_always_agrees() -> None:
    assert find_disagreements({("e", "a"): "failed"}, {"e": "one"}) == []


FAILS = Disagreement(
    node_id="a.py::b", labels_by_outcome={"passed": ("one", "two"), "failed": ("three",)}
)
SKIPPED = Disagreement(
    node_id="a.py::c", labels_by_outcome={"passed": ("one",), "skipped": ("two",)}
)


def test_the_lines_of_what_does_not_agree() -> None:
    assert disagreement_lines([FAILS, SKIPPED], shows_all=False) == (
        ["a.py::b", "    failed: three", "    passed: one, two"],
        0,
    )
    lines, left_out = disagreement_lines([FAILS, SKIPPED], shows_all=True)
    assert lines[3:] == ["a.py::c", "    passed: one", "    skipped: two"]
    assert left_out == 0


def test_the_list_of_what_does_not_agree_ends() -> None:
    lines, left_out = disagreement_lines([FAILS] * (MAX_DISAGREEMENTS + 7), shows_all=False)
    assert (len(lines), left_out) == (3 * MAX_DISAGREEMENTS, 7)


def test_one_and_many() -> None:
    rest = "skipped, expected to fail or not there in some environments only"
    assert harmless_line(1) == f"1 test is {rest} (-v lists it)"
    assert harmless_line(2) == f"2 tests are {rest} (-v lists them)"
