"""A host that lacks an interpreter: it is absent, or the uv of that host installs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import barehost
import interpreters
import projects
import pytest
import pythonmirror

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Answer

SUITE = {
    "pyproject.toml": """
        [project]
        name = "sapling"
        version = "1"
        requires-python = ">=3.8,<3.10"

        [tool.pytest.ini_options]
        """,
    "sapling.py": "",
    "test_it.py": """
        import os
        import subprocess
        import sys

        def test_where_it_is():
            if sys.version_info[:2] == (3, 8):
                assert "/.local/share/uv/python/" in os.path.realpath(sys.executable)

        def test_it_is_not_on_path():
            assert not os.path.exists(os.path.expanduser("~/.local/bin/python3.8"))
        """,
}


def matrix(answer: Answer) -> list[list[str]]:
    """Return the rows of the matrix, without versions and times."""
    return [
        [label, interpreter, *rest[-5:-1]]
        for label, interpreter, *rest in map(str.split, answer.section("environments"))
        if interpreter in ("absent", "CPython", "-")
    ]


@pytest.mark.slow
def test_the_uv_of_a_host_installs_what_is_absent_if_it_may(tmp_path: Path) -> None:
    """The host has a uv that can have 3.8; nobody can have 3.99."""
    with barehost.running(tmp_path, ["3.9"]) as shell:
        home = tmp_path / "host-home"
        uv = home / ".local" / "bin" / "uv"
        uv.parent.mkdir(parents=True)
        uv.symlink_to(interpreters.UV)
        version = pythonmirror.make(tmp_path, home, "3.8")
        project = projects.make(tmp_path / "project", shell, SUITE)
        spec = "--tx=ssh=bare//python=3.8,3.99"

        without = project.pytest("--dist=each", spec)

        assert without.status == 6
        assert matrix(without) == [
            ["bare-python3.8", "absent", "-", "-", "-", "-"],
            ["bare-python3.99", "absent", "-", "-", "-", "-"],
        ]
        assert "bare-python3.8 did not run to its end: python3.8 is absent" in without.lines
        hint = "or install this one there, or let uv do so with interpreters=uv; found there: /"
        assert sum(hint in line for line in without.lines) == 2, without.output

        answer = project.pytest("--dist=each", f"{spec}//interpreters=uv")

    assert answer.status == 6
    assert matrix(answer) == [
        ["bare-py38", "CPython", "2", "0", "0", "0"],
        ["bare-python3.99", "absent", "-", "-", "-", "-"],
    ]
    assert f"CPython {version} " in answer.output
    assert "    error: No download found for request: cpython-3.99" in answer.output


def test_a_host_that_has_none_of_what_is_meant_does_not_keep_others_from_running(
    tmp_path: Path,
) -> None:
    with barehost.running(tmp_path, ["3.9"]) as shell:
        project = projects.make(tmp_path / "project", shell, SUITE)

        answer = project.type_command(
            [
                *("remotest", "matrix", "--tx=ssh=bare-a//python=3.99+", "--tx=ssh=bare-b:1"),
                "--tx=ssh=bare-c//python=3.12,3.9",
            ]
        )

    assert answer.status == 6, answer.output
    assert matrix(answer) == [
        ["bare-a-3.99+", "absent", "-", "-", "-", "-"],
        ["bare-b-all", "-", "-", "-", "-", "-"],
        ["bare-c-python3.12", "absent", "-", "-", "-", "-"],
        ["bare-c-py39", "CPython", "2", "0", "0", "0"],
    ]
    assert "bare-a-3.99+ did not run to its end: python=3.99+ is absent" in answer.lines
    refused = "bare-b-all did not run to its end: 127.0.0.1:1 refused the connection"
    assert any(line.startswith(refused) for line in answer.lines), answer.output
