"""The interpreters of this machine, and for each a virtual environment with its newest pytest.

Environments are made by uv, because the pip that comes with Python 3.6 no longer works against
the registry, and kept below ``.cache/interpreters/`` from one run of the tests to the next.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import needs
import pytest
import uv

CPYTHON: Final = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
PYPY: Final = "pypy3"
ALL: Final[tuple[str, ...]] = (*CPYTHON, PYPY)
"""Every interpreter that can be a worker."""

PYTHON_27: Final = "2.7"
"""An interpreter that cannot, to test how it is refused."""

NOT_IN_CI: Final = frozenset({"3.14"})
"""What CI machines do not have yet; everything else must be there."""

REQUIREMENTS: Final = ("pytest", "setproctitle", "filelock")

PROBE_TIMEOUT_S: Final = 30
"""An interpreter that does not answer by then (a shim that hangs) is none."""

BUILD_TIMEOUT_S: Final = 300
"""Making one environment takes a second; a slow registry may take minutes."""

CACHE: Final = Path(__file__).resolve().parents[1] / ".cache" / "interpreters"

FETCHED: Final = CACHE.with_name("python")
"""Where ``uv python install --install-dir`` may put interpreters that the machine lacks."""

UV: Final = uv.find_uv_bin()  # once, at import: it is not safe to call in two threads

_PROBE: Final = (
    "import os, platform, sys; "
    "print('%s %d.%d' % ((platform.python_implementation(),) + tuple(sys.version_info[:2]))); "
    "print(os.path.realpath(sys.executable))"
)


def required_in_ci(name: str) -> bool:
    """Return whether a run of the tests in CI fails, rather than skips, without ``name``."""
    return name not in NOT_IN_CI


def command(name: str) -> str:
    """Return what a shell calls an interpreter: ``python3.9``, ``pypy3``."""
    return name if name == PYPY else f"python{name}"


@functools.cache
def find(name: str) -> Path | None:
    """Return the real path of an interpreter of this name, None where there is none.

    Args:
        name: one of ``ALL``, or ``PYTHON_27``.
    """
    for candidate in [*_in_pyenv(name), *_on_path(name), *_fetched(name)]:
        if real_path := _probe(name, candidate):
            return real_path
    return None


def find_or_skip(name: str) -> Path:
    """Return the interpreter; where it is missing, skip the test, or fail it in CI."""
    if interpreter := find(name):
        return interpreter
    message = f"no {command(name)} in pyenv's versions or on PATH"
    if required_in_ci(name):
        needs.lacking(message)
    pytest.skip(message)


def with_pytest(name: str) -> Path:
    """Return the python of an environment that has the newest pytest for this interpreter.

    Any number of processes may call this at once. Where the interpreter is missing, the test is
    skipped, or fails in CI.
    """
    interpreter = find_or_skip(name)
    key = hashlib.sha256("\0".join([str(interpreter), *REQUIREMENTS]).encode()).hexdigest()[:8]
    environment = CACHE / f"{name}-{key}"
    if not environment.exists():
        _build(interpreter, environment)
    return environment / "bin" / "python"


def _in_pyenv(name: str) -> list[Path]:
    """Return the pyenv versions of this name, the newest first."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    pattern = r"pypy3\.\d+-[\d.]+" if name == PYPY else re.escape(name) + r"\.\d+"
    found = [path for path in versions.glob("*") if re.fullmatch(pattern, path.name)]
    found.sort(key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)], reverse=True)
    return [path / "bin" / "python" for path in found]


def _on_path(name: str) -> list[Path]:
    return [Path(folder, command(name)) for folder in os.get_exec_path()]


def _fetched(name: str) -> list[Path]:
    return sorted(FETCHED.glob(f"*/bin/{command(name)}"))


def _probe(name: str, candidate: Path) -> Path | None:
    """Return the real path of a candidate if it runs and is what its name says."""
    if not os.access(candidate, os.X_OK):
        return None
    try:
        answer = subprocess.run(
            [candidate, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # a shim of pyenv for a version not active
        return None
    what, real_path = answer.stdout.splitlines()
    expected = r"PyPy 3\.\d+" if name == PYPY else re.escape(f"CPython {name}")
    return Path(real_path) if re.fullmatch(expected, what) else None


def _build(interpreter: Path, environment: Path) -> None:
    """Make an environment beside its place and rename it: others see all of it or nothing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".making-", dir=CACHE))
    try:
        _run_uv("venv", "--no-project", "--relocatable", "--python", interpreter, staging)
        # Where setproctitle has no wheel, building it would need a compiler.
        options = ("--only-binary", "setproctitle", "--python", staging / "bin" / "python")
        _run_uv("pip", "install", *options, *REQUIREMENTS)
        staging.rename(environment)
    except OSError:
        if not environment.exists():  # else another process was faster: its is as good
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _run_uv(*arguments: str | Path) -> None:
    answer = subprocess.run(
        [UV, "--quiet", *arguments],
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if answer.returncode:
        command = " ".join(str(argument) for argument in arguments)
        pytest.fail(f"uv {command}\n{answer.stderr}", pytrace=False)
