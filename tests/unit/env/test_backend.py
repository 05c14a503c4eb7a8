"""What a source says of how it is built."""

from __future__ import annotations

from typing import Any

import pytest

from remotest.env.backend import LEGACY_BACKEND, WHEEL_PACKAGE, Backend, declared_backend
from remotest.env.unavailable import Unavailable


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (None, Backend(name=LEGACY_BACKEND, requires=("setuptools>=40.8.0", WHEEL_PACKAGE))),
        (
            {"requires": ["Setuptools>=61", "cython"]},
            Backend(name=LEGACY_BACKEND, requires=("Setuptools>=61", "cython", WHEEL_PACKAGE)),
        ),
        (
            {"requires": ["maturin>=1"], "build-backend": "maturin"},
            Backend(name="maturin", requires=("maturin>=1",)),
        ),
        (
            {"requires": [], "build-backend": "a.b:c", "backend-path": [".", "tools/../back"]},
            Backend(name="a.b:c", path=(".", "back")),
        ),
    ],
)
def test_what_builds_a_source(table: Any, expected: Backend) -> None:
    assert declared_backend(table) == expected


@pytest.mark.parametrize(
    ("table", "cause"),
    [
        ({"requires": "setuptools"}, "is not as PEP 518 has it"),
        ({"requires": [1]}, "is not as PEP 518 has it"),
        ({"build-backend": ["x"]}, "is not as PEP 518 has it"),
        ({"requires": [], "backend-path": ["../x"]}, "its backend-path leads out of it"),
        ({"requires": [], "backend-path": ["/x"]}, "its backend-path leads out of it"),
        ({"requires": ["=="]}, "'==', which its build needs, is no requirement"),
    ],
)
def test_what_makes_no_sense_is_refused(table: Any, cause: str) -> None:
    with pytest.raises(Unavailable, match=cause):
        declared_backend(table)
