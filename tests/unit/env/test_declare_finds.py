"""Where what a suite needs is found: rows that are about one file each."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from remotest.env.declare import find_wanted
from remotest.env.model import Wanted
from remotest.errors import UsageError
from remotest.spec import parse_spec

if TYPE_CHECKING:
    from pathlib import Path


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return directory


def found(directory: Path, files: dict[str, str], keys: str = "") -> Wanted:
    return find_wanted(write(directory, files), parse_spec(f"popen{keys}"))


def refusal(directory: Path, files: dict[str, str], keys: str = "") -> str:
    with pytest.raises(UsageError) as caught:
        found(directory, files, keys)
    return str(caught.value).replace(str(directory), "{base}")


PROJECT = """
    [project]
    name = "orchard"
    dependencies = ["apple"]
    [project.optional-dependencies]
    test = ["pear"]
    """


def test_the_project_itself_in_a_requirements_file_is_its_extras(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "[project]\nname = 'orchard'\ndependencies = ['apple']\n"
        "optional-dependencies.cli = ['pear']\n",
        "requirements/dev.txt": "-e .[cli]\nquince\n",
    }
    assert found(tmp_path, files) == Wanted(
        source="requirements/dev.txt", requirements=("apple", "quince", "pear")
    )


def test_a_member_is_a_requirement_with_its_place(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": PROJECT,
        "libs/core/pyproject.toml": "[project]\nname = 'core'\n",
        "test.txt": "./libs/core[x] ; os_name == 'posix'\n",
    }
    wanted = found(tmp_path, files, "//req=test.txt")
    place = (tmp_path / "libs" / "core").as_uri()
    assert wanted.requirements == ("apple", f"core[x] @ {place} ; os_name == 'posix'")


def test_a_member_without_a_name(tmp_path: Path) -> None:
    files = {"libs/core/setup.py": "import setuptools\n", "test.txt": "libs/core"}
    assert refusal(tmp_path, files, "//req=test.txt") == (
        "{base}/libs/core is required, but nothing there tells its name; require it as"
        " 'name @ file://{base}/libs/core'"
    )


def test_a_program_that_is_no_project(tmp_path: Path) -> None:
    files = {"requirements.txt": "apple\n--pre\n", "pyproject.toml": "[tool.ruff]\n"}
    assert found(tmp_path, files) == Wanted(
        source="requirements.txt",
        requirements=("apple",),
        notes=("requirements.txt: --pre is not looked at",),
    )
    files = {"requirements-dev.txt": "pear\n"}
    assert found(tmp_path, files).requirements == ("apple", "pear")


def test_the_requirements_txt_of_a_project_is_not_its_own(tmp_path: Path) -> None:
    wanted = found(tmp_path, {"pyproject.toml": PROJECT, "requirements.txt": "plum\n"})
    assert wanted.requirements == ("apple", "pear")


def test_hatch_comes_after_an_extra(tmp_path: Path) -> None:
    hatch = "[tool.hatch.envs.default]\ndependencies = ['quince', 'core @ {root:uri}/core']\n"
    wanted = found(tmp_path, {"pyproject.toml": textwrap.dedent(PROJECT) + hatch})
    assert wanted.source == "extra 'test' of pyproject.toml"
    wanted = found(tmp_path, {"pyproject.toml": "[project]\nname = 'orchard'\n" + hatch})
    assert wanted.source == "hatch's environment 'default'"
    assert wanted.requirements == ("quince", f"core @ {(tmp_path / 'core').as_uri()}")


def test_where_uv_says_that_a_package_is(tmp_path: Path) -> None:
    sources = "[tool.uv.sources]\napple = {git = 'https://h/apple'}\npear = {path = 'pear'}\n"
    wanted = found(tmp_path, {"pyproject.toml": textwrap.dedent(PROJECT) + sources})
    assert wanted.requirements == (
        "apple @ git+https://h/apple",
        f"pear @ {(tmp_path / 'pear').as_uri()}",
    )


def test_lines_of_pip_in_a_group_of_pdm(tmp_path: Path) -> None:
    files = {
        "core/pyproject.toml": "[project]\nname = 'core'\n",
        "pyproject.toml": "[project]\nname = 'orchard'\n[tool.pdm.dev-dependencies]\n"
        "test = ['pear', '-e file:core#egg=core']\n",
    }
    core = f"core @ {(tmp_path / 'core').as_uri()}"
    assert found(tmp_path, files).requirements == ("pear", core)


@pytest.mark.parametrize(
    ("files", "keys", "groups", "extras"),
    [
        (
            {"pylock.toml": "dependency-groups = ['dev', 'docs']\nextras = ['test']"},
            "",
            ("dev",),
            (),
        ),
        ({"pylock.toml": "extras = ['testing', 'cli']"}, "", (), ("testing",)),
        ({"pylock.toml": "", "uv.lock": ""}, "", (), ()),
        ({"uv.lock": "", "pyproject.toml": PROJECT}, "", (), ("test",)),
        ({"uv.lock": "", "pyproject.toml": PROJECT}, "//lock=uv.lock", (), ("test",)),
        ({"a.toml": "extras = ['test']"}, "//lock=a.toml//extra=cli", (), ("cli",)),
        ({"pylock.dev.toml": ""}, "", (), ()),
    ],
)
def test_the_parts_of_a_lock(
    tmp_path: Path,
    files: dict[str, str],
    keys: str,
    groups: tuple[str, ...],
    extras: tuple[str, ...],
) -> None:
    wanted = found(tmp_path, files, keys)
    assert wanted.lock == tmp_path / next(iter(files))
    assert (wanted.lock_groups, wanted.lock_extras) == (groups, extras)


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (
            "[project]\nname = 'orchard'\ndependencies = ['apple=>1']\n",
            "",
            (
                "the settings in {base}: 'apple=>1' is no requirement: Expected semicolon (after"
                " name with no version specifier) or end; write it as PEP 508 says:"
                " name[extra]>=1.0; marker"
            ),
        ),
        (
            "[project]\nname = 'orchard'\nrequires-python = '3.8+'\n",
            "",
            "requires-python of {base}: '3.8+' is no specifier; write it like '>=3.9,<4'",
        ),
        ("[project\n", "", None),
        (
            "[tool.remotest]\ngroup = 3\n",
            "",
            "[tool.remotest] of {base}/pyproject.toml: group has to be a text, or a list of texts",
        ),
        (
            "[tool.remotest]\nproject = 'wheels'\n",
            "",
            (
                "[tool.remotest] of {base}/pyproject.toml: project='wheels' is none of editable,"
                " none, wheel, wheel:GLOB"
            ),
        ),
        ("", "//lock=uv.lock//tox=py39", "lock= says all that is wanted, and so does tox="),
        ("", "//tox=py39", "no environment of tox is described in {base}"),
        ("", "//req=a.txt", None),
        ("", "//extra=test", "extra=test: the project has no such extra; it has none"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, keys: str, message: str | None) -> None:
    answer = refusal(tmp_path, {"pyproject.toml": text}, keys)
    assert "\n" not in answer
    assert message is None or answer == message


@pytest.mark.parametrize("name", ["test", "tests", "dev"])
def test_empty_groups_are_passed_over(tmp_path: Path, name: str) -> None:
    table = f"[dependency-groups]\n{name} = []\n"
    wanted = found(tmp_path, {"pyproject.toml": textwrap.dedent(PROJECT) + table})
    assert wanted.source == "extra 'test' of pyproject.toml"
