"""What makes an environment another one than the last time, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from remotest.env.inputs import Inputs, Memory, differences
from remotest.env.wheelcache import INPUTS, WheelCache

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = Inputs(
    key="a",
    interpreter="CPython 3.9.17 on linux x86_64",
    build="one",
    source="group 'test' of pyproject.toml",
    requirements=("toolz", "pytest>=7.0,<=9.2.0"),
    wheels={"toolz": ("0.12", "11"), "pytest": ("8.4.2", "22")},
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        (
            {"interpreter": "PyPy 3.9.16", "build": "two"},
            ["the interpreter is PyPy 3.9.16, and was CPython 3.9.17 on linux x86_64"],
        ),
        ({"build": "two"}, ["the interpreter is another build of CPython 3.9.17 on linux x86_64"]),
        (
            {"source": "lock pylock.toml", "requirements": BEFORE.requirements[1:]},
            [
                "it is made from lock pylock.toml, and was from group 'test' of pyproject.toml",
                "requirement toolz is gone",
            ],
        ),
        (
            {
                "requirements": ("toolz>=1", "pytest>=7.0,<=9.2.0", "pytest!=8.4.1", "attrs"),
                "wheels": {
                    "attrs": ("25.1", "44"),
                    "pytest": ("8.4.2", "22"),
                    "toolz": ("1.0", "33"),
                },
            },
            [
                "requirement attrs is new",
                "requirement pytest!=8.4.1 and pytest>=7.0,<=9.2.0 was pytest>=7.0,<=9.2.0",
                "requirement toolz>=1 was toolz",
                "wheel attrs 25.1 is new",
                "wheel toolz 1.0 was toolz 0.12",
            ],
        ),
        (
            {"wheels": {"toolz": ("0.12", "99")}},
            ["wheel pytest 8.4.2 is gone", "wheel toolz 0.12 is another file"],
        ),
    ],
)
def test_what_has_changed_is_named(changes: dict[str, Any], expected: list[str]) -> None:
    assert list(differences(BEFORE, replace(BEFORE, key="b", **changes))) == expected


def test_what_comes_to_the_same_environment_is_no_difference() -> None:
    assert differences(BEFORE, replace(BEFORE, requirements=("toolz>=0",), source="else")) == ()


def test_the_last_inputs_of_an_agent_are_remembered(tmp_path: Path) -> None:
    cache = WheelCache(tmp_path / "cache")
    memory = Memory(cache, tmp_path / "project")
    assert memory.last("ssh=h") is None
    memory.keep("ssh=h", BEFORE)
    assert memory.last("ssh=h") == BEFORE
    memory.keep("ssh=h", replace(BEFORE, key="b"))
    assert memory.last("ssh=h") == replace(BEFORE, key="b")
    assert memory.last("ssh=other") is None
    assert Memory(cache, tmp_path / "else").last("ssh=h") is None


@pytest.mark.parametrize("content", [None, [], {}, {"key": "a"}, {"requirements": 1, "wheels": 2}])
def test_what_makes_no_sense_any_more_is_as_if_it_were_not_there(
    tmp_path: Path, content: object
) -> None:
    cache = WheelCache(tmp_path / "cache")
    memory = Memory(cache, tmp_path)
    memory.keep("ssh=h", BEFORE)
    (written,) = (tmp_path / "cache" / INPUTS).iterdir()
    cache.remember(INPUTS, written.stem, content)
    assert memory.last("ssh=h") is None
