"""Reports that hold what is equal in them once, and are what they were."""

from __future__ import annotations

import copy

import pytest

from remotest.reportparts import share_parts


def report(node_id: str, when: str, *keywords: str) -> pytest.TestReport:
    """Return a report with texts of its own, as one that has come from a worker."""

    def own(text: str) -> str:
        return "".join(list(text))

    return pytest.TestReport(
        nodeid=own(node_id),
        location=(own(node_id.partition("::")[0]), 1, own(node_id.partition("::")[2])),
        keywords={own(word): 1 for word in (*keywords, node_id)},
        outcome=own("passed"),  # type: ignore[arg-type]  # a literal is no text of its own
        longrepr=None,
        when=own(when),  # type: ignore[arg-type]  # as above
        sections=[],
    )


def test_a_report_is_what_it_was() -> None:
    former = report("test_a.py::test_1", "setup", "slow")
    for each in (
        report("test_a.py::test_1", "call", "slow"),
        report("test_a.py::test_2", "call", "slow", "other"),
        report("test_b.py::test_1", "???"),
    ):
        before = copy.deepcopy(vars(each))
        share_parts(each, former)
        assert vars(each) == before


def test_reports_of_one_item_share_what_does_not_change() -> None:
    setup, call = (report("test_a.py::test_1", when, "slow") for when in ("setup", "call"))
    share_parts(setup, None)
    share_parts(call, setup)
    assert call.nodeid is setup.nodeid
    assert call.location is setup.location
    assert call.outcome is setup.outcome
    assert list(map(id, call.keywords)) == list(map(id, setup.keywords))


def test_reports_of_neighbours_share_their_keywords_texts() -> None:
    first, second = (report(f"test_a.py::test_{n}", "call", "slow", "test_a.py") for n in (1, 2))
    share_parts(second, first)
    assert [id(word) for word in first.keywords][:2] == [id(word) for word in second.keywords][:2]


def test_what_a_plugin_changes_in_one_report_stays_there() -> None:
    setup, call = (report("test_a.py::test_1", when) for when in ("setup", "call"))
    share_parts(call, setup)
    call.keywords["flaky"] = 1  # type: ignore[index]  # pytest has a dict there
    call.user_properties.append(("name", 1))
    assert setup.keywords == {"test_a.py::test_1": 1}
    assert setup.user_properties == []


def test_what_a_worker_says_in_other_types_is_left_alone() -> None:
    odd = report("test_a.py::test_1", "call")
    odd.when = None  # type: ignore[assignment]  # a plugin's report
    share_parts(odd, odd)
    assert odd.when is None
