"""A host with interpreters and a compiler, and no network, builds what has no wheel for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import barehost
import nativesources
import needs
import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

NAMES: Final = ("3.8", "3.12")

TESTS: Final = """
    import subprocess
    import sys
    from importlib import metadata

    import fast
    import native

    def test_the_module_of_a_dependency():
        assert native.answer() == 7

    def test_the_module_of_the_project():
        assert fast.answer() == 42
        assert fast.__file__.endswith("/base/src/fast/__init__.py"), "it is the tree's"
        assert "/envs/" in sys.modules["fast._fast"].__file__
        assert metadata.version("fast") == "1.0"

    def test_a_program_that_a_test_starts_sees_the_same():
        command = [sys.executable, "-c", "import fast; print(fast.answer())"]
        assert subprocess.check_output(command) == b"42\\n"
    """


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A shell in which every host is such a one."""
    needs.program("cc")
    with barehost.running(tmp_path_factory.mktemp("bare"), NAMES) as environment:
        yield environment


def test_a_dependency_and_the_project_are_built_there(
    shell: dict[str, str], tmp_path: Path
) -> None:
    index = tmp_path / "index"
    index.mkdir()
    sources = nativesources.files("native", answer=7)
    (index / "native-1.0.tar.gz").write_bytes(nativesources.archive(sources, "native"))
    project = projects.make(
        tmp_path / "project", {**shell, "UV_FIND_LINKS": os.fspath(index)}, {"test_it.py": TESTS}
    )
    nativesources.write(project.directory, nativesources.files())
    project.write({"requirements-test.txt": "native\n", "pytest.ini": "[pytest]\n"})
    hosts = [f"--tx=ssh=bare//python={name}//wheels=remote" for name in NAMES]
    nobody = "--tx=ssh=bare//python=3.12//wheels=remote//setup=export CC=/nonexistent/cc"

    plain = project.pytest("--dist=each", "--tx=ssh=bare//python=3.12")
    # Another cache has nothing that was built before.
    first = project.pytest("--dist=each", *hosts, f"{nobody}//cache=other")
    edited = project.directory / "src" / "fast" / "__init__.py"
    edited.write_text(edited.read_text() + "\nEDITED = True\n")
    second = project.pytest("--dist=each", *hosts)

    assert plain.status == 6, plain.output
    assert "have it built there, where a compiler is: wheels=remote" in plain.output
    assert first.status == 6, first.output
    assert first.output.count("built there: native 1.0, fast 1.0") == len(NAMES), first.output
    assert "build failed: native 1.0: its build backend ended with exit code 1" in first.output
    assert "No such file or directory: '/nonexistent/cc'" in first.output
    assert "6 passed" in first.output
    assert second.status == 0, second.output
    assert "6 passed" in second.output
