"""What tests took is kept in pytest's cache from run to run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from remotest import durations
from remotest.durations import KEY, Durations
from remotest.reporting.idletail import LastTest, tell_tail

if TYPE_CHECKING:
    from pathlib import Path


def report(worker: str, node_id: str, when: str, duration_s: float) -> Any:
    """Return a report as it comes from a worker."""
    made = pytest.TestReport(
        node_id,
        ("", 0, ""),
        {},
        "passed",
        None,
        when,  # type: ignore[arg-type]  # a text of three
        duration=duration_s,
    )
    made.node = SimpleNamespace(gateway=SimpleNamespace(id=worker))
    return made


@pytest.fixture
def cache(tmp_path: Path, pytestconfig: pytest.Config) -> pytest.Cache:
    return pytest.Cache(tmp_path, pytestconfig, _ispytest=True)


def run(cache: pytest.Cache, *reports: Any) -> dict[str, dict[str, float]]:
    """Play a run; return what the next one knows."""
    keeper = Durations(cache, lambda worker: worker.rstrip("0123456789"))
    for each in reports:
        keeper.pytest_runtest_logreport(each)
    keeper.pytest_sessionfinish()
    return Durations(cache, str).known()


def test_all_phases_count_and_runs_add_up(cache: pytest.Cache) -> None:
    first = run(
        cache,
        report("gw0", "a", "setup", 0.1),
        report("gw0", "a", "call", 0.25),
        report("gw0", "a", "teardown", 0.00004),
        report("gw1", "b", "setup", 1),
    )
    assert first == {"gw": {"a": 0.35, "b": 1.0}}
    second = run(cache, report("gw0", "a", "setup", 3), report("far0", "a", "setup", 2))
    assert second == {"gw": {"b": 1.0, "a": 3.0}, "far": {"a": 2.0}}
    assert list(second["gw"]) == ["b", "a"]


def test_those_that_ran_last_are_kept(cache: pytest.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "MAX_TESTS", 2)
    monkeypatch.setattr(durations, "MAX_KINDS", 1)
    run(cache, *(report("gw0", name, "setup", 1) for name in "abc"))
    assert run(cache, report("gw0", "a", "setup", 1)) == {"gw": {"c": 1.0, "a": 1.0}}
    assert run(cache, report("far", "a", "setup", 1)) == {"far": {"a": 1.0}}


@pytest.mark.parametrize(
    ("content", "known"),
    [
        ([], {}),
        ({"gw": 3}, {}),
        ({"gw": {"a": "1", "b": -1, "c": None, "d": 2}}, {"gw": {"d": 2.0}}),
    ],
)
def test_what_somebody_else_wrote_is_no_error(
    cache: pytest.Cache, content: Any, known: Any
) -> None:
    cache.set(KEY, content)
    assert Durations(cache, str).known() == known


def last(worker: str, ended_s: float) -> LastTest:
    return LastTest(worker=worker, node_id=f"test_{worker}", ended_s=ended_s, duration_s=0.5)


def test_the_end_is_explained_by_what_others_waited_for() -> None:
    tests = [last("gw0", 10.0), last("gw1", 14.0), last("gw2", 11.0), last("gw3", 10.05)]
    head = "10.95s of 4 workers' time, while these ran what was left:"
    row = "0.50s gw1   test_gw1, until 4.00s after the first worker was done"
    other = "0.50s gw2   test_gw2, until 1.00s after the first worker was done"
    assert tell_tail(tests, 0) == [head, row, other]
    assert tell_tail(tests, 1) == [head, row]
    assert tell_tail([last("gw0", 1.0), last("gw1", 1.05)], 0) == []
    assert tell_tail([], 0) == []
