"""A project as its settings describe it, for every build backend and layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from overlays import write

from remotest.env.project_settings import read_project_settings
from remotest.env.project_static import describe_statically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from remotest.env.project_editable import Editable

PROJECT = '[project]\nname = "Demo.App"\nversion = "1.0"\n'


def described(project: Path, files: Mapping[str, str]) -> Editable:
    write(project, files)
    return describe_statically(read_project_settings(project))


def roots_of(editable: Editable) -> list[str]:
    (text,) = (text for name, text in editable.files.items() if name.endswith(".pth"))
    return [line.removeprefix(editable.directory).lstrip("/") or "." for line in text.splitlines()]


def file_of(editable: Editable, ending: str) -> str:
    return next(text for name, text in editable.files.items() if name.endswith(ending))


@pytest.mark.parametrize(
    ("settings", "roots"),
    [
        ({}, ["."]),
        ({"src/demo/__init__.py": ""}, ["src"]),
        ({"src/__init__.py": ""}, ["."]),  # the package is called so
        ({"pyproject.toml": '[tool.setuptools.package-dir]\n"" = "lib"'}, ["lib"]),
        ({"pyproject.toml": '[tool.setuptools.packages.find]\nwhere = ["lib", "."]'}, ["lib", "."]),
        ({"setup.cfg": "[options]\npackage_dir =\n    = lib\n    odd = lib/odd"}, ["lib"]),
        ({"setup.cfg": "[options.packages.find]\nwhere = lib"}, ["lib"]),
        ({"setup.py": "import setuptools\nsetuptools.setup(package_dir={'': 'lib'})"}, ["lib"]),
        ({"setup.py": "setup(package_dir=compute(), name='a')"}, ["."]),
        ({"setup.py": "print 'for Python 2'"}, ["."]),
        ({"pyproject.toml": '[tool.hatch.build.targets.wheel]\npackages = ["lib/demo"]'}, ["lib"]),
        ({"pyproject.toml": '[[tool.poetry.packages]]\ninclude = "demo"\nfrom = "lib"'}, ["lib"]),
        ({"pyproject.toml": '[[tool.poetry.packages]]\ninclude = "demo"'}, ["."]),
        ({"pyproject.toml": '[tool.pdm.build]\npackage-dir = "lib"'}, ["lib"]),
        ({"pyproject.toml": '[tool.uv.build-backend]\nmodule-root = ""'}, ["."]),
        ({"pyproject.toml": '[tool.uv.build-backend]\nmodule-root = "gone"'}, ["."]),
    ],
)
def test_where_modules_are_imported_from(
    tmp_path: Path, settings: dict[str, str], roots: list[str]
) -> None:
    assert roots_of(described(tmp_path, {"lib/demo/__init__.py": "", **settings})) == roots


@pytest.mark.parametrize(
    ("files", "name", "version"),
    [
        ({"pyproject.toml": PROJECT}, "Demo.App", "1.0"),
        ({"pyproject.toml": '[tool.poetry]\nname = "demo"\nversion = "2"'}, "demo", "2"),
        ({"setup.cfg": "[metadata]\nname = demo\nversion = 3"}, "demo", "3"),
        ({"setup.py": "setup(name='demo', version='4')"}, "demo", "4"),
        (
            {
                "setup.cfg": "[metadata]\nname = demo-app\nversion = attr: demo_app.__version__",
                "src/demo_app/__init__.py": "import a\n\n__version__: str = '5.1'\n",
            },
            "demo-app",
            "5.1",
        ),
        ({"setup.cfg": "[metadata]\nname = demo", "demo.py": "version = '6'"}, "demo", "6"),
    ],
)
def test_what_it_is_called(tmp_path: Path, files: dict[str, str], name: str, version: str) -> None:
    editable = described(tmp_path, files)
    assert file_of(editable, "METADATA").startswith(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    assert editable.notes == ()
    assert editable.is_pure


def test_a_version_that_only_the_backend_knows(tmp_path: Path) -> None:
    editable = described(tmp_path, {"pyproject.toml": '[project]\nname = "demo"'})
    assert file_of(editable, "METADATA") == "Metadata-Version: 2.1\nName: demo\nVersion: 0\n"
    assert editable.notes == (
        "nothing but its build backend knows the version of demo: it counts as 0",
    )


def test_metadata_and_entry_points(tmp_path: Path) -> None:
    editable = described(
        tmp_path,
        {
            "pyproject.toml": PROJECT
            + """
description = "two
lines"
requires-python = ">=3.8"
dependencies = ["attrs>=20 ; os_name == 'posix'", "pluggy"]
[project.optional-dependencies]
test = ["pytest ; python_version < '4' or os_name == 'nt'", "coverage"]
[project.scripts]
demo = "demo:main"
[project.entry-points.pytest11]
demo = "demo.plugin"
""".replace("two\n", "two\\n"),
        },
    )
    assert file_of(editable, "METADATA").splitlines()[3:] == [
        "Summary: two lines",
        "Requires-Python: >=3.8",
        "Provides-Extra: test",
        "Requires-Dist: attrs>=20 ; os_name == 'posix'",
        "Requires-Dist: pluggy",
        "Requires-Dist: pytest ; (python_version < '4' or os_name == 'nt') and extra == 'test'",
        "Requires-Dist: coverage ; extra == 'test'",
    ]
    assert file_of(editable, "entry_points.txt") == (
        "[console_scripts]\ndemo = demo:main\n\n[pytest11]\ndemo = demo.plugin\n"
    )
    assert sorted(editable.files) == [
        "Demo_App-1.0.dist-info/METADATA",
        "Demo_App-1.0.dist-info/RECORD",
        "Demo_App-1.0.dist-info/WHEEL",
        "Demo_App-1.0.dist-info/entry_points.txt",
        "__editable__.Demo_App-1.0.pth",
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"setup.cfg": "[options.entry_points]\npytest11 =\n    demo = demo.plugin\n"},
        {"setup.py": "setup(entry_points={'pytest11': ['demo = demo.plugin']})"},
        {"setup.py": "setup(entry_points={'pytest11': 'demo = demo.plugin'})"},
        {"pyproject.toml": '[tool.poetry.plugins.pytest11]\ndemo = "demo.plugin"'},
    ],
)
def test_entry_points_wherever_they_are_written(tmp_path: Path, files: dict[str, str]) -> None:
    editable = described(tmp_path, files)
    assert file_of(editable, "entry_points.txt") == "[pytest11]\ndemo = demo.plugin\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, False),
        ({"pyproject.toml": "[tool.pytest]"}, False),
        ({"setup.cfg": "[tool:pytest]"}, False),
        ({"pyproject.toml": PROJECT}, True),
        ({"pyproject.toml": PROJECT + "[tool.uv]\npackage = false"}, False),
        ({"pyproject.toml": "[tool.poetry]\npackage-mode = false\n[build-system]"}, False),
        ({"pyproject.toml": '[build-system]\nrequires = ["flit_core"]'}, True),
        ({"setup.py": ""}, True),
        ({"setup.cfg": "[metadata]\nname = demo"}, True),
    ],
)
def test_what_is_a_project_at_all(tmp_path: Path, files: dict[str, str], *, expected: bool) -> None:
    write(tmp_path, files)
    assert read_project_settings(tmp_path).is_project == expected


def test_a_backend_that_exists_to_compile(tmp_path: Path) -> None:
    backend = '[build-system]\nrequires = ["maturin"]\nbuild-backend = "maturin"\n'
    assert not described(tmp_path, {"pyproject.toml": backend + PROJECT}).is_pure
