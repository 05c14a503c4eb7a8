"""What pytest's own summary says of environments."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import interpreters
import projects
import pytest

if TYPE_CHECKING:
    from pathlib import Path

SKIPPING = {
    "pytest.ini": "[pytest]\n",
    "test_it.py": """
        import sys

        import pytest

        @pytest.mark.skipif(sys.version_info < (3, 9), reason="is new")
        def test_new():
            pass

        @pytest.mark.skipif(sys.version_info >= (3, 9), reason="is old")
        def test_old():
            pass

        @pytest.mark.skip(reason="is nothing")
        def test_never():
            pass
        """,
}


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (
            (),
            {
                "SKIPPED [1] test_it.py:5: is new",
                "SKIPPED [1] test_it.py:9: is old",
                "SKIPPED [2] test_it.py:13: is nothing",
            },
        ),
        (
            ("--no-fold-skipped",),
            {
                "SKIPPED [local-py36] test_it.py::test_new - Skipped: is new",
                "SKIPPED [local-py39] test_it.py::test_old - Skipped: is old",
                "SKIPPED [local-py36] test_it.py::test_never - Skipped: is nothing",
                "SKIPPED [local-py39] test_it.py::test_never - Skipped: is nothing",
            },
        ),
    ],
    ids=["folded", "not folded"],
)
def test_no_skip_is_told_of_an_environment_that_did_not_skip(
    tmp_path: Path, options: tuple[str, ...], lines: set[str]
) -> None:
    """pytest folds alike skips of several environments into one line, which can name none."""
    project = projects.make(tmp_path / "project", os.environ, SKIPPING)
    words = [f"--tx=popen//python={interpreters.with_pytest(name)}" for name in ("3.6", "3.9")]

    answer = project.pytest("--dist=each", "-rs", *options, *words)

    assert {line for line in answer.lines if line.startswith("SKIPPED")} == lines
    assert answer.status == 0


def test_an_error_of_collecting_is_counted_where_it_happened(tmp_path: Path) -> None:
    files = {
        "pytest.ini": "[pytest]\n",
        "test_new.py": "def test_new():\n    assert (number := 1)\n",
        "test_it.py": "def test_it():\n    pass\n",
    }
    project = projects.make(tmp_path / "project", os.environ, files)
    words = [f"--tx=popen//python={interpreters.with_pytest(name)}" for name in ("3.6", "3.9")]

    answer = project.pytest("--dist=each", *words)

    rows = [line.split() for line in answer.section("environments")[:3]]
    assert [[row[0], *row[-5:-1]] for row in rows] == [
        ["environment", "passed", "failed", "skipped", "errors"],
        ["local-py36", "1", "0", "0", "1"],
        ["local-py39", "2", "0", "0", "0"],
    ]
    assert answer.status == 1
