"""Projects as they are laid out in the wild run on a host as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import controllers
import interpreters
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from projects import Project

SETUP: Final = """
    [build-system]
    requires = ["setuptools"]
    build-backend = "setuptools.build_meta"

    [project]
    name = "sample"
    version = "1.0"

    [tool.setuptools.packages.find]
    where = [{where!r}]
    include = ["sample*"]
    """

TEST: Final = """
    import pathlib

    import sample.core

    def test_it_comes_from_the_tree(pytestconfig):
        assert pytestconfig.rootpath in pathlib.Path(sample.core.__file__).parents
    """


@pytest.mark.parametrize(
    ("layout", "package"),
    [("src", "src/sample"), pytest.param(".", "sample", marks=pytest.mark.slow)],
)
def test_an_editable_install_here_is_the_tree_there(
    project: Project, tmp_path: Path, layout: str, package: str
) -> None:
    project.write(
        {
            "pyproject.toml": SETUP.format(where=layout),
            f"{package}/__init__.py": "",
            f"{package}/core.py": "",
            "tests/test_core.py": TEST,
        }
    )
    python = controllers.make(tmp_path / "venv")
    controllers.install(python, project.directory, "--no-deps", "--editable", ".")
    tx = f"--tx=ssh=myhost//python={interpreters.with_pytest('3.9')}"

    for words in ([], ["-d", tx]):
        answer = project.type_command([str(python), "-m", "pytest", *words])
        assert answer.status == 0, answer.output
        assert " 1 passed in " in answer.lines[-1]


def test_a_source_folder_named_in_the_config_file(project: Project) -> None:
    project.write(
        {
            "pytest.ini": "[pytest]\npythonpath = src\n",
            "src/sample/core.py": "",
            "tests/deep/test_core.py": TEST,
        }
    )
    tx = f"--tx=ssh=myhost//python={interpreters.with_pytest('3.9')}"

    answer = project.pytest("-d", tx, within="tests/deep")

    assert answer.status == 0, answer.output
    assert " 1 passed in " in answer.lines[-1]


def test_a_project_whose_root_is_a_package_keeps_its_name(project: Project) -> None:
    name = project.directory.name
    project.write(
        {
            "pytest.ini": "[pytest]\n",
            "__init__.py": "",
            "core.py": "ONE = 1\n",
            "test_core.py": f"""
                from {name} import core

                def test_one():
                    assert core.ONE == 1
                """,
        }
    )
    tx = f"--tx=ssh=myhost//python={interpreters.with_pytest('3.9')}"

    answer = project.pytest("-d", tx)

    assert answer.status == 0, answer.output


def test_helpers_beside_tests_and_fixtures_of_every_folder(project: Project) -> None:
    project.write(
        {
            "tox.ini": "[pytest]\n",
            "conftest.py": "import pytest\n\n@pytest.fixture\ndef one():\n    return 1\n",
            "tests/conftest.py": "import pytest\n\n@pytest.fixture\ndef two():\n    return 2\n",
            "tests/helpers.py": "THREE = 3\n",
            "tests/data/numbers.txt": "4",
            "tests/test_sum.py": """
                import pathlib
                import helpers

                def test_sum(one, two):
                    four = int((pathlib.Path(__file__).parent / "data/numbers.txt").read_text())
                    assert one + two + helpers.THREE + four == 10

                def test_the_working_directory():
                    assert pathlib.Path("tests/data/numbers.txt").read_text() == "4"
                """,
        }
    )
    tx = f"--tx=ssh=myhost//python={interpreters.with_pytest('3.6')}"

    answer = project.pytest("-d", tx)

    assert answer.status == 0, answer.output
    assert " 2 passed in " in answer.lines[-1]


def test_extension_modules_travel_to_a_host_that_can_import_them(project: Project) -> None:
    """One tree serves all interpreters of a host: it has what any of them can import."""
    project.write(
        {
            "lib/fast.cpython-39-x86_64-linux-gnu.so": "",
            "lib/fast.cpython-39-aarch64-linux-gnu.so": "",
            "lib/fast.cpython-36m-x86_64-linux-gnu.so": "",
            "lib/fast.cpython-36m-aarch64-linux-gnu.so": "",
            "lib/fast.cpython-310-x86_64-linux-gnu.so": "",
            "test_lib.py": """
                import os, sysconfig

                def test_what_is_there(pytestconfig):
                    names = os.listdir(os.path.join(str(pytestconfig.rootdir), "lib"))
                    assert "fast" + sysconfig.get_config_var("EXT_SUFFIX") in names
                    assert len(names) == 2
                """,
        }
    )
    pythons = (interpreters.with_pytest("3.6"), interpreters.with_pytest("3.9"))

    answer = project.pytest("--dist=each", *(f"--tx=ssh=myhost//python={path}" for path in pythons))

    assert answer.status == 0, answer.output
