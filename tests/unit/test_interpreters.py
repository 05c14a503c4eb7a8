"""The tests find the interpreters that they need, or say so."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import interpreters
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine without an interpreter; gives the only folder on its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(interpreters, "FETCHED", tmp_path)
    interpreters.find.cache_clear()
    yield tmp_path
    interpreters.find.cache_clear()


@pytest.mark.parametrize("name", interpreters.ALL)
def test_an_environment_has_the_interpreter_and_a_pytest(name: str) -> None:
    python = interpreters.with_pytest(name)
    program = "import sys, pytest; print(pytest.__version__, '%d.%d' % sys.version_info[:2])"
    answer = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True)
    pytest_version, python_version = answer.stdout.split()
    assert int(pytest_version.split(".")[0]) >= 7
    assert name in (python_version, interpreters.PYPY)


def test_many_may_make_one_environment_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreters.find_or_skip("3.8")
    monkeypatch.setattr(interpreters, "CACHE", tmp_path)
    with ThreadPoolExecutor() as pool:
        pythons = set(pool.map(interpreters.with_pytest, ["3.8"] * 4))
    (python,) = pythons
    assert [path / "bin" / "python" for path in tmp_path.iterdir()] == [python]


@pytest.mark.usefixtures("bare_machine")
def test_a_missing_interpreter_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"no python3\.8 "):
        interpreters.with_pytest("3.8")


@pytest.mark.usefixtures("bare_machine")
def test_a_missing_interpreter_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no python3\.8 "):
        interpreters.with_pytest("3.8")


@pytest.mark.parametrize(
    "program",
    [
        "echo 'CPython 3.12'; echo /usr/bin/python3.12",
        "echo 'pyenv: python3.8: command not found' >&2; exit 127",
    ],
    ids=["of another version", "a shim"],
)
def test_what_only_has_the_name_is_not_taken(bare_machine: Path, program: str) -> None:
    command = bare_machine / "python3.8"
    command.write_text(f"#!/bin/sh\n{program}\n")
    command.chmod(0o755)
    assert interpreters.find("3.8") is None
