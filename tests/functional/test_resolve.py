"""Resolving for interpreters that are not here, with uv and with pip, from an index of the test."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import interpreters
import pytest
from packageindex import PackageIndex, target
from resolveworld import TARGETS, World, filenames

from remotest.env.model import Wanted
from remotest.env.resolve import Request, Resolved, resolve
from remotest.env.toolbox import find_tools
from remotest.env.wheelcache import WheelCache
from remotest.errors import EnvError

if TYPE_CHECKING:
    from pathlib import Path

DAY_S: Final = 24 * 3600


def fill(index: PackageIndex) -> None:
    """Add packages that differ for interpreters in every way they can."""
    index.add("demo", "1.0", requires=["backport; python_version < '3.8'"], python=">=3.6")
    index.add(
        "demo",
        "2.0",
        requires=["only-pypy; platform_python_implementation == 'PyPy'", "native>=1"],
        python=">=3.9",
    )
    index.add("backport", "0.1")
    index.add("only_pypy", "0.2")
    for tag in ("cp39-cp39", "cp313-cp313", "pp39-pypy39_pp73"):
        index.add("native", "1.0", f"{tag}-manylinux_2_17_x86_64")
    index.add("native", "1.0", "cp39-cp39-macosx_11_0_arm64")


@pytest.mark.parametrize("tool", ["uv", "pip"], indirect=True)
def test_each_interpreter_is_given_what_is_for_it(world: World) -> None:
    """By the versions it supports, by its markers and by its tags, with one lock or several."""
    fill(world.index)
    assert world.give("demo") == {
        "py36": ["backport-0.1-py3-none-any.whl", "demo-1.0-py3-none-any.whl"],
        "py39": ["demo-2.0-py3-none-any.whl", "native-1.0-cp39-cp39-manylinux_2_17_x86_64.whl"],
        "py313": [
            "demo-2.0-py3-none-any.whl",
            "native-1.0-cp313-cp313-manylinux_2_17_x86_64.whl",
        ],
        "pypy": [
            "demo-2.0-py3-none-any.whl",
            "native-1.0-pp39-pypy39_pp73-manylinux_2_17_x86_64.whl",
            "only_pypy-0.2-py3-none-any.whl",
        ],
    }


def test_a_warm_run_starts_no_tool_and_asks_no_network(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(world.index)
    cold = world.give("demo")
    world.index.close()

    def start_nothing(*arguments: Any, **_options: Any) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(subprocess, "Popen", start_nothing)
    warm = world.resolve("demo")
    assert {name: filenames(answer) for name, answer in warm.items()} == cold
    assert all(isinstance(answer, Resolved) and answer.cached for answer in warm.values())


def test_a_new_release_is_seen_after_a_day_or_at_once_on_demand(world: World) -> None:
    one = {"py39": TARGETS["py39"]}
    world.index.add("demo", "1.0")
    versions = [world.give("demo", targets=one)]
    world.index.add("demo", "1.1")
    # Not what the tools themselves keep of an index for some minutes.
    for kept in ("uv", "pip"):
        subprocess.run(["rm", "-rf", world.folder / kept], check=True)
    versions.append(world.give("demo", targets=one))
    versions.append(world.give("demo", targets=one, upgrade=True))
    world.index.add("demo", "1.2")
    for kept in ("uv", "pip"):
        subprocess.run(["rm", "-rf", world.folder / kept], check=True)
    world.now_s += DAY_S - 1
    versions.append(world.give("demo", targets=one))
    world.now_s += 1
    versions.append(world.give("demo", targets=one))
    assert [answer["py39"][0].split("-")[1] for answer in versions] == [
        "1.0",
        "1.0",
        "1.1",
        "1.1",
        "1.2",
    ]


@pytest.mark.parametrize("tool", ["uv", "pip"], indirect=True)
def test_without_a_network_what_was_resolved_long_ago_still_serves(world: World) -> None:
    fill(world.index)
    one = {"py39": TARGETS["py39"]}
    before = world.give("demo", targets=one)
    world.now_s += 3 * DAY_S
    world.index.close()
    subprocess.run(["rm", "-rf", world.folder / "uv", world.folder / "pip"], check=True)
    answer = world.resolve("demo", targets=one)["py39"]
    assert {"py39": filenames(answer)} == before
    assert isinstance(answer, Resolved)
    assert answer.notes == ("the package index cannot be reached: resolved 3.0 days ago",)


def test_without_a_network_and_nothing_known_the_error_says_so(world: World) -> None:
    world.index.close()
    answer = world.resolve("demo", targets={"py39": TARGETS["py39"]})["py39"]
    assert isinstance(answer, EnvError)
    assert answer.remedy == "see whether the package index can be reached from here"


def test_only_the_interpreter_that_cannot_have_something_fails(world: World) -> None:
    fill(world.index)
    answers = world.resolve("demo>=2", "backport")
    failed = answers.pop("py36")
    assert [len(filenames(answer)) for answer in answers.values()] == [3, 3, 4]
    assert isinstance(failed, EnvError)
    assert failed.host == "py36"
    assert "the test, for CPython 3.6.9 on linux x86_64: " in failed.cause
    assert "demo>=2" in failed.cause
    assert len(failed.paragraph()) < 900
    assert "marker that leaves this interpreter out" in failed.remedy


def test_additions_and_constraints_are_resolved_with_the_rest(world: World) -> None:
    for version in ("1.0", "1.1", "1.2"):
        world.index.add("pytest", version)
        world.index.add("demo", version)
    given = world.give(
        "demo",
        targets={"py39": TARGETS["py39"]},
        additions=("pytest<=1.1",),
        constraints=("demo<1.1",),
    )
    assert given == {"py39": ["demo-1.0-py3-none-any.whl", "pytest-1.1-py3-none-any.whl"]}


def test_a_lock_is_used_as_it_is_and_additions_keep_to_its_pins(world: World) -> None:
    sha256 = world.index.add("demo", "1.0")
    world.index.add("demo", "2.0")
    world.index.add("plugin", "1.0", requires=["demo"])
    lock = world.folder / "pylock.toml"
    lock.write_text(
        f"""
        lock-version = "1.0"
        created-by = "the test"

        [[packages]]
        name = "demo"
        version = "1.0"

        [[packages.wheels]]
        url = "{world.index.file_url("demo-1.0-py3-none-any.whl")}"
        hashes = {{sha256 = "{sha256}"}}
        """,
        encoding="utf-8",
    )
    given = world.give(
        targets={"py39": TARGETS["py39"]}, additions=("plugin", "demo<=3"), lock=lock
    )
    assert given == {"py39": ["demo-1.0-py3-none-any.whl", "plugin-1.0-py3-none-any.whl"]}


@pytest.mark.parametrize("tool", ["uv"], indirect=True)
def test_uvs_own_lock_gives_the_groups_and_extras_that_are_named(world: World) -> None:
    for name in ("core", "tester", "developer", "fancy"):
        world.index.add(name, "1.0")
    project = world.folder / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        """
        [project]
        name = "project"
        version = "1"
        requires-python = ">=3.9"
        dependencies = ["core"]
        optional-dependencies = {fancy = ["fancy"]}

        [dependency-groups]
        dev = ["developer"]
        test = ["tester"]
        """,
        encoding="utf-8",
    )
    command = [interpreters.UV, "lock", "--quiet", "--default-index", world.index.url]
    subprocess.run(command, cwd=project, check=True)
    one = {"py39": TARGETS["py39"]}
    lock = project / "uv.lock"
    named = {"lock_groups": ("test",), "lock_extras": ("fancy",)}
    core, developer, fancy, tester = (
        f"{name}-1.0-py3-none-any.whl" for name in ("core", "developer", "fancy", "tester")
    )
    assert world.give(targets=one, lock=lock) == {"py39": [core, developer]}
    assert world.give(targets=one, lock=lock, **named) == {"py39": [core, fancy, tester]}
    failed = world.resolve(targets={"py36": TARGETS["py36"]}, lock=lock)["py36"]
    assert isinstance(failed, EnvError)
    assert "does not satisfy the Python version requirement '>=3.9'" in failed.cause


def test_a_private_index_is_asked_as_who_the_settings_say(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And neither an error nor a file of the cache has the password."""
    world.index.login = ("me", "s3cr3t")
    world.index.add("demo", "1.0", hashed=False)
    one = {"py39": TARGETS["py39"]}
    monkeypatch.setenv("PIP_INDEX_URL", world.index.url_with_login)
    assert world.give("demo", targets=one) == {"py39": ["demo-1.0-py3-none-any.whl"]}
    failed = world.resolve("absent", targets=one)["py39"]
    assert isinstance(failed, EnvError)
    assert b"s3cr3t" not in world.stored()
    assert "s3cr3t" not in failed.paragraph() + repr(world.tools)


