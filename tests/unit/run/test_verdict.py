from __future__ import annotations

import pytest

from remotest.run.result import EnvironmentResult, RunResult, WorkerLoss
from remotest.run.verdict import exit_code

FINE = EnvironmentResult(name="py3.9", end="finished", collected=2, outcomes={"passed": 2})
EMPTY = EnvironmentResult(name="py3.10", end="finished")
FAILED = EnvironmentResult(name="py3.6", end="failed", reason="no pytest")
LOST = EnvironmentResult(name="py3.7", end="lost", reason="connection lost", collected=2)
LOSS = WorkerLoss(worker="gw0", environment="py3.9", reason="killed by signal 9")


@pytest.mark.parametrize(
    ("result", "tests_failed", "code"),
    [
        (RunResult(environments=(FINE,)), False, 0),
        (RunResult(environments=(FINE, EMPTY)), False, 0),
        (RunResult(environments=(FINE,)), True, 1),
        (RunResult(environments=(FINE, FAILED)), False, 6),
        (RunResult(environments=(FINE, FAILED)), True, 1),
        (RunResult(environments=(FINE, LOST)), False, 6),
        (RunResult(environments=(FINE,), losses=(LOSS,)), False, 6),
        (RunResult(environments=(FINE,), missing=(("py3.9", "test_a"),)), False, 6),
        (RunResult(environments=(EMPTY,)), False, 5),
        (RunResult(environments=(EMPTY,)), True, 1),
        (RunResult(environments=(EMPTY, FAILED)), False, 6),
        (RunResult(environments=()), False, 5),
        (RunResult(environments=(FINE, FAILED), stopped_reason="Ctrl-C"), True, 2),
    ],
)
def test_the_exit_code(result: RunResult, tests_failed: bool, code: int) -> None:
    assert exit_code(result, tests_failed=tests_failed) == code
