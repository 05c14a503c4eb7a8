"""What an experiment of a benchmark may have found: with a limit, with an absolute aim, without."""

from __future__ import annotations

from typing import Final

from bench.measure import AT_LEAST, AT_MOST, Aim, Result, Row

SPEED: Final = Row(
    number="3a",
    what="tests a second",
    unit="tests/s",
    ours=(1500.0, 1600.0, 1400.0),
    peer=(1000.0, 1000.0, 1000.0),
    peer_name="pytest-xdist",
    aim=Aim(AT_LEAST, 2.0),
    limit=(2000.0,),
    limit_name="2 x pytest",
)
THREADS: Final = Row(
    number="3b",
    what="threads",
    unit="",
    ours=(4.0, 4.0, 5.0),
    peer=(10.0, 10.0, 10.0),
    peer_name="pytest-xdist",
    aim=Aim(AT_MOST, 4.0, is_absolute=True),
)
WITHOUT_AIM: Final = Row(
    number="3c", what="as well", unit="s", ours=(0.5,), peer=(1.0,), peer_name="rsync"
)
RESULT: Final = Result(
    row=3,
    made="2026-01-02T03:04+00:00",
    rounds=3,
    seconds=90.0,
    others=0.02,
    versions={"pytest": "9.0", "execnet": "2.1"},
    commands={"pytest-xdist": "python -m pytest -n2", "remotest": "python -m pytest -n2"},
    rows=(SPEED, THREADS, WITHOUT_AIM),
)
