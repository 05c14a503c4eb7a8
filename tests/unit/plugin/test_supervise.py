"""Who is below whom, as /proc was read; and who gets orphans."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_remotest.supervise import Stat, become_subreaper, descendants

if TYPE_CHECKING:
    import pytest


def known(parents: dict[int, int]) -> dict[int, Stat]:
    return {pid: Stat(parent, session=1, owner=0) for pid, parent in parents.items()}


def test_what_is_below_a_process_is_found_at_any_depth() -> None:
    stats = known({2: 1, 3: 2, 4: 3, 5: 2, 6: 1})
    assert sorted(descendants(2, stats)) == [3, 4, 5]
    assert descendants(6, stats) == []


def test_processes_that_seem_to_be_below_each_other_are_found_once() -> None:
    # 3 was read when 4 was its parent, and 4 when its number had gone to a child of 3.
    assert sorted(descendants(3, known({3: 4, 4: 3, 5: 4}))) == [3, 4, 5]


def test_an_interpreter_that_was_built_without_ctypes_gets_no_orphans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert not become_subreaper()
