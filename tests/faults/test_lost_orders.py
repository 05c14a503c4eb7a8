"""What a worker is told is lost on the way: the run names the worker, and loses no test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import projects
import pytest

if TYPE_CHECKING:
    from pathlib import Path

COUNT: Final = 12
LIMIT_S: Final = 1
FILES: Final = {
    "pytest.ini": "[pytest]\n",
    # Nobody waits here for as long as users do, and only the controller waits at all.
    "conftest.py": f"""
        import os
        if "PYTEST_XDIST_WORKER" not in os.environ:
            from remotest.run import crew
            crew.ORDER_TIMEOUT_S = {LIMIT_S}
        """,
    "test_it.py": f"""
        import os, time, pytest

        @pytest.mark.parametrize("number", range({COUNT}))
        def test_it(number):
            # The first worker has long tests: nobody is killed for that.
            time.sleep({2 * LIMIT_S} if number == 0 else 0)
        """,
}


@pytest.mark.parametrize(
    ("fault", "mode"),
    [
        ("RunItems:1:drop", "load"),
        ("ItemsReturned:1:drop", "worksteal"),
        pytest.param("ReclaimItems:1:drop", "worksteal", marks=pytest.mark.slow),
        pytest.param("Finish:1:drop", "load", marks=pytest.mark.slow),
    ],
)
def test_a_worker_that_waits_for_what_was_lost_is_replaced(
    tmp_path: Path, fault: str, mode: str
) -> None:
    project = projects.make(tmp_path / "project", os.environ, FILES)
    project = project.with_variables({"REMOTEST_FAULTS": fault})
    answer = project.pytest("--junitxml=junit.xml", "-n2", f"--dist={mode}")

    assert answer.status == 6, answer.output
    words = f"told {LIMIT_S} s ago what to do, it still waits for that"
    assert [line for line in answer.lines if words in line], answer.output
    (outcomes,) = project.junit().values()
    environment = outcomes.pop("remotest.environment", None)
    assert environment in (None, "error")
    assert outcomes == {f"test_it.test_it[{number}]": "passed" for number in range(COUNT)}
