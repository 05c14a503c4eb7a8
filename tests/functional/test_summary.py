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
