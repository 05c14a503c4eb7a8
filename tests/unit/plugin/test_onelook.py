"""Garbage at the end of a session is looked for once, and found."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from workerworld import write_suite

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """\
import gc, sys
import pytest
from pytest_remotest.onelook import OneLook
pytest.main(["-q", "-p", "no:cacheprovider"], plugins=[OneLook()])
print("kept after it:", gc.get_freeze_count())
"""


def test_what_is_there_at_the_first_look_is_kept_from_the_second(tmp_path: Path) -> None:
    suite = write_suite(
        tmp_path / "suite",
        conftest="""
            import gc

            class Fails:
                def __init__(self):
                    self.itself = self
                def __del__(self):
                    raise ValueError("nobody hears this")

            def pytest_configure(config):
                config.garbage = Fails()
                config.add_cleanup(lambda: print("kept at the second:", gc.get_freeze_count() > 0))

            def pytest_unconfigure(config):
                del config.garbage
        """,
        test_a="def test_a():\n    pass\n",
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=suite, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-2:] == ["kept at the second: True", "kept after it: 0"]
    assert done.stderr.count("ValueError: nobody hears this") == 1
