"""``setup=``: a command line that is run before the interpreter is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import interpreters
import machine
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

SUITE = {
    "pytest.ini": "[pytest]\n",
    "test_it.py": """
        import os
        import subprocess
        import sys

        def test_what_was_set_up():
            assert os.environ["ORCHARD"] == "an apple; a pear"
            assert sys.version_info[:2] == (3, 9)
            assert subprocess.check_output(["tool"]) == b"mine\\n"
        """,
}


@pytest.fixture
def prepared(project: Project, tmp_path: Path) -> Project:
    """A project beside ``env.sh``, which sets a variable and finds another python3 and a tool."""
    tools = tmp_path / "tools"
    tools.mkdir()
    machine.write_command(tools / "python3", str(interpreters.with_pytest("3.9")))
    machine.write_command(tools / "tool", "echo", "mine")
    (tmp_path / "env.sh").write_text(
        "echo 'a message of the day'; echo trouble >&2; cat\n"
        'export ORCHARD="an apple; a pear"\n'
        f'PATH="{tools}:$PATH"\n'
    )
    project.write(SUITE)
    return project


@pytest.mark.parametrize("way", ["ssh=myhost", "popen"])
def test_workers_get_what_it_has_set_up(prepared: Project, tmp_path: Path, way: str) -> None:
    answer = prepared.pytest("-d", f"--tx={way}//setup=. {tmp_path}/env.sh && true", "-v")

    assert answer.status == 0, answer.output
    assert "[gw0] [100%] PASSED test_it.py::test_what_was_set_up" in answer.output


@pytest.mark.parametrize("way", ["ssh=myhost", "popen"])
def test_one_that_fails(project: Project, way: str) -> None:
    project.write(SUITE)

    answer = project.pytest("-d", f"--tx={way}//setup=echo no such module >&2; (exit 3)")

    assert answer.status == 6
    start = next(at for at, line in enumerate(answer.lines) if "boot failed" in line)
    assert answer.lines[start].endswith(
        "boot failed: setup=echo no such module >&2; (exit 3) ended with exit status 3"
    )
    assert answer.lines[start + 1 : start + 4] == [
        "  last words of the host:",
        "    no such module",
        "  try: run it there by hand, in sh: what does it say?",
    ]
