"""The reference pages leave nothing out."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import remotest
from pytest_remotest import fixtures, hookspecs, options

if TYPE_CHECKING:
    from collections.abc import Iterable

REFERENCE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"


def first_columns(page: str) -> set[str]:
    """Return the names in the first columns of a page's tables, without arguments."""
    rows = re.findall(r"^\| (`[^|]*) \|", (REFERENCE / page).read_text(), re.MULTILINE)
    return {
        name.partition("(")[0].rpartition(".")[2]
        for row in rows
        for name in re.findall(r"`([^`]+)`", row)
    }


def missing(page: str, names: Iterable[str]) -> list[str]:
    return sorted(set(names) - first_columns(page))


def test_every_option_has_a_row() -> None:
    parser = pytest.Parser(_ispytest=True)
    before = {action.dest for action in parser.optparser._actions}
    options.add_options(parser)
    added = [action for action in parser.optparser._actions if action.dest not in before]
    names = {name for action in added for name in action.option_strings}
    assert {"-n", "--tx"} <= names
    assert missing("options.md", {*names, *parser._inidict}) == []


def test_every_hook_fixture_and_function_has_a_row() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("pytest_")]
    own_fixtures = [
        name for name, value in vars(fixtures).items() if "fixture" in type(value).__name__.lower()
    ]
    assert sorted(own_fixtures) == ["testrun_uid", "worker_id"]
    assert missing("fixtures-and-api.md", [*hooks, *own_fixtures, *remotest.__all__]) == []


def test_hooks_have_their_arguments() -> None:
    page = (REFERENCE / "fixtures-and-api.md").read_text()
    for name, function in vars(hookspecs).items():
        if name.startswith("pytest_"):
            arguments = ", ".join(inspect.signature(function).parameters)
            assert f"`{name}({arguments})`" in page
