"""Compiled modules of a project, for an interpreter that has them and for one that has not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import probes
import pytest
from overlays import write

from remotest.env.project import make_overlay
from remotest.env.target import read_target
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

TARGET = replace(
    read_target(probes.example(), host="h"), ext_suffix=".cpython-39-x86_64-linux-gnu.so"
)
OURS = TARGET.ext_suffix
OTHER = ".cpython-311-x86_64-linux-gnu.so"
PYPROJECT = '[project]\nname = "demo"\nversion = "1"\n'


def refusal_of(project: Path, *names: str, pyproject: str = PYPROJECT) -> str | None:
    """Return why a project with such files is refused, None if it is not."""
    write(project, {"pyproject.toml": pyproject, **dict.fromkeys(names, "")})
    try:
        make_overlay(project, "editable", TARGET, project / "cache", search_path=())
    except Unavailable as error:
        return error.cause
    return None


@pytest.mark.parametrize(
    "names",
    [
        ["pkg/__init__.py"],
        ["pkg/a.c", f"pkg/a{OURS}"],
        ["pkg/a.c", f"pkg/a{OTHER}", f"pkg/a{OURS}"],
        ["pkg/a.abi3.so"],
        # What is compiled for speed has its source beside it.
        ["pkg/a.py", f"pkg/a{OTHER}"],
        # No modules of the project.
        ["pkg/libz.so", "pkg/libz.so.1"],
        [f"build/lib/pkg/a{OTHER}", f"tests/data/a{OTHER}", f"pkg/not-a-package/a{OTHER}"],
        ["venv/pyvenv.cfg", f"venv/lib/a{OTHER}"],
    ],
)
def test_what_an_interpreter_can_import(tmp_path: Path, names: list[str]) -> None:
    assert refusal_of(tmp_path, *names) is None


def test_what_it_cannot_is_built_there_where_that_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": PYPROJECT, f"src/pkg/a{OTHER}": ""})
    overlay = make_overlay(
        tmp_path, "editable", TARGET, tmp_path / "cache", search_path=(), builds_there=True
    )
    (project,) = overlay.compiled
    assert (project.name, project.version, project.directory) == ("demo", "1", tmp_path)
    assert "src/pkg/a: it needs" in project.reason


def test_what_it_cannot_is_told_once(tmp_path: Path) -> None:
    names = [f"src/pkg/{name}{OTHER}" for name in "abcde"]
    assert refusal_of(tmp_path, *names, f"src/pkg/a{OURS}", "src/pkg/b.abi3.so") == (
        "demo has compiled modules that are not there for this interpreter: src/pkg/c, src/pkg/d, "
        f"src/pkg/e: it needs {OURS}, there is {OTHER}"
    )


def test_a_project_that_has_to_be_compiled_and_is_not(tmp_path: Path) -> None:
    backend = '[build-system]\nrequires = ["maturin"]\nbuild-backend = "maturin"\n'
    assert refusal_of(tmp_path, "pkg/__init__.py", pyproject=backend + PYPROJECT) == (
        "demo is built for one kind of interpreter, and nothing in its tree is compiled for this "
        f"one, which needs {OURS} (wheels: {TARGET.tags[0]})"
    )
    assert refusal_of(tmp_path, f"pkg/a{OURS}", pyproject=backend + PYPROJECT) is None
