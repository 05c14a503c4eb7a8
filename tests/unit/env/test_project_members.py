"""Which projects beside a project belong to what a run sees of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from overlays import write

from remotest.env.project_members import find_projects
from remotest.env.project_paths import TreePaths
from remotest.env.unavailable import Unavailable
from remotest.sync.plan import lay_out

if TYPE_CHECKING:
    from pathlib import Path

MEMBER = '[project]\nname = "member"\nversion = "1"\n'
TOP = '[project]\nname = "top"\nversion = "1"\n'


def projects_of(base: Path, files: dict[str, str]) -> list[str]:
    """Return the directories of the projects, relative to the base."""
    texts = {path: text.replace("BASE", str(base)) for path, text in files.items()}
    write(base, {"pyproject.toml": "", **texts})
    found = find_projects(base, TreePaths(base))
    return [str(settings.directory.relative_to(base)) for settings in found]


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": TOP + 'dependencies = ["member @ file://BASE/libs/member"]'},
        {"pyproject.toml": TOP + 'dependencies = ["member @ {root:uri}/libs/member"]'},
        {"pyproject.toml": TOP + 'dependencies = ["member @ file:///${PROJECT_ROOT}/libs/member"]'},
        {
            "pyproject.toml": TOP
            + '[project.optional-dependencies]\na = ["member[b] @ file://BASE/libs/member"]'
        },
        {
            "pyproject.toml": TOP
            + '[dependency-groups]\na = [{include-group = "b"}, "member @ file:BASE/libs/member"]'
        },
        {"pyproject.toml": TOP + '[tool.uv.sources]\nmember = {path = "libs/member"}'},
        {
            "pyproject.toml": TOP
            + '[tool.uv.sources]\nmember = [{path = "libs/member"}, {index = "other"}]'
        },
        {"pyproject.toml": TOP + '[tool.uv.workspace]\nmembers = ["libs/*", "apps/*"]'},
        {
            "pyproject.toml": TOP
            + '[tool.poetry.group.dev.dependencies]\nmember = {path = "libs/member", develop = 1}'
        },
        {
            "pyproject.toml": TOP
            + '[tool.pdm.dev-dependencies]\ndev = ["-e file:///${PROJECT_ROOT}/libs/member#egg=a"]'
        },
        {
            "setup.cfg": "[metadata]\nname = top\n[options]\ninstall_requires =\n"
            "    pytest\n    member @ file://BASE/libs/member\n"
        },
        {
            "setup.cfg": "[metadata]\nname = top\n[options.extras_require]\n"
            "test = member @ file://BASE/libs/member"
        },
        {"setup.py": "", "requirements.txt": "-e ./libs/member"},
        {"setup.py": "", "requirements/test.txt": "--editable=libs/member[a]"},
        {"setup.py": "", "test-requirements.txt": "# a\n./libs/member  # b\n"},
        {"setup.py": "", "requirements_dev.txt": "-e file://BASE/libs/member"},
    ],
)
def test_ways_to_name_a_member(tmp_path: Path, files: dict[str, str]) -> None:
    assert projects_of(tmp_path, {"libs/member/pyproject.toml": MEMBER, **files}) == [
        ".",
        "libs/member",
    ]


def test_members_lead_to_members_and_back(tmp_path: Path) -> None:
    assert projects_of(
        tmp_path,
        {
            "requirements.txt": "-e a",
            "a/pyproject.toml": MEMBER + '[tool.uv.sources]\nb = {path = "../b"}',
            "b/pyproject.toml": MEMBER + '[tool.uv.sources]\na = {path = "../a"}',
        },
    ) == ["a", "b"]


def test_a_member_has_the_other_members_of_its_workspace(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["libs/*"]',
            "libs/one/pyproject.toml": MEMBER,
            "libs/two/pyproject.toml": MEMBER,
            "libs/no-project/README": "",
        },
    )
    base = tmp_path / "libs" / "one"

    def names(paths: TreePaths) -> list[str]:
        return [settings.directory.name for settings in find_projects(base, paths)]

    assert names(TreePaths(base)) == ["one"]
    layout = lay_out(str(base), [str(tmp_path)])
    assert names(TreePaths(base, layout.locate)) == ["one", "two"]


def test_tests_that_have_settings_of_their_own(tmp_path: Path) -> None:
    """The base directory is the config file's, which need not be the project's."""
    base = write(tmp_path, {"setup.py": "", "tests/pytest.ini": "[pytest]"}) / "tests"
    layout = lay_out(str(base), [str(tmp_path)])
    found = find_projects(base, TreePaths(base, layout.locate))
    assert [settings.directory for settings in found] == [tmp_path]
    assert find_projects(base, TreePaths(base)) == ()


@pytest.mark.parametrize(
    "requirement",
    [
        "pytest>=7",
        "-e git+https://example.org/a.git",
        "-r other.txt",
        "--index-url https://example.org/simple",
        "https://example.org/a.whl",
        "a @ https://example.org/a.whl",
        "-e ../outside",
        "./gone",
        "not a requirement at all",
    ],
)
def test_what_leads_nowhere_in_the_tree(tmp_path: Path, requirement: str) -> None:
    write(tmp_path / "outside", {"setup.py": ""})
    files = {"setup.py": "", "requirements.txt": requirement}
    assert projects_of(tmp_path / "base", files) == ["."]


@pytest.mark.parametrize(
    ("name", "text"), [("pyproject.toml", "[project"), ("setup.cfg", "name = demo")]
)
def test_settings_that_cannot_be_read(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(Unavailable, match=name):
        projects_of(tmp_path, {name: text})
