"""What the summary says of processes that tests have left."""

from __future__ import annotations

from pytest_remotest.messages import ProcessesLeft
from remotest.reporting.leftovers import LINE_CHARS, SHOWN, LeftoversReport

ROW = [12, "sleep 9", "gw0", "test_a.py::test_a", 1]


class Screen:
    """What of pytest's terminal reporter is used."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write_sep(self, _: str, title: str) -> None:
        self.lines.append(title)

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def test_what_an_earlier_run_has_left_is_not_taken_for_this_runs() -> None:
    report = LeftoversReport(are_kept=True, label="label of {}".format)
    report.take("popen", ProcessesLeft([ROW, [13, "sleep 8", "", "", 0]], False, 0))
    report.take("popen", ProcessesLeft([ROW, ["no row"]], True, 0))
    screen = Screen()
    report.pytest_terminal_summary(screen)
    dead = "; of an earlier run whose agent was killed, and ended now"
    assert screen.lines == [
        "processes that tests have left (kept)",
        "[gw0] test_a.py::test_a: sleep 9 (process 12, and 1 below it)",
        "[label of popen] some test: sleep 8 (process 13)",
        f"[gw0] test_a.py::test_a: sleep 9 (process 12, and 1 below it{dead})",
    ]


def test_what_is_too_long_or_too_many_is_counted() -> None:
    report = LeftoversReport(are_kept=False, label=str)
    report.take("a", ProcessesLeft([ROW] * SHOWN, False, 7))
    report.take("b", ProcessesLeft([ROW, ["no row"]], False, -5))
    screen = Screen()
    report.pytest_terminal_summary(screen)
    line = "[gw0] test_a.py::test_a: sleep 9 (process 12, and 1 below it)"
    assert screen.lines[1:] == [line] * SHOWN + ["... and 8 more"]

    report = LeftoversReport(are_kept=False, label=str)
    report.take("a", ProcessesLeft([[12, "sleep" + 2 * LINE_CHARS * "9", "gw0", "t", 0]], False, 0))
    screen = Screen()
    report.pytest_terminal_summary(screen)
    half = LINE_CHARS // 2
    before, _, after = screen.lines[1].partition(" ... [1521 characters left out by remotest] ... ")
    assert before == "[gw0] t: sleep" + (half - 8) * "9"
    assert after == (half - 13) * "9" + " (process 12)"


def test_nothing_left_is_not_worth_a_word() -> None:
    screen = Screen()
    LeftoversReport(are_kept=False, label=str).pytest_terminal_summary(screen)
    assert screen.lines == []
