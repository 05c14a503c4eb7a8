"""What benchmarks make of their figures."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest
from benchresults import RESULT, SPEED

from bench.measure import AT_LEAST, AT_MOST, Aim, Result, Row, Samples, Spread, take_turns

ROW = dataclasses.replace(SPEED, ours=(2.0, 1.0, 3.0), peer=(4.0, 8.0, 4.0))


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
    ("aim", "is_met"),
    [
        (None, None),
        (Aim(AT_MOST, 0.5), True),
        (Aim(AT_MOST, 0.25), False),
        (Aim(AT_LEAST, 0.5), True),
        (Aim(AT_LEAST, 2.0), False),
        (Aim(AT_MOST, 2.0, is_absolute=True), True),
        (Aim(AT_MOST, 1.0, is_absolute=True), False),
        (Aim(AT_LEAST, 8.0, is_absolute=True), False),
    ],
)
def test_an_aim_is_met_by_the_median(aim: Aim | None, is_met: bool | None) -> None:
    assert dataclasses.replace(ROW, aim=aim).is_met is is_met


@pytest.mark.parametrize(
    ("ours", "peer", "ratio"), [(0.0, 0.0, 1.0), (1.0, 0.0, math.inf), (0.0, 1.0, 0.0)]
)
def test_what_is_not_there_is_compared_too(ours: float, peer: float, ratio: float) -> None:
    row = dataclasses.replace(ROW, ours=(ours,), peer=(peer,))
    assert row.ratio == Spread(ratio, ratio, ratio)


def test_a_row_has_the_figures_of_two_contenders_and_of_what_bounds_them() -> None:
    samples = Samples(
        {
            "ssh": [{"wall_s": 0.5}, {"wall_s": 0.6}],
            "remotest": [{"wall_s": 1.0, "cpu_s": 7.0}, {"wall_s": 2.0, "cpu_s": 7.0}],
            "rsync": [{"wall_s": 3.0}, {"wall_s": 4.0}],
        }
    )
    two = {"figure": "wall_s", "unit": "s", "ours": "remotest", "peer": "rsync"}
    row = Row(
        number="5a", what="a sync", unit="s", ours=(1.0, 2.0), peer=(3.0, 4.0), peer_name="rsync"
    )
    bounded = dataclasses.replace(row, aim=Aim(AT_MOST, 0.5), limit=(0.5, 0.6), limit_name="ssh")
    assert samples.row("5a", "a sync", **two) == row
    assert samples.row("5a", "a sync", aim=Aim(AT_MOST, 0.5), limit="ssh", **two) == bounded


def test_a_result_is_kept_as_json() -> None:
    assert Result.from_json(json.loads(json.dumps(RESULT.to_json()))) == RESULT
