"""``remotest env`` and ``remotest cache`` as a user types them, with a real bare interpreter."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

import barehost
import interpreters
import projects
import pytest
import wheelfiles

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Answer, Project

USAGE: Final = 4
HOST_FAILED: Final = 6

FILES: Final = {
    "pyproject.toml": """
        [dependency-groups]
        test = ["ladder<2"]

        [tool.pytest.ini_options]
        """,
    "test_ladder.py": """
        import subprocess

        import ladder

        def test_nobody_removes_the_environment_that_is_in_use():
            remove = "PYTEST_ADDOPTS='-p remotest' remotest cache rm $NAME --tx $SPEC"
            with open("removal.txt", "wb") as output:
                assert subprocess.call(remove, shell=True, stderr=output) == 4
        """,
}


class World:
    """A project and an interpreter that has nothing, for which an environment is made."""

    def __init__(self, project: Project, spec: str) -> None:
        self.project = project
        self.spec = spec

    def env(self, *options: str) -> dict[str, list[str]]:
        """Type ``remotest env``; return its facts about the interpreter."""
        answer = self.remotest("env", *options)
        facts: dict[str, list[str]] = {}
        name = ""
        for line in answer.lines[1 : answer.lines.index("")]:
            found = re.fullmatch(r"  (\w*) +(.+)", line)
            assert found is not None, answer.output
            name = found[1] or name
            facts.setdefault(name, []).append(found[2])
        return facts

    def remotest(self, *arguments: str) -> Answer:
        """Type ``remotest`` with arguments and the spec."""
        return self.project.type_command(["remotest", *arguments, "--tx", self.spec])


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A project that needs a package of which there are two versions."""
    for version in ("1.0", "2.0"):
        wheelfiles.make(tmp_path / "index", "ladder", version)
    shell = {
        **os.environ,
        "XDG_CACHE_HOME": str(barehost.CONTROLLER_CACHE),
        "UV_FIND_LINKS": str(tmp_path / "index"),
    }
    project = projects.make(tmp_path / "project", shell, FILES)
    variables = {
        # The plugins of these tests are none of the project's.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "-p remotest",
    }
    interpreter = interpreters.find_or_skip("3.9")
    spec = f"popen//python={interpreter}//cache={tmp_path / 'host'}"
    return World(project.with_variables(variables), spec)


def test_an_environment_is_explained_built_held_and_removed(world: World) -> None:
    first = world.remotest("env", "--explain")
    assert first.status == 0, first.output
    assert "  used         managed: it lacks ladder<2, pytest<=9.2.0,>=7.0" in first.lines
    assert "  wanted       group 'test' of pyproject.toml" in first.lines
    assert "  changed      nothing is remembered of an earlier one" in first.lines
    rows = [re.split(r"  +", line.strip(), maxsplit=2) for line in first.lines]
    reasons = {row[0]: row[2] for row in rows if len(row) == len(("name", "version", "reasons"))}
    assert reasons["ladder"] == "ladder<2: group 'test' of pyproject.toml"
    assert reasons["pytest"].endswith("no newer than here")
    assert reasons["pluggy"].endswith("needed by pytest")

    built = world.env("--build")
    name, state = built["name"][0].split(", ")
    assert state == "built now"
    variables = {"NAME": name, "SPEC": world.spec}
    run = world.project.with_variables(variables).pytest("-d", "--tx", world.spec)
    assert run.status == 0, run.output
    assert f"env {name[:6]} cached" in run.output
    assert (world.project.directory / "removal.txt").read_text() == (
        f"remotest: environment {name} is in use by a run on {world.spec}: end that first\n"
    )

    same = world.env()
    assert same["name"] == [f"{name}, there"]
    assert "changed" not in same
    removed = world.remotest("cache", "rm", name[:6])
    assert (removed.status, removed.lines[-2].split()[-1]) == (0, name)
    assert world.remotest("cache", "ls", name[:6]).status == USAGE


@pytest.mark.slow
def test_what_has_changed_is_named_and_what_cannot_be_had(world: World) -> None:
    world.env("--build")
    world.project.write({"pyproject.toml": FILES["pyproject.toml"].replace("<2", ">=2")})
    changed = world.env()
    assert changed["name"][0].endswith(", not there")
    assert changed["changed"] == [
        "requirement ladder>=2 was ladder<2",
        "wheel ladder 2.0 was ladder 1.0",
    ]
    world.project.write({"pyproject.toml": FILES["pyproject.toml"].replace("<2", ">2")})
    answer = world.remotest("env")
    assert answer.status == HOST_FAILED
    assert answer.lines[-1] == "0 of 1 usable"
    assert "ladder>2" in answer.output
