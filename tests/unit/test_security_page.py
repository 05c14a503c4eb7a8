"""The page on security names tests that exist, for each threat."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
THREATS: Final = 17
NAMED: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINES: Final = (ROOT / "SECURITY.md").read_text().splitlines()
ROWS: Final = {int(found[1]): line for line in LINES if (found := re.match(r"\| (\d+)\. ", line))}


def names_in(path: Path) -> set[str]:
    """Return the names of a file's test functions."""
    return {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    }


def test_every_threat_has_a_row() -> None:
    assert list(ROWS) == list(range(1, THREATS + 1))


@pytest.mark.parametrize("number", ROWS)
def test_every_row_names_tests_that_exist(number: int) -> None:
    named = NAMED.findall(ROWS[number])
    assert named
    assert [(file, name) for file, name in named if name not in names_in(ROOT / file)] == []
