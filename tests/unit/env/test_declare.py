"""What a suite needs, by the first place that says so."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import pytest

from remotest.env.declare import find_requires_python, find_wanted
from remotest.env.model import Wanted
from remotest.env.tool_table import find_excluded_plugins, find_project_mode, find_wheels_mode
from remotest.errors import UsageError
from remotest.spec import parse_spec

if TYPE_CHECKING:
    from pathlib import Path

PROJECT: Final = """
    [project]
    name = "orchard"
    version = "1"
    requires-python = ">=3.8"
    dependencies = ["apple>=1"]
    [project.optional-dependencies]
    testing = ["pear"]
    docs = ["sphinx"]
    """
GROUPS: Final = """
    [dependency-groups]
    base = ["plum"]
    test = ["quince", {include-group = "base"}]
    """


def project(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        path = directory / name.replace("__", "/").replace("_DOT_", ".").replace("_DASH_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return directory


@pytest.mark.parametrize(
    ("files", "keys", "wanted"),
    [
        pytest.param({}, "", Wanted(source="pytest and the plugins of here"), id="nothing"),
        pytest.param(
            {"pyproject_DOT_toml": PROJECT + GROUPS},
            "",
            Wanted(
                source="group 'test' of pyproject.toml",
                requirements=("apple>=1", "quince", "plum"),
                requires_python=">=3.8",
            ),
            id="group",
        ),
        pytest.param(
            {"pyproject_DOT_toml": PROJECT},
            "",
            Wanted(
                source="extra 'testing' of pyproject.toml",
                requirements=("apple>=1", "pear"),
                requires_python=">=3.8",
            ),
            id="extra",
        ),
        pytest.param(
            {"pyproject_DOT_toml": PROJECT + GROUPS},
            "//extra=docs//group=base",
            Wanted(
                source="group 'base' and extra 'docs' of pyproject.toml",
                requirements=("apple>=1", "plum", "sphinx"),
                requires_python=">=3.8",
            ),
            id="named",
        ),
        pytest.param(
            {
                "pyproject_DOT_toml": PROJECT
                + GROUPS
                + '    [tool.remotest]\n    extra = ["docs"]\n'
            },
            "",
            Wanted(
                source="extra 'docs' of pyproject.toml",
                requirements=("apple>=1", "sphinx"),
                requires_python=">=3.8",
            ),
            id="the project's own table",
        ),
        pytest.param(
            {
                "requirements__test_DOT_txt": """
                    # What tests need.
                    -r base.txt
                    -c ../constraints.txt
                    cherry==1 \\
                        --hash=sha256:00
                    fig ; python_version < "3.9"  # an old one
                    """,
                "requirements__base_DOT_txt": "date[dry]>=2\n",
                "constraints_DOT_txt": "elder<3\n",
            },
            "",
            Wanted(
                source="requirements/test.txt",
                requirements=("date[dry]>=2", "cherry==1", 'fig ; python_version < "3.9"'),
                constraints=("elder<3",),
                notes=("requirements/test.txt: --hash is not looked at",),
            ),
            id="requirements file",
        ),
        pytest.param(
            {
                "setup_DOT_cfg": """
                    [metadata]
                    name = orchard
                    [options]
                    python_requires = >=3.7
                    install_requires =
                        apple
                    [options.extras_require]
                    test =
                        pear
                        quince
                    """
            },
            "",
            Wanted(
                source="extra 'test' of setup.cfg",
                requirements=("apple", "pear", "quince"),
                requires_python=">=3.7",
            ),
            id="setup.cfg",
        ),
        pytest.param(
            {
                "setup_DOT_py": """
                    from setuptools import setup
                    setup(name="orchard", install_requires=["apple"], tests_require=["pear"],
                          python_requires=">=3.6")
                    """
            },
            "",
            Wanted(
                source="dependencies of setup.py",
                requirements=("apple", "pear"),
                requires_python=">=3.6",
            ),
            id="setup.py",
        ),
        pytest.param(
            {
                "setup_DOT_py": """
                    from setuptools import setup
                    setup(name="orchard", install_requires=open("needs").read())
                    """
            },
            "",
            Wanted(source="dependencies of setup.py", requirements=("orchard",)),
            id="only the backend knows",
        ),
        pytest.param(
            {
                "pyproject_DOT_toml": """
                    [tool.poetry]
                    name = "orchard"
                    [tool.poetry.dependencies]
                    python = "^3.8"
                    apple = "^1.2"
                    pear = {version = "~0.3.1", python = "<3.11", extras = ["x"]}
                    fig = {version = "*", optional = true}
                    [tool.poetry.group.test.dependencies]
                    quince = "2.0"
                    """
            },
            "",
            Wanted(
                source="group 'test' of pyproject.toml",
                requirements=(
                    "apple>=1.2,<2",
                    "pear[x]>=0.3.1,<0.4 ; python_version < '3.11'",
                    "quince==2.0",
                ),
                requires_python=">=3.8,<4",
            ),
            id="poetry",
        ),
        pytest.param(
            {
                "tox_DOT_ini": """
                    [base]
                    deps =
                        apple
                    [tox]
                    envlist = py{38,39}-{x,django}
                    [testenv]
                    deps =
                        {[base]deps}
                        py{38,39}: pear
                        !py38: plum
                        django: fig
                    """
            },
            "//tox=py39-x",
            Wanted(
                source="environment 'py39-x' of tox.ini", requirements=("apple", "pear", "plum")
            ),
            id="tox",
        ),
    ],
)
def test_what_is_wanted(tmp_path: Path, files: dict[str, str], keys: str, wanted: Wanted) -> None:
    assert find_wanted(project(tmp_path, **files), parse_spec(f"popen{keys}")) == wanted


def test_a_lock_counts_more_than_a_group(tmp_path: Path) -> None:
    base = project(tmp_path, pyproject_DOT_toml=PROJECT + GROUPS, uv_DOT_lock="version = 1\n")
    assert find_wanted(base, parse_spec("popen")) == Wanted(
        source="uv.lock (group 'test')",
        lock=base / "uv.lock",
        lock_groups=("test",),
        requires_python=">=3.8",
    )


@pytest.mark.parametrize(
    ("files", "keys", "message"),
    [
        (
            {"pyproject_DOT_toml": PROJECT + GROUPS},
            "//group=tset",
            "group=tset: the project has no such group; did you mean 'test'?",
        ),
        ({}, "//lock=pylock.toml", "lock=pylock.toml: there is no {base}/pylock.toml"),
        (
            {"a_DOT_txt": "-r b.txt\n"},
            "//req=a.txt",
            "{base}/b.txt, which {base}/a.txt names, cannot be read: No such file or directory",
        ),
        (
            {"a_DOT_txt": "-r b.txt\n", "b_DOT_txt": "-r a.txt\n"},
            "//req=a.txt",
            "{base}/a.txt includes itself; take out the -r that leads back",
        ),
        (
            {"a_DOT_txt": "apple == \n"},
            "//req=a.txt",
            (
                "a.txt: 'apple ==' is no requirement: Expected semicolon (after name with "
                "no version specifier) or end; write it as PEP 508 says: name[extra]>=1.0; marker"
            ),
        ),
        (
            {"tox_DOT_ini": "[testenv:py39]\n[other]\n"},
            "//tox=py38",
            "tox.ini has no environment 'py38': did you mean 'py39'?",
        ),
        (
            {"pyproject_DOT_toml": "[tool.remotest]\ngruop = 'test'\n"},
            "",
            "[tool.remotest] of {base}/pyproject.toml: unknown key 'gruop': did you mean 'group'?",
        ),
        (
            {"pyproject_DOT_toml": "[dependency-groups]\ntest = [{include-group = 'none'}]\n"},
            "",
            (
                "[dependency-groups] of {base}/pyproject.toml: Dependency group 'none' not found; "
                "see PEP 735, which says how groups are written"
            ),
        ),
    ],
)
def test_what_cannot_be_understood(
    tmp_path: Path, files: dict[str, str], keys: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        find_wanted(project(tmp_path, **files), parse_spec(f"popen{keys}"))
    assert str(caught.value) == message.format(base=tmp_path)


def test_which_pythons_a_project_is_for(tmp_path: Path) -> None:
    assert find_requires_python(tmp_path) == ""
    assert find_requires_python(project(tmp_path, pyproject_DOT_toml=PROJECT)) == ">=3.8"


def test_what_the_table_of_a_project_says(tmp_path: Path) -> None:
    assert find_excluded_plugins(tmp_path) == []
    assert find_project_mode(tmp_path) is None
    assert find_wheels_mode(tmp_path) is None
    table = "[tool.remotest]\nworker_plugins_exclude = ['pytest-sugar']\nproject = 'none'\n"
    project(tmp_path, pyproject_DOT_toml=f"{table}wheels = 'remote'\n")
    assert find_excluded_plugins(tmp_path) == ["pytest-sugar"]
    assert find_project_mode(tmp_path) == "none"
    assert find_wheels_mode(tmp_path) == "remote"
