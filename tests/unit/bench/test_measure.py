"""What benchmarks make of their figures."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from bench.measure import AT_LEAST, AT_MOST, Aim, Result, Row, Spread, take_turns

ROW = Row(
    number="3a",
    what="command to first test",
    unit="s",
    ours=(2.0, 1.0, 3.0),
    peer=(4.0, 8.0, 4.0),
    peer_name="pytest-xdist",
    aim=Aim(AT_MOST, 0.5),
    limit=(0.5, 0.5, 0.5),
    limit_name="ssh",
)


def test_contenders_take_turns_and_each_goes_first_in_its_turn() -> None:
    went: list[str] = []

    def contender(name: str) -> Any:
        def go() -> dict[str, float]:
            went.append(name)
            return {"count": float(len(went))}

        return go

    samples = take_turns({name: contender(name) for name in "ab"}, 3)

    assert "".join(went) == "ab" + "ab" + "ba" + "ab"  # The first two are not measured.
    assert samples.figures("a", "count") == (3.0, 6.0, 7.0)
    assert samples.figures("b", "count") == (4.0, 5.0, 8.0)


def test_a_ratio_is_that_of_the_medians_and_spreads_over_the_rounds() -> None:
    assert ROW.ratio == Spread(median=0.5, lowest=0.125, highest=0.75)


@pytest.mark.parametrize(
    ("aim", "is_met", "from_aim"),
    [
        (None, None, 0.0),
        (Aim(AT_MOST, 0.5), True, 1.0),
        (Aim(AT_MOST, 0.25), False, 2.0),
        (Aim(AT_LEAST, 0.5), True, 1.0),
        (Aim(AT_LEAST, 2.0), False, 4.0),
        (Aim(AT_MOST, 2.0, is_absolute=True), True, 1.0),
        (Aim(AT_MOST, 1.0, is_absolute=True), False, 2.0),
        (Aim(AT_LEAST, 8.0, is_absolute=True), False, 4.0),
    ],
)
def test_an_aim_is_met_by_the_median(aim: Aim | None, is_met: bool | None, from_aim: float) -> None:
    row = dataclasses.replace(ROW, aim=aim)
    assert (row.is_met, row.from_aim) == (is_met, from_aim)


@pytest.mark.parametrize(
    ("ours", "peer", "ratio"), [(0.0, 0.0, 1.0), (1.0, 0.0, math.inf), (0.0, 1.0, 0.0)]
)
def test_what_is_not_there_is_compared_too(ours: float, peer: float, ratio: float) -> None:
    row = dataclasses.replace(ROW, ours=(ours,), peer=(peer,))
    assert row.ratio == Spread(ratio, ratio, ratio)


def test_a_result_is_kept_as_json() -> None:
    result = Result(
        row=3,
        made="2026-01-02T03:04+00:00",
        rounds=3,
        seconds=12.5,
        others=0.25,
        versions={"pytest": "9.0"},
        commands={"remotest": "pytest -n2"},
        rows=(ROW, dataclasses.replace(ROW, number="3b", aim=None, limit=(), limit_name="")),
    )
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
