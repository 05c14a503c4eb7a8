"""Members of a workspace in its lock: what is there as a tree is neither built nor resolved."""

from __future__ import annotations

import subprocess
import textwrap
from typing import TYPE_CHECKING, Final

import interpreters
import packageindex
import pytest
from packageindex import PackageIndex
from resolveworld import TARGETS, World

from remotest.env.declare import find_wanted
from remotest.errors import EnvError
from remotest.spec import parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT: Final = """
    [project]
    name = "orchard"
    version = "1"
    requires-python = ">=3.9"
    dependencies = ["basket", "rope", "core"]

    [dependency-groups]
    test = ["hedge", "tester"]

    [tool.uv.sources]
    basket = {workspace = true}
    hedge = {workspace = true}
    rope = {path = "libs/rope"}

    [tool.uv.workspace]
    members = ["packages/*"]
    exclude = ["packages/old"]
    """

BASKET: Final = """
    [project]
    name = "basket"
    version = "1"
    requires-python = ">=3.9"
    dependencies = ["handle"]

    [dependency-groups]
    test = ["core"]
    """

BROKEN: Final = """
    [project]
    name = "{name}"
    version = "1"
    requires-python = ">=3.9"

    [build-system]
    requires = []
    build-backend = "broken"
    backend-path = ["."]
    """
"""Whoever asks its build backend for something fails."""

ONE: Final = {"py39": TARGETS["py39"]}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with PackageIndex() as index:
        for name in ("core", "handle", "tester"):
            index.add(name, "1.0")
        yield World.alone(index, tmp_path, "uv", monkeypatch)


@pytest.fixture
def workspace(world: World) -> Path:
    """A workspace with a lock that uv has made."""
    base = world.folder / "workspace"
    files = {
        "pyproject.toml": ROOT,
        "packages/basket/pyproject.toml": BASKET,
        "packages/hedge/pyproject.toml": BROKEN.format(name="hedge"),
        "packages/hedge/broken.py": "raise SystemExit('asked')\n",
        "packages/old/pyproject.toml": BROKEN.format(name="old"),
    }
    files |= {
        f"libs/rope/{path}": text for path, text in packageindex.source_files("rope", "1").items()
    }
    for path, text in files.items():
        file = base / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    command = [interpreters.UV, "lock", "--quiet", "--default-index", world.index.url]
    subprocess.run(command, cwd=base, check=True)
    return base


def wheels(*names: str) -> list[str]:
    return [f"{name}-1{'' if name == 'rope' else '.0'}-py3-none-any.whl" for name in names]


def test_what_is_there_as_a_tree_is_not_built(world: World, workspace: Path) -> None:
    """Nobody asks its build backend; what it needs in turn is there."""
    wanted = {"lock": workspace / "uv.lock", "lock_groups": ("test",)}
    trees = ("basket", "hedge", "orchard", "rope")
    expected = {"py39": wheels("core", "handle", "tester")}
    assert world.give(targets=ONE, trees=trees, **wanted) == expected
    world.index.close()
    (workspace / "libs" / "rope" / "rope.py").write_text("EDITED = True\n")
    assert world.give(targets=ONE, trees=trees, **wanted) == expected


def test_what_does_not_travel_is_built(world: World, workspace: Path) -> None:
    wanted = {"lock": workspace / "uv.lock", "lock_groups": ("test",)}
    trees = ("basket", "hedge", "orchard")
    assert world.give(targets=ONE, trees=trees, **wanted) == {
        "py39": wheels("core", "handle", "rope", "tester")
    }
    answer = world.resolve(targets=ONE, trees=("basket", "orchard"), **wanted)["py39"]
    assert isinstance(answer, EnvError)
    assert "hedge" in answer.cause


@pytest.mark.parametrize("key", ["", "//lock=../../uv.lock"])
def test_a_member_has_its_part_of_the_lock_above_it(
    world: World, workspace: Path, key: str
) -> None:
    wanted = find_wanted(workspace / "packages" / "basket", parse_spec(f"popen{key}"))
    assert wanted.lock is not None
    assert (wanted.source, wanted.lock.resolve(), wanted.lock_package) == (
        "uv.lock (group 'test')",
        workspace / "uv.lock",
        "basket",
    )
    given = world.give(
        targets=ONE,
        lock=wanted.lock,
        lock_groups=wanted.lock_groups,
        lock_package=wanted.lock_package,
    )
    assert given == {"py39": wheels("core", "handle")}


@pytest.mark.parametrize("directory", ["packages/old", "libs/rope"])
def test_who_is_no_member_has_no_part_of_it(workspace: Path, directory: str) -> None:
    assert find_wanted(workspace / directory, parse_spec("popen")).lock is None
