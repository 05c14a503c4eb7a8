"""What is and is not rebuilt, as docs/environments.md has it, is what happens."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import barehost
import interpreters
import machine
import projects
import pytest
import wheelfiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from projects import Project

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "environments.md"

FILES: Final = {
    "pyproject.toml": """
        [project]
        name = "orchard"
        version = "1.5"

        [project.entry-points.fruit]
        apple = "orchard:pick"

        [dependency-groups]
        test = ["ladder<2"]
        """,
    "src/orchard/__init__.py": "def pick():\n    return 'apple'\n",
    "test_orchard.py": """
        from importlib.metadata import entry_points

        import ladder
        import orchard

        def test_all_of_it_is_there():
            assert ladder.VERSION
            found = [one.name for one in entry_points()["fruit"]]
            assert found == [orchard.pick()]
        """,
}

NEEDS: Final = """
dependencies = ["basket"]

[tool.uv.sources]
basket = {workspace = true}

[tool.uv.workspace]
members = ["packages/*"]

[project.urls]
"""
"""What makes the project the root of a workspace, up to the next table."""

MEMBER: Final = {
    "packages/basket/pyproject.toml": """
        [project]
        name = "basket"
        version = "1"
        requires-python = ">=3.8"
        """,
    "packages/basket/basket.py": "SIZE = 1\n",
    "test_basket.py": """
        from importlib.metadata import version

        import basket

        def test_the_member_is_there():
            assert version("basket") == "1"
            assert "/packages/" in basket.__file__
        """,
}


@dataclass
class World:
    """A project, an interpreter that has nothing, and what there is to see of its environments."""

    project: Project
    index: Path
    host: Path
    log: Path
    python: str = "3.9"

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text that occurs once in a file of the project."""
        file = self.project.directory / path
        before, after = file.read_text().split(old)
        file.write_text(before + new + after)

    def run(self) -> tuple[str, str, str]:
        """Run the suite; say whether anything was resolved, sent, built."""
        wheels = self._wheels()
        self.log.write_text("")
        interpreter = interpreters.find_or_skip(self.python)
        spec = f"popen//python={interpreter}//env=managed//cache={self.host}"
        answer = self.project.pytest("--dist=each", "--tx", spec)
        assert answer.status == 0, answer.output
        (state,) = re.findall(r", env \w+ (built|cached)", answer.output)
        resolved = "pip compile" in self.log.read_text()
        return tuple(map(_word, (resolved, self._wheels() != wheels, state == "built")))

    def write_lock(self, requirement: str) -> None:
        """Lock everything, pytest too, at the version of one package that is named."""
        subprocess.run(
            [
                *(interpreters.UV, "pip", "compile", "--quiet", "--universal", "-"),
                *("--python-version", "3.8", "--format", "pylock.toml", "-o", "pylock.toml"),
            ],
            input=f"{requirement}\npytest<9\n",
            cwd=self.project.directory,
            env=self.project.environment,
            text=True,
            check=True,
        )

    def _wheels(self) -> set[str]:
        return {path.name for path in (self.host / "remotest" / "v1" / "received").glob("*")}


def _word(happened: bool) -> str:
    return "yes" if happened else "no"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An interpreter without packages, and an index that has three versions of a package."""
    index = tmp_path / "index"
    for version in ("1.0", "2.0", "3.0"):
        wheelfiles.make(index, "ladder", version)
    log = tmp_path / "uv.log"
    commands = tmp_path / "commands"
    commands.mkdir()
    logged = commands / "uv"
    logged.write_text(f'#!{machine.SHELL}\necho "$*" >>{log}\nexec {interpreters.UV} "$@"\n')
    logged.chmod(0o755)
    shell = {
        **os.environ,
        "XDG_CACHE_HOME": str(barehost.CONTROLLER_CACHE),
        "UV_FIND_LINKS": str(index),
    }
    project = projects.make(tmp_path / "project", shell, FILES)
    path = f"{commands}{os.pathsep}{project.environment['PATH']}"
    return World(
        project=project.with_variables(
            {
                "PATH": path,
                # The plugins of these tests are none of the project's.
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                "PYTEST_ADDOPTS": "-p remotest",
            }
        ),
        index=index,
        host=tmp_path / "host",
        log=log,
    )


def edit_a_source_file(world: World) -> None:
    world.edit("src/orchard/__init__.py", "def pick", "BASKET = []\n\n\ndef pick")


def edit_an_entry_point(world: World) -> None:
    world.edit("pyproject.toml", "apple =", "pear =")
    world.edit("src/orchard/__init__.py", "'apple'", "'pear'")


def use_another_interpreter(world: World) -> None:
    world.python = "3.8"


def edit_the_lock(world: World) -> None:
    world.write_lock("ladder==1.0")
    world.run()
    world.write_lock("ladder==3.0")


def edit_a_member(world: World) -> None:
    """Make the project the root of a workspace with a lock, run it so, and edit its member."""
    (world.project.directory / "pylock.toml").unlink()
    world.edit(
        "pyproject.toml", 'version = "1.5"', 'version = "1.5"\nrequires-python = ">=3.8"\n' + NEEDS
    )
    world.project.write(MEMBER)
    subprocess.run(
        [interpreters.UV, "lock", "--quiet"],
        cwd=world.project.directory,
        env=world.project.environment,
        check=True,
    )
    world.run()
    world.edit("packages/basket/basket.py", "SIZE = 1", "SIZE = 2")


def go_to_another_directory(world: World) -> None:
    there = world.project.directory.with_name("other")
    world.project.directory.rename(there)
    world.project = projects.Project(directory=there, environment=world.project.environment)


EDITS: Final[dict[str, Callable[[World], None]]] = {
    "nothing": lambda _: None,
    "a source file of the project": edit_a_source_file,
    "an entry point of the project": edit_an_entry_point,
    "a requirement, and the same versions satisfy it": lambda world: world.edit(
        "pyproject.toml", "ladder<2", "ladder<1.5"
    ),
    "a requirement, and it needs another version": lambda world: world.edit(
        "pyproject.toml", "ladder<1.5", "ladder<3"
    ),
    "the requirement back to what it was": lambda world: world.edit(
        "pyproject.toml", "ladder<3", "ladder<2"
    ),
    "the project's directory: another project that needs the same": go_to_another_directory,
    "the interpreter": use_another_interpreter,
    "the lock, to another version": edit_the_lock,
    "a source file of a member of the workspace, with `uv.lock`": edit_a_member,
}
"""What the first column of the page says, done."""


def rows_of_the_page() -> list[tuple[str, ...]]:
    section = PAGE.read_text().partition("## What is and is not rebuilt\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    assert rows[0] == ["you edit", "resolved again", "sent", "built"]
    return [tuple(row) for row in rows[2:]]


@pytest.mark.slow
@pytest.mark.timeout(300)  # a dozen runs, and three resolutions
def test_what_is_rebuilt_is_what_the_page_says(world: World) -> None:
    assert world.run() == ("yes", "yes", "yes")
    happened = []
    for edit in EDITS:
        EDITS[edit](world)
        happened.append((edit, *world.run()))
    assert happened == rows_of_the_page()
