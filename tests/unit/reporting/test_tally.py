"""How many items workers have together."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from remotest.reporting.tally import Tally

collections = st.lists(st.sampled_from("abcd"), max_size=6).map(tuple)


@given(st.lists(collections, max_size=6))
def test_the_count_is_that_of_the_union(announced: list[tuple[str, ...]]) -> None:
    tally, union = Tally(), Counter[str]()
    for ids in announced:
        before = union.total()
        union |= Counter(ids)
        assert tally.add(ids) == union.total() - before
    assert tally.count == union.total()
