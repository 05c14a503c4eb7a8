"""What workers print comes in any pieces and is shown in lines."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from remotest.reporting.outputlines import MAX_SHOWN_CHARS, MAX_WAITING_CHARS, OutputLines


@given(st.text("ab\n", max_size=20), st.lists(st.integers(0, 20)))
def test_lines_are_whole_however_they_come(text: str, cuts: list[int]) -> None:
    output = OutputLines()
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    lines = [line for piece in pieces for line in output.add("gw0", piece)]
    assert lines + output.end("gw0") == text.splitlines()


def test_workers_do_not_mix() -> None:
    output = OutputLines()
    said = [output.add("gw0", "a"), output.add("gw1", "b\r\n"), output.add("gw0", "c\n\nd")]
    assert said == [[], ["b"], ["ac", ""]]
    assert [output.end("gw0"), output.end("gw0"), output.end("gw1")] == [["d"], [], []]


def test_a_line_without_an_end_does_not_wait_for_ever() -> None:
    endless = "." * (MAX_WAITING_CHARS + 1)
    assert OutputLines().add("gw0", endless) == [endless]


def test_a_worker_that_prints_without_an_end_is_cut_off_and_others_are_not() -> None:
    output = OutputLines()
    assert output.add("gw0", "x" * MAX_SHOWN_CHARS) == ["x" * MAX_SHOWN_CHARS]
    note = "... more than 16777216 characters were printed: the rest is left out"
    assert output.add("gw0", "y\n") == ["", note]
    assert [output.add("gw0", "z\n"), output.end("gw0"), output.add("gw1", "a\n")] == [
        [],
        [],
        ["a"],
    ]
