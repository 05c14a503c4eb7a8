"""A host with nothing but interpreters runs the suite: what it needs comes from here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import barehost
import interpreters
import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from projects import Answer

NAMES: Final = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", interpreters.PYPY)

SUITE: Final = {
    "pyproject.toml": """
        [project]
        name = "orchard"
        version = "1.5"
        dependencies = ["iniconfig"]

        [dependency-groups]
        test = ["toolz", "markupsafe; implementation_name == 'cpython'"]

        [tool.pytest.ini_options]
        testpaths = ["tests"]
        """,
    "src/orchard/__init__.py": "def pick():\n    return 'apple'\n",
    "tests/test_orchard.py": """
        import socket
        import subprocess
        import sys

        import pytest

        def test_the_project_is_there():
            import orchard
            assert orchard.pick() == "apple"

        def test_its_metadata_is_there():
            try:
                from importlib.metadata import version
            except ImportError:
                from importlib_metadata import version
            assert version("orchard") == "1.5"

        def test_what_it_needs_is_there():
            import iniconfig, toolz
            if sys.implementation.name == "cpython":
                import markupsafe

        def test_a_program_that_a_test_starts_sees_the_same():
            command = [sys.executable, "-c", "import orchard, toolz; print(orchard.pick())"]
            assert subprocess.check_output(command) == b"apple\\n"

        def test_there_is_no_network():
            with pytest.raises(OSError):
                socket.create_connection(("192.0.2.1", 80), timeout=5)
        """,
}


SMALL: Final = {
    "pyproject.toml": """
        [project]
        name = "sapling"
        version = "1"
        requires-python = ">=3.8,<3.10"
        """,
    "sapling.py": "",
    "test_it.py": "import sapling\n\ndef test_one():\n    pass\n",
}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A shell in which every host is a bare one."""
    with barehost.running(tmp_path_factory.mktemp("bare"), NAMES) as environment:
        yield environment


def rows(answer: Answer) -> list[tuple[str, str, str]]:
    """Return environment, passed and failed of each row of the matrix."""
    return re.findall(r"^bare-(\w+) +\w+ \S+ +\S+ +(\d+) +(\d+)", answer.output, re.MULTILINE)


def test_every_interpreter_of_a_bare_host_runs_the_suite(
    shell: dict[str, str], tmp_path: Path
) -> None:
    project = projects.make(tmp_path / "project", shell, SUITE)

    answer = project.pytest("--dist=each", "--tx", f"ssh=bare//python={','.join(NAMES)}")

    assert answer.status == 0, answer.output
    assert rows(answer) == [
        (f"{'pypy39' if name == interpreters.PYPY else 'py' + name.replace('.', '')}", "5", "0")
        for name in NAMES
    ]


def test_a_matrix_is_of_the_interpreters_that_the_project_allows(
    shell: dict[str, str], tmp_path: Path
) -> None:
    project = projects.make(tmp_path / "project", shell, SMALL)

    answer = project.type_command(["remotest", "matrix", "--tx=ssh=bare", "--", "-q"])

    assert answer.status == 0, answer.output
    assert [row for row in rows(answer) if row[0].startswith("py3")] == [
        ("py38", "1", "0"),
        ("py39", "1", "0"),
    ]


@pytest.mark.parametrize(
    ("keys", "status", "line"),
    [
        pytest.param(
            "python=3.7",
            6,
            "choose an environment failed: CPython 3.7.16 on linux x86_64 is none that the project "
            "allows: its requires-python is '>=3.8,<3.10'",
            id="an interpreter that the project excludes",
        ),
        pytest.param(
            "python=3.8//env=system",
            6,
            "preflight failed: Python 3.8.18 at PYTHON has no pytest",
            id="as it is",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "python=3.99+",
            6,
            "find interpreters failed: python=3.99+ is absent",
            id="none is new enough",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "python=3.8//group=none",
            4,
            "ERROR: group=none: the project has no such group; it has none",
            id="no such group",
        ),
        pytest.param(
            "python=3.8//req=requirements.txt",
            6,
            "resolve failed: requirements.txt, for CPython 3.8.18 on linux x86_64: "
            "no versions satisfy iniconfig>999",
            id="a version that there is not",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_cannot_be(
    shell: dict[str, str], tmp_path: Path, keys: str, status: int, line: str
) -> None:
    project = projects.make(
        tmp_path / "project", shell, {**SMALL, "requirements.txt": "iniconfig>999\n"}
    )

    answer = project.pytest("-d", f"--tx=ssh=bare//{keys}")

    assert answer.status == status, answer.output
    assert line in answer.output.replace(str(interpreters.find_or_skip("3.8")), "PYTHON")
