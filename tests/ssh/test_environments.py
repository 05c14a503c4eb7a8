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

    from projects import Answer, Project

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


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Answer]]:
    """A project, and what pytest said when it ran on every interpreter of the bare host."""
    directory = tmp_path_factory.mktemp("bare")
    with barehost.running(directory, NAMES) as shell:
        project = projects.make(directory / "project", shell, SUITE)
        pythons = ",".join(NAMES)
        yield project, project.pytest("--dist=each", "--tx", f"ssh=bare//python={pythons}")


def test_every_interpreter_of_a_bare_host_runs_the_suite(
    everywhere: tuple[Project, Answer],
) -> None:
    _, answer = everywhere
    assert answer.status == 0, answer.output
    rows = re.findall(
        r"^bare-(\w+)\s+(\w+) \S+\s+(\S+)\s+(\d+)\s+(\d+)", answer.output, re.MULTILINE
    )
    assert [(tag, passed, failed) for tag, _, _, passed, failed in rows] == [
        (f"{'pypy39' if name == interpreters.PYPY else 'py' + name.replace('.', '')}", "5", "0")
        for name in NAMES
    ]
