"""Packages without a wheel for an interpreter: older versions, builds, refusals."""

from __future__ import annotations

import os
import subprocess

import interpreters
import packageindex
import pytest
from packageindex import target
from packaging.tags import platform_tags
from resolveworld import TARGETS, World, filenames

from remotest.env.resolve import Resolved
from remotest.errors import EnvError


def test_an_older_version_serves_where_the_newest_has_no_wheel(world: World) -> None:
    index = world.index
    index.add("native", "1.0", "pp39-pypy39_pp73-manylinux_2_17_x86_64")
    index.add("native", "1.0", "cp39-cp39-manylinux_2_17_x86_64")
    index.add("native", "2.0", "cp39-cp39-manylinux_2_17_x86_64")
    targets = {name: TARGETS[name] for name in ("py39", "pypy")}
    assert world.give("native", targets=targets) == {
        "py39": ["native-2.0-cp39-cp39-manylinux_2_17_x86_64.whl"],
        "pypy": ["native-1.0-pp39-pypy39_pp73-manylinux_2_17_x86_64.whl"],
    }


def test_a_source_is_built_here_where_its_wheel_is_for_all(world: World) -> None:
    world.index.add_source("pure", "1.0")
    expected = {name: ["pure-1.0-py3-none-any.whl"] for name in TARGETS}
    assert world.give("pure") == expected
    world.index.asked.clear()
    # Once more, for others: the build is known.
    assert world.give("pure", targets={"py38": target("3.8")}) == {"py38": expected["py36"]}
    assert world.index.files_asked().count("pure-1.0.tar.gz") <= 1


def test_a_source_whose_wheel_is_for_others_is_refused_with_both_names(world: World) -> None:
    world.index.add_source("compiled", "1.0", "cp27-cp27m-linux_x86_64")
    failed = world.resolve("compiled", targets={"pypy": TARGETS["pypy"]})["pypy"]
    assert isinstance(failed, EnvError)
    assert "compiled 1.0 has no wheel" in failed.cause
    assert "PyPy 3.9.9 on linux x86_64 wants pp39-pypy39_pp73-manylinux_2_17_x86_64" in failed.cause


@pytest.mark.parametrize("tool", ["uv"], indirect=True)
@pytest.mark.parametrize("is_like_here", [True, False])
def test_a_compiled_source_is_built_with_an_interpreter_of_this_machine_like_the_target(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_like_here: bool
) -> None:
    """If the target's C library can be no older than ours; else nothing is built in vain."""
    monkeypatch.setenv("PATH", str(interpreters.find_or_skip("3.9").parent), prepend=os.pathsep)
    here = list(platform_tags())
    platforms = here if is_like_here else here[1:]
    world.index.add_source("compiled", "1.0", f"cp39-cp39-{here[-1]}")
    answer = world.resolve("compiled", targets={"py39": target("3.9", platforms=platforms)})["py39"]
    if is_like_here:
        assert filenames(answer) == [f"compiled-1.0-cp39-cp39-{here[-1]}.whl"]
    else:
        assert isinstance(answer, EnvError)
        assert "compiled 1.0 has no wheel" in answer.cause


@pytest.mark.parametrize("tool", ["uv"], indirect=True)
@pytest.mark.parametrize("requirement", ["compiled", "compiled @ {url}"])
def test_what_has_an_older_wheel_is_not_built_beside_what_has_none(
    world: World, monkeypatch: pytest.MonkeyPatch, requirement: str
) -> None:
    monkeypatch.setenv("PATH", str(interpreters.find_or_skip("3.9").parent), prepend=os.pathsep)
    here = list(platform_tags())
    world.index.add_source("compiled", "1.0", f"cp39-cp39-{here[-1]}")
    world.index.add("native", "1.0", f"cp39-cp39-{here[-1]}")
    world.index.add("native", "2.0", f"cp313-cp313-{here[-1]}")
    world.index.add_source("native", "2.0", "cp27-cp27m-linux_x86_64")
    given = world.give(
        requirement.format(url=world.index.file_url("compiled-1.0.tar.gz")),
        "native",
        targets={"py39": target("3.9", platforms=here)},
    )
    assert given == {
        "py39": [
            f"compiled-1.0-cp39-cp39-{here[-1]}.whl",
            f"native-1.0-cp39-cp39-{here[-1]}.whl",
        ]
    }


@pytest.mark.parametrize("tool", ["uv"], indirect=True)
def test_a_commit_is_built_and_named_by_its_digest(world: World) -> None:
    repository = world.folder / "repository"
    repository.mkdir()
    for name, text in packageindex.source_files("member", "1.0").items():
        (repository / name).write_text(text, encoding="utf-8")
    who = ("-c", "user.name=me", "-c", "user.email=me@example.com")
    for command in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    given = world.give(f"member @ git+{repository.as_uri()}")
    assert given == {name: ["member-1.0-py3-none-any.whl"] for name in TARGETS}


def test_a_directory_is_built_again_after_an_edit_and_only_then(world: World) -> None:
    project = world.folder / "member"
    project.mkdir()
    for name, text in packageindex.source_files("member", "1.0").items():
        (project / name).write_text(text, encoding="utf-8")
    requirement = f"member @ {project.as_uri()}"
    one = {"py39": TARGETS["py39"]}
    built = []
    for text in ("VERSION = 1\n", None, "VERSION = 2\n"):
        if text is not None:
            (project / "member.py").write_text(text, encoding="utf-8")
        answer = world.resolve(requirement, targets=one)["py39"]
        assert isinstance(answer, Resolved), answer
        built.append((answer.wheels[0].sha256, answer.cached))
    (first, was_cached), (second, is_cached), (third, after_edit) = built
    assert [was_cached, is_cached, after_edit] == [False, True, False]
    assert first == second != third
