"""Each fault of the catalogue is made for real, and remotest comes out of it as it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faultlab import catalogue, contenders
from faultlab.scene import scene

if TYPE_CHECKING:
    from pathlib import Path


def rows() -> list[object]:
    """Return the parameters; what takes its time is left to the slow tests."""
    return [
        pytest.param(one, id=one.row, marks=[] if one.is_cheap else [pytest.mark.slow])
        for one in catalogue.faults()
    ]


@pytest.mark.timeout(2 * contenders.REMOTEST.deadline_s)
@pytest.mark.parametrize("fault", rows())
def test_fault(tmp_path: Path, fault: catalogue.Fault) -> None:
    with scene(tmp_path / "scene", contenders.REMOTEST) as stage:
        seen = fault.stage(stage)

    assert catalogue.judge(fault, seen) == [], seen.output
