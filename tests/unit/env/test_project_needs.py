"""What projects need, by the tables of setuptools, poetry, pdm, hatch and uv."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from remotest.env.poetry_needs import poetry_requirements, poetry_specifier
from remotest.env.project_needs import extras, groups, hatch_environment, own_requirements
from remotest.env.project_settings import read_project_settings
from remotest.env.uv_sources import Sources

if TYPE_CHECKING:
    from pathlib import Path

    from remotest.env.project_settings import ProjectSettings


def settings(directory: Path, **files: str) -> ProjectSettings:
    for name, text in files.items():
        (directory / name.replace("_", ".", 1)).write_text(textwrap.dedent(text))
    return read_project_settings(directory)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("^1.0b1", ">=1.0b1,<2"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("~=1.2", "~=1.2"),
        ("1.2", "==1.2"),
        ("=1.2", "==1.2"),
        ("1.*", "==1.*"),
        ("*", ""),
        (">=1,<2", ">=1,<2"),
        (">=1 <2", ">=1,<2"),
        (">= 1, != 1.5", ">=1,!=1.5"),
        ("~2.7 || ^3.6", ">=2.7,<4"),
        ("^1.0 | ^2.0", ">=1.0,<3"),
        ("==1.0 || ==2.0", ""),
    ],
)
def test_a_constraint_of_poetry(text: str, expected: str) -> None:
    assert poetry_specifier(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("^1.0", ["fig>=1.0,<2"]),
        ({"version": "1.0", "optional": True}, []),
        ({"version": ">=1", "extras": ["a", "b"]}, ["fig[a,b]>=1"]),
        (
            {"version": "*", "python": "^3.8"},
            ["fig ; python_version >= '3.8' and python_version < '4'"],
        ),
        ({"version": "*", "python": ">=3.8.1"}, ["fig ; python_full_version >= '3.8.1'"]),
        (
            {"version": "1", "markers": "os_name == 'x' or os_name == 'y'", "platform": "linux"},
            ["fig==1 ; (os_name == 'x' or os_name == 'y') and sys_platform == 'linux'"],
        ),
        (
            [{"version": "1", "python": "<3.8"}, {"version": "2", "python": ">=3.8"}],
            ["fig==1 ; python_version < '3.8'", "fig==2 ; python_version >= '3.8'"],
        ),
        ({"git": "https://h/fig.git", "tag": "v1"}, ["fig @ git+https://h/fig.git@v1"]),
        ({"git": "git@h:me/fig.git"}, ["fig @ git+ssh://git@h/me/fig.git"]),
        ({"url": "https://h/fig-1.zip"}, ["fig @ https://h/fig-1.zip"]),
        ({"path": "../fig", "develop": True}, ["fig @ file:///fig"]),
    ],
)
def test_a_dependency_of_poetry(tmp_path: Path, value: object, expected: list[str]) -> None:
    base = tmp_path / "project"
    there = [text.replace("file://", tmp_path.as_uri()) for text in expected]
    assert poetry_requirements({"python": "^3.8", "fig": value}, base) == there


def test_extras_of_poetry(tmp_path: Path) -> None:
    project = settings(
        tmp_path,
        pyproject_toml="""
            [tool.poetry.dependencies]
            apple = "1"
            pear = {version = "2", optional = true}
            [tool.poetry.extras]
            Test = ["pear", "nowhere"]
            [tool.poetry.dev-dependencies]
            quince = "*"
            """,
    )
    assert own_requirements(project) == ["apple==1"]
    assert extras(project) == {"test": ["pear==2"]}
    assert groups(project) == {"dev": ["quince"]}


def test_setup_py_with_names_sums_and_conditions(tmp_path: Path) -> None:
    project = settings(
        tmp_path,
        setup_py="""
            import setuptools
            NEEDS = ["apple"]
            TESTS = NEEDS + ["pear"]
            setuptools.setup(
                name="orchard",
                install_requires=NEEDS,
                extras_require={
                    "test": TESTS,
                    "test:python_version<'3.8'": ["plum; os_name == 'x'"],
                    ":python_version<'3.7'": "fig",
                },
                version=open("version").read(),
            )
            """,
    )
    assert own_requirements(project) == ["apple", "fig ; python_version<'3.7'"]
    assert extras(project) == {
        "test": ["apple", "pear", "plum ; (os_name == \"x\") and (python_version<'3.8')"]
    }
    assert project.static_version is None


def test_what_is_in_files_only_setuptools_reads(tmp_path: Path) -> None:
    project = settings(
        tmp_path,
        setup_py="from setuptools import setup\nsetup()\n",
        setup_cfg="""
            [metadata]
            name = orchard
            [options]
            install_requires = file: requirements.txt
            [options.extras_require]
            test = file: test.txt
            docs = sphinx
            """,
    )
    assert own_requirements(project) == ["orchard"]
    assert extras(project) == {"test": ["orchard[test]"], "docs": ["sphinx"]}


def test_dynamic_extras_of_pyproject(tmp_path: Path) -> None:
    project = settings(
        tmp_path,
        pyproject_toml="""
            [build-system]
            requires = ["setuptools"]
            [project]
            name = "orchard"
            dynamic = ["dependencies", "optional-dependencies"]
            [tool.setuptools.dynamic]
            dependencies = {file = ["a.txt"]}
            optional-dependencies.test = {file = ["b.txt"]}
            """,
    )
    assert own_requirements(project) == ["orchard"]
    assert extras(project) == {"test": ["orchard[test]"]}


def test_groups_of_pdm_and_hatch(tmp_path: Path) -> None:
    project = settings(
        tmp_path,
        pyproject_toml="""
            [project.optional-dependencies]
            cli = ["plum"]
            [tool.pdm.dev-dependencies]
            test = ["apple"]
            [tool.hatch.envs.default]
            dependencies = ["pear"]
            features = ["cli"]
            """,
    )
    assert groups(project) == {"test": ["apple"]}
    assert hatch_environment(project) == ("default", ["pear", "plum"])


def test_sources_of_uv(tmp_path: Path) -> None:
    (tmp_path / "libs" / "core").mkdir(parents=True)
    settings(tmp_path / "libs" / "core", pyproject_toml="[project]\nname = 'my.core'\n")
    settings(
        tmp_path,
        pyproject_toml="""
            [tool.uv.workspace]
            members = ["libs/*", "app"]
            [tool.uv.sources]
            fig = {url = "https://h/fig-1.zip"}
            """,
    )
    (tmp_path / "app").mkdir()
    project = settings(
        tmp_path / "app",
        pyproject_toml="""
            [tool.uv.sources]
            my-core = {workspace = true}
            apple = {git = "https://h/apple", branch = "main", subdirectory = "py"}
            pear = {index = "private"}
            plum = [
                {path = "../plum", marker = "os_name == 'x'"},
                {index = "private", marker = "os_name != 'x'"},
            ]
            """,
    )
    sources = Sources(project)
    base = tmp_path.as_uri()
    expected = {
        "my_core[x]>=1; os_name == 'a'": [f'my_core[x] @ {base}/libs/core ; os_name == "a"'],
        "apple": ["apple @ git+https://h/apple@main#subdirectory=py"],
        "pear>=1": ["pear>=1"],
        "plum": [f"plum @ {base}/plum ; os_name == 'x'", "plum ; os_name != 'x'"],
        "fig": ["fig @ https://h/fig-1.zip"],
        "other": ["other"],
        "apple @ https://h/a.zip": ["apple @ https://h/a.zip"],
        "no requirement": ["no requirement"],
    }
    assert {text: sources.apply(text) for text in expected} == expected
