"""Which edits of a project make its extension modules be built again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from overlays import write

from remotest.env.project_sources import compiled_content, decides, pack
from remotest.env.wheelcache import hash_file

if TYPE_CHECKING:
    from pathlib import Path

SETUP = "from helpers import flags\nsetup(cffi_modules=['src/pkg/_cffi.py:ffi'], py_modules=[])\n"
TEXTS = {"pyproject.toml": "[build-system]\n", "setup.py": SETUP}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("src/pkg/_fast.c", True),
        ("src/pkg/_fast.pyx", True),
        ("include/pkg.h", True),
        ("Cargo.lock", True),
        (".cargo/config.toml", True),
        ("CMakeLists.txt", True),
        ("meson.build", True),
        ("setup.py", True),
        ("helpers.py", True),
        ("helpers/flags.py", True),
        ("src/pkg/_cffi.py", True),
        ("build_tools/backend.py", True),
        ("src/pkg/__init__.py", False),
        ("src/pkg/module.py", False),
        ("src/pkg/my_cffi.py", False),
        ("src/pkg/_fast.pyi", False),
        ("conftest.py", False),
        ("src/pkg/_fast.cpython-39-x86_64-linux-gnu.so", False),
        ("tests/data/big.c", False),
        ("src/pkg/tests/test_it.py", False),
        ("docs/index.txt", False),
        ("README.md", False),
        (".github/workflows/ci.yml", False),
    ],
)
def test_what_may_change_what_is_compiled(name: str, expected: bool) -> None:
    assert decides(name, TEXTS, ["build_tools"]) is expected


def test_a_backend_beside_pyproject_counts() -> None:
    assert decides("backend.py", TEXTS, ["."])
    assert not decides("pkg/module.py", TEXTS, ["."])


FILES = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools"]
        [tool.setuptools]
        zip-safe = false
        [tool.ruff]
        line-length = 100
        """,
    "pkg/__init__.py": "",
    "pkg/_fast.c": "int x;",
}


@pytest.mark.parametrize(
    ("edit", "counts"),
    [
        ({"pkg/__init__.py": "x = 1"}, False),
        ({"pkg/new.py": "x = 1"}, False),
        ({"pkg/_fast.c": "int y;"}, True),
        ({"pkg/new.c": "int y;"}, True),
        ({"pyproject.toml": FILES["pyproject.toml"].replace("100", "80")}, False),
        ({"pyproject.toml": FILES["pyproject.toml"].replace("false", "true")}, True),
    ],
)
def test_an_edit_counts_or_not(tmp_path: Path, edit: dict[str, str], counts: bool) -> None:
    project = write(tmp_path, FILES)
    before = compiled_content(project)
    write(project, edit)
    assert (compiled_content(project) != before) is counts


def test_the_same_files_are_the_same_archive(tmp_path: Path) -> None:
    digests = set()
    for number in (1, 2):
        project = write(tmp_path / str(number) / "demo", FILES)
        digests.add(hash_file(pack(project, tmp_path / f"{number}.tar")))
    assert len(digests) == 1
