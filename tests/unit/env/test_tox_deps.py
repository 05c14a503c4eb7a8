"""What environments of tox need."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import pytest

from remotest.env.tox_deps import read_tox, tox_lines
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

INI: Final = """\
    [tox]
    envlist = py{38,39}-{django,plain}, docs
    [base]
    deps =
        apple
        {[more]deps}
    [more]
    deps = plum
    [testenv]
    deps =
        {[base]deps}
        py{38,39}: pear
        py{38,310},docs: quince
        !py38: fig
        py39-django: grape
        !py39-django: melon
        -r{toxinidir}/requirements.txt
        {env:NOT_SET_ANYWHERE:date}
        # a comment
    extras = test
    [testenv:docs]
    deps = sphinx @ https://host/sphinx-1.zip
    [testenv:{lint,types}]
    deps = checker
    """


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    (tmp_path / "tox.ini").write_text(textwrap.dedent(INI))
    return tmp_path


REST: Final = ["-r./requirements.txt", "date"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("py38-plain", ["apple", "plum", "pear", "quince", *REST]),
        ("py38-django", ["apple", "plum", "pear", "quince", "melon", *REST]),
        ("py39-django", ["apple", "plum", "pear", "fig", "grape", *REST]),
        ("py310", ["apple", "plum", "quince", "fig", *REST]),
        ("3.12", ["apple", "plum", "fig", *REST]),
        ("docs", ["sphinx @ https://host/sphinx-1.zip"]),
        ("lint", ["checker"]),
        ("types", ["checker"]),
    ],
)
def test_the_deps_of_an_environment(ini: Path, name: str, expected: list[str]) -> None:
    assert tox_lines(read_tox(ini), name, "deps") == expected


def test_what_an_environment_does_not_say_the_common_one_says(ini: Path) -> None:
    assert tox_lines(read_tox(ini), "docs", "extras") == ["test"]
    assert tox_lines(read_tox(ini), "docs", "nothing") == []


def test_an_environment_that_is_not_there(ini: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        tox_lines(read_tox(ini), "doc", "deps")
    assert caught.value.cause == "tox.ini has no environment 'doc': did you mean 'docs'?"
    with pytest.raises(Unavailable) as caught:
        tox_lines(read_tox(ini), "py39-flask", "deps")
    assert caught.value.cause.startswith("tox.ini has no environment 'py39-flask': ")


def test_a_circle(tmp_path: Path) -> None:
    (tmp_path / "tox.ini").write_text("[testenv]\ndeps = {[testenv]deps}\n")
    with pytest.raises(Unavailable) as caught:
        tox_lines(read_tox(tmp_path), "py39", "deps")
    assert caught.value.cause == "tox.ini refers to itself in a circle"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("setup.cfg", "[tox:tox]\nenvlist = py39\n[testenv]\ndeps = apple\n[metadata]\nname = x\n"),
        (
            "pyproject.toml",
            "[tool.tox]\nlegacy_tox_ini = '''\n[testenv:py39]\ndeps = apple\n'''\n",
        ),
        (
            "pyproject.toml",
            '[tool.tox]\nenv_list = ["py39"]\n[tool.tox.env_run_base]\ndeps = ["apple"]\n',
        ),
        ("tox.toml", 'env_list = ["py39"]\n[env.py39]\ndeps = ["apple"]\n'),
    ],
)
def test_where_tox_reads(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / file).write_text(text)
    tox = read_tox(tmp_path)
    assert (tox.file, tox_lines(tox, "py39", "deps")) == (file, ["apple"])


@pytest.mark.parametrize("text", ["[testenv\n", "", "[other]\na = b\n"])
def test_no_tox_at_all(tmp_path: Path, text: str) -> None:
    (tmp_path / "tox.ini").write_text(text)
    with pytest.raises(Unavailable):
        read_tox(tmp_path)
