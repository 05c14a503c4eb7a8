"""Some runs of the soak: something bad happens in each, and all that must hold does hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from faultlab import contenders
from soak.plan import plan
from soak.soaking import soak

if TYPE_CHECKING:
    from pathlib import Path

SEEDS: Final = (
    *(3, 4, 100, 102, 103, 107),  # A guard, a worker, two lines, a guard under each, no line.
    *(124, 125, 337, 985),  # Nothing comes any more: bundle, engine, first line, who begins it.
    *(406, 525, 546),  # An interpreter without a guard, a shell or its watcher is stopped.
)


@pytest.mark.slow
@pytest.mark.timeout(2 * contenders.REMOTEST.deadline_s)
@pytest.mark.parametrize("seed", SEEDS)
def test_all_holds(tmp_path: Path, seed: int) -> None:
    soaked = soak(plan(seed), tmp_path / "scene")
    assert soaked.wrong == (), f"{soaked}\n{soaked.seen.output}"
