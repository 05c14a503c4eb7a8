"""A worker that prints without an end fills no memory here, no log, and stops nobody else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import interpreters
import pytest

from remotest.reporting.outputlines import MAX_SHOWN_CHARS

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

FLOOD_BYTES: Final = 300_000_000
MAX_MEMORY_KB: Final = 250_000
"""Of the controller: it has some 60 MB as it is, and more than the backlog of an agent on top."""

FILES: Final = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import os
        import time

        def pytest_runtest_logstart(nodeid):
            \"\"\"Take nothing of what comes, on the controller, until no more can come.\"\"\"
            if nodeid.endswith("floods") and "PYTEST_XDIST_WORKER" not in os.environ:
                before = -1
                while before != (now := os.path.getsize(os.environ["PROGRESS"])):
                    before = now
                    time.sleep(0.5)  # Nothing tells that no more comes, but time.
        """,
    "test_it.py": f"""
        import os

        def test_that_floods():
            with open(os.environ["PROGRESS"], "ab", buffering=0) as progress:
                for _ in range({FLOOD_BYTES} // 1_000_000):
                    data = b"x" * 999_999 + b"\\n"
                    while data:
                        data = data[os.write(1, data):]
                    progress.write(b".")

        def test_beside_it():
            pass
        """,
}

MEASURED: Final = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
"""


@pytest.mark.slow
def test_output_without_an_end(project: Project, tmp_path: Path) -> None:
    project.write(FILES)
    progress = tmp_path / "progress"
    progress.touch()
    project = project.with_variables({"PROGRESS": str(progress)})
    python = interpreters.with_pytest("3.9")
    run = [
        "pytest",
        "-s",
        "-d",
        *(f"--tx=ssh={name}//python={python}//env:PROGRESS" for name in "ab"),
    ]

    answer = project.type_command([sys.executable, "-c", MEASURED, f"{tmp_path}/memory", *run])

    assert answer.status == 0
    assert " 2 passed in " in answer.lines[-1]
    note = f"... more than {MAX_SHOWN_CHARS} characters were printed: the rest is left out"
    assert [line[5:] for line in answer.lines if "left out" in line] == [f" {note}"]
    assert MAX_SHOWN_CHARS < len(answer.output) < 1.1 * MAX_SHOWN_CHARS
    assert int((tmp_path / "memory").read_text()) < MAX_MEMORY_KB
