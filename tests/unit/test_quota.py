"""A worker without an end is cut short, visibly, or ended; others never notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_remotest import messages
from pytest_remotest.brief import pack_times
from pytest_remotest.messages import MAX_OUTPUT_CHARS, ProtocolError
from remotest.quota import (
    CUT_AFTER_BYTES,
    CUT_CHARS,
    END_AFTER_BYTES,
    MAX_ITEMS,
    MAX_REPORTS_OF_ITEM,
    MAX_WARNINGS,
    Quota,
)

if TYPE_CHECKING:
    from collections.abc import Callable

REPORT = {"nodeid": "a", "longrepr": "x" * (CUT_CHARS + 10), "sections": [], "extra": {"dict": []}}
WARNING = messages.WarningRecorded("W", "m", "text", "a.py", 1, "runtest", "a", None)


def having_said(size_bytes: int) -> Quota:
    quota = Quota()
    quota.said_bytes = size_bytes
    return quota


def test_reports_have_their_texts_cut_once_there_were_many() -> None:
    message = messages.TestReport(0, 0, REPORT)
    assert having_said(CUT_AFTER_BYTES).admit(message) is message

    quota = having_said(CUT_AFTER_BYTES + 1)

    half = "x" * (CUT_CHARS // 2)
    note = f"its worker had said {CUT_AFTER_BYTES + 1} bytes before: texts were cut"
    cut = {
        "nodeid": "a",
        "longrepr": f"{half}\n... [10 characters left out by remotest] ...\n{half}",
        "sections": [["cut by remotest", note]],
        "extra": {"dict": []},
    }
    assert quota.admit(message) == messages.TestReport(0, 0, cut)
    assert quota.admit(messages.CollectReport(REPORT)) == messages.CollectReport(cut)


def test_output_of_tests_that_pass_is_cut_as_well() -> None:
    text = "x" * (CUT_CHARS + 10)
    message = messages.ItemPassed(0, ["a"], pack_times([0.5] * 9), [["out", text]], [1, 1, 1], 0.5)
    assert having_said(CUT_AFTER_BYTES).admit(message) is message

    half = "x" * (CUT_CHARS // 2)
    shown = f"{half}\n... [10 characters left out by remotest] ...\n{half}"
    note = f"its worker had said {CUT_AFTER_BYTES + 1} bytes before: texts were cut"
    assert having_said(CUT_AFTER_BYTES + 1).admit(message) == message._replace(
        sections=[["out", shown], ["cut by remotest", note]], section_counts=[0, 0, 2]
    )


def test_warnings_are_left_out_after_one_that_says_so() -> None:
    quota = Quota()
    heard = [quota.admit(WARNING) for _ in range(MAX_WARNINGS + 3)]
    text = "a worker has recorded more than 20000 warnings: the rest is left out"
    note = WARNING._replace(category="UserWarning", category_module="builtins", text=text)
    assert heard[-4:] == [WARNING, note, None, None]


def test_many_reports_of_many_tests_are_no_crime() -> None:
    quota = Quota()
    for position in range(3):
        for _ in range(MAX_REPORTS_OF_ITEM):
            quota.admit(messages.TestReport(position, 0, REPORT))
        quota.admit(messages.ItemFinished(position, 0.1, 1))
    quota.admit(messages.TestReport(0, 0, REPORT))


@pytest.mark.parametrize(
    ("said_bytes", "make_message", "repeats", "cause"),
    [
        (END_AFTER_BYTES + 1, lambda: messages.ItemsReturned([]), 0, "said more than"),
        (0, lambda: messages.TestReport(0, 0, REPORT), MAX_REPORTS_OF_ITEM, "reports of one test"),
        (0, lambda: messages.ItemGroups([[0, ""]] * MAX_ITEMS), 2, "collects more than"),
        (0, lambda: messages.ItemGroups([[]] * MAX_ITEMS), 2, "collects more than"),
        (0, lambda: messages.SessionOutput("x" * (MAX_OUTPUT_CHARS // 8)), 8, "output is over"),
    ],
)
def test_what_has_no_end_ends_the_worker(
    said_bytes: int, make_message: Callable[[], Any], repeats: int, cause: str
) -> None:
    quota = having_said(said_bytes)
    message = make_message()
    for _ in range(repeats):
        assert quota.admit(message) is message
    with pytest.raises(ProtocolError, match=cause):
        quota.admit(message)
