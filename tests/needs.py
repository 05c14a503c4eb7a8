"""What a test needs of this machine: where it is missing the test is skipped, or fails in CI."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """End the test, or the module that is being imported: this machine lacks something."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what, allow_module_level=True)


def program(name: str) -> str:
    """Return the path of a program on PATH, which the test needs."""
    path = shutil.which(name)
    if path is None:
        lacking(f"no {name} here")
    return path
