"""What a run of many workers needs of this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import projects

if TYPE_CHECKING:
    from pathlib import Path

CONFTEST: Final = """
    import threading

    most = 0

    def pytest_runtest_logreport(report):
        global most
        if hasattr(report, "worker_id"):  # on the controller
            most = max(most, threading.active_count())

    def pytest_terminal_summary(terminalreporter):
        terminalreporter.write_line(f"{most} threads")
    """


def test_the_controllers_threads_do_not_grow_with_the_workers(tmp_path: Path) -> None:
    project = projects.make(
        tmp_path / "project",
        os.environ,
        {
            "pytest.ini": "[pytest]\n",
            "conftest.py": CONFTEST,
            "test_a.py": """
                import pytest

                @pytest.mark.parametrize("number", range(60))
                def test_a(number):
                    pass
                """,
        },
    )
    threads = []
    for count in (1, 6):
        answer = project.pytest(f"-n{count}")
        assert answer.status == 0, answer.output
        threads += [line for line in answer.lines if line.endswith(" threads")]
    assert threads[0] == threads[1] != "0 threads"