@pytest.mark.parametrize("tool", ["uv"], indirect=True)
def test_a_package_of_ones_own_is_not_taken_from_another_index(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sees its name may put a newer one of that name into a public index."""
    with PackageIndex() as public:
        world.index.add("ours", "1.0")
        public.add("ours", "99.0")
        public.add("theirs", "2.0")
        monkeypatch.delenv("PIP_INDEX_URL")
        monkeypatch.setenv("UV_INDEX", world.index.url)
        monkeypatch.setenv("UV_DEFAULT_INDEX", public.url)
        given = world.give("ours", "theirs", targets={"py39": TARGETS["py39"]})
    assert given == {"py39": ["ours-1.0-py3-none-any.whl", "theirs-2.0-py3-none-any.whl"]}


def test_a_url_with_a_password_is_fetched_and_not_kept(world: World) -> None:
    world.index.login = ("me", "s3cr3t")
    world.index.add("demo", "1.0")
    url = world.index.file_url("demo-1.0-py3-none-any.whl").replace("://", "://me:s3cr3t@")
    one = {"py39": TARGETS["py39"]}
    assert world.give(f"demo @ {url}", targets=one) == {"py39": ["demo-1.0-py3-none-any.whl"]}
    assert b"s3cr3t" not in world.stored()


def test_a_url_of_a_wheel_for_others_is_refused(world: World) -> None:
    world.index.add("native", "1.0", "cp39-cp39-manylinux_2_17_x86_64")
    url = world.index.file_url("native-1.0-cp39-cp39-manylinux_2_17_x86_64.whl")
    answers = world.resolve(
        f"native @ {url}", targets={name: TARGETS[name] for name in ("py39", "pypy")}
    )
    assert filenames(answers["py39"]) == ["native-1.0-cp39-cp39-manylinux_2_17_x86_64.whl"]
    assert isinstance(answers["pypy"], EnvError)


def test_what_is_no_requirement_is_refused_before_anything_is_asked(world: World) -> None:
    failed = world.resolve("demo ==", targets={"py39": TARGETS["py39"]})["py39"]
    assert isinstance(failed, EnvError)
    assert "'demo ==' is no requirement" in failed.cause
    assert world.index.asked == []


@pytest.mark.slow
def test_the_registry_gives_every_interpreter_its_newest_pytest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And uv and pip agree on the rest, even where the newest numpy is not for so old a Linux."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    newest = {
        "3.6": "7.0.1",
        "3.7": "7.4.4",
        "3.8": "8.3.5",
        "3.9": "8.4.2",
        "3.10": "9.0.0",
        "3.13": "9.0.0",
    }
    wanted = Wanted(source="the test", requirements=("numpy",))
    requests = {
        version: Request(target=target(version), wanted=wanted, additions=("pytest<=9.0.0",))
        for version in newest
    }
    tools = find_tools(tmp_path, os.environ)
    by_uv, by_pip = (
        resolve(requests, cache=WheelCache(tmp_path / name), tools=some)
        for name, some in (("uv", tools), ("pip", replace(tools, uv=None)))
    )
    for version, pytest_version in newest.items():
        assert f"pytest-{pytest_version}-py3-none-any.whl" in filenames(by_uv[version])
        assert filenames(by_uv[version]) == filenames(by_pip[version])
