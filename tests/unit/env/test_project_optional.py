"""Extension modules that a project does without, and those that it needs."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

import probes
import pytest
from overlays import write

from remotest.env.project import make_overlay
from remotest.env.project_optional import does_without
from remotest.env.target import read_target
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

TRIED = """
    try:
        from ._fast import escape
    except ImportError:
        from ._slow import escape
    """

NEEDED = "from ._fast import escape\n"


def answer(folder: Path, *sources: str, setup: str = "", modules: tuple[str, ...] = ()) -> bool:
    files = {f"{number}.py": text for number, text in enumerate(sources)}
    write(folder, files)
    return does_without(modules, textwrap.dedent(setup), (), [folder / name for name in files])


@pytest.mark.parametrize(
    ("source", "is_optional"),
    [
        (TRIED, True),
        (NEEDED, False),
        ("", False),
        ("from . import _other\n", False),
        ("import pkg._fast\n", False),
        (
            "try:\n    import pkg._fast\nexcept (ValueError, ModuleNotFoundError):\n    pass\n",
            True,
        ),
        ("try:\n    from pkg import _fast\nexcept:\n    _fast = None\n", True),
        ("try:\n    from pkg import _fast\nexcept ValueError:\n    _fast = None\n", False),
        ("try:\n    pass\nexcept ImportError:\n    from pkg import _fast\n", False),
        ("try:\n    pass\nfinally:\n    from pkg import _fast\n", False),
        ("try:\n    if 1:\n        from pkg import _fast\nexcept Exception:\n    pass\n", True),
        ("def later():\n    from pkg import _fast\n", False),
        (
            TRIED
            + "    import typing\n    if typing.TYPE_CHECKING:\n        from . import _fast\n",
            True,
        ),
        (TRIED + "    from . import _fast\n", False),
        ("_fast = 1\nprint 'python 2'\n", False),
    ],
)
def test_what_sources_say(tmp_path: Path, source: str, *, is_optional: bool) -> None:
    assert answer(tmp_path, source, "import os\n", modules=("_fast",)) is is_optional


def test_it_needs_one_that_any_source_needs(tmp_path: Path) -> None:
    assert not answer(tmp_path, TRIED, NEEDED, modules=("_fast",))
    assert not answer(tmp_path, TRIED, modules=("_fast", "_faster"))


@pytest.mark.parametrize(
    ("setup", "is_optional"),
    [
        ("", False),
        ("setup(ext_modules=[Extension('pkg._fast', ['fast.c'], optional=True)])", True),
        ("setup(ext_modules=[setuptools.Extension(name='pkg._fast', optional=True)])", True),
        ("Extension('pkg._fast', optional=maybe)", False),
        ("Extension('pkg._a', optional=True), Extension('pkg._b')", False),
        ("[Extension(name, optional=True) for name in NAMES]", False),
        ("Extension('pkg._fast') and", False),
    ],
)
def test_what_the_build_says(tmp_path: Path, setup: str, *, is_optional: bool) -> None:
    assert answer(tmp_path, setup=setup) is is_optional


def test_what_the_build_names_the_sources_may_do_without(tmp_path: Path) -> None:
    assert answer(tmp_path, TRIED, setup="Extension('pkg._fast', ['fast.c'])")
    assert not answer(tmp_path, NEEDED, setup="Extension('pkg._fast', ['fast.c'])")


# -- the project ---------------------------------------------------------------------------

TARGET = replace(
    read_target(probes.example(), host="h"), ext_suffix=".cpython-39-x86_64-linux-gnu.so"
)
OTHER = ".cpython-311-x86_64-linux-gnu.so"
PYPROJECT = '[project]\nname = "demo"\nversion = "1"\n'


def test_a_project_that_does_without_is_not_refused_and_says_so(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"pyproject.toml": PYPROJECT, "pkg/__init__.py": TRIED, f"pkg/_fast{OTHER}": ""},
    )
    overlay = make_overlay(tmp_path, "editable", TARGET, tmp_path / "cache", search_path=())
    assert overlay.compiled == ()
    assert overlay.notes[-1] == (
        "demo has compiled modules that are not there for this interpreter: pkg/_fast: it needs "
        f"{TARGET.ext_suffix}, there is {OTHER}; it does without"
    )


def test_it_is_built_there_where_that_is_asked_for(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"pyproject.toml": PYPROJECT, "pkg/__init__.py": TRIED, f"pkg/_fast{OTHER}": ""},
    )
    overlay = make_overlay(
        tmp_path, "editable", TARGET, tmp_path / "cache", search_path=(), builds_there=True
    )
    assert [one.is_optional for one in overlay.compiled] == [True]


@pytest.mark.parametrize("key", ["", ", optional = true"])
def test_a_table_of_the_settings_says_it_too(tmp_path: Path, key: str) -> None:
    table = f'[tool.setuptools]\next-modules = [{{name = "pkg._fast", sources = []{key}}}]\n'
    write(tmp_path, {"pyproject.toml": PYPROJECT + table, f"pkg/_fast{OTHER}": ""})
    try:
        make_overlay(tmp_path, "editable", TARGET, tmp_path / "cache", search_path=())
    except Unavailable:
        assert not key
    else:
        assert key
