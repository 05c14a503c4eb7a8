"""Who is measured: environments, commands, and one run of pytest with all that it has shown."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import time
import venv
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import processes
from bench.measure import NotMeasuredError
from bench.suites import marks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measure import Sample
    from bench.processes import Watch

ROOT: Final = Path(__file__).resolve().parents[1]
KEPT: Final = ROOT / ".cache" / "bench"
"""pytest-xdist and remotest own the same options: each has an environment of its own here."""

OURS: Final = "remotest"
PEER: Final = "pytest-xdist"
PLAIN: Final = "pytest"

FOLDER_PREFIX: Final = "remotest-bench-"
"""Of the folder that an experiment is conducted in."""

RUN_TIMEOUT_S: Final = 600
"""The longest, 50,000 tests, takes two minutes on a busy machine."""


@functools.cache
def python_of(name: str) -> str:
    """Return the python of a contender's environment; all have the same version of pytest.

    The first call in a process brings it up to date. ``PLAIN`` is pytest alone.
    """
    requirements = {
        OURS: ("--editable", str(ROOT)),
        PEER: ("pytest-xdist", "setproctitle"),
        PLAIN: (),
    }[name]
    folder = KEPT / name
    python = str(folder / "bin" / "python")
    wanted = [f"pytest=={version('pytest')}", *requirements]
    stamp = folder / "bench-requirements"
    state = "\n".join([*wanted, (ROOT / "setup.cfg").read_text()])
    if not stamp.exists() or stamp.read_text() != state:
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "-qq", "--upgrade", *wanted]
        subprocess.run(install, check=True)
        stamp.write_text(state)
    return python


def pytest_of(name: str, *arguments: str) -> list[str]:
    """Return a command that runs pytest in a contender's environment."""
    return [python_of(name), "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]


def versions() -> dict[str, str]:
    """Return the versions of what is measured, as the environments have them."""
    program = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    asked = {OURS: ["remotest", "paramiko"], PEER: ["pytest", "pytest-xdist", "execnet"]}
    found: dict[str, str] = {}
    for name, packages in asked.items():
        answer = subprocess.run(
            [python_of(name), "-c", program, *packages], check=True, capture_output=True, text=True
        )
        found.update(zip(packages, answer.stdout.split(), strict=True))
    return found


def run(
    command: Sequence[str], folder: Path, *, passed: int, watched: type[Watch] | None = None
) -> Sample:
    """Run pytest; every test must pass, or it is no run to be measured.

    Args:
        command: what to run.
        folder: the suite's, where it runs.
        passed: how many tests there are.
        watched: looks at the processes meanwhile, which costs some time itself.

    Returns:
        ``wall_s``; ``cpu_s`` of all processes, hosts' left out; ``first_test_s`` and
        ``first_report_s`` from the start, of a marked suite; the figures of ``watched``.
    """
    clear_marks(folder)
    others, before_s = set(processes.children_of(os.getpid())), processes.cpu_s()
    began, start = time.time(), time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watch = watched(process.pid) if watched else None
    try:
        output, _ = process.communicate(timeout=RUN_TIMEOUT_S)
    finally:
        process.kill()
        peaks = watch.stop() if watch else {}
    sample = {"wall_s": time.perf_counter() - start}
    processes.wait_for_orphans(others)
    sample["cpu_s"] = processes.cpu_s() - before_s
    if process.returncode or f"{passed} passed" not in output:
        raise NotMeasuredError(f"{shlex.join(command)}\n{output}")
    tests = read_marks(folder, "first-test-*")
    reports = read_marks(folder, f"first-report-{process.pid}")
    for name, times in (("first_test_s", tests), ("first_report_s", reports)):
        if times:
            sample[name] = min(times) - began
    return {**sample, **peaks}


def clear_marks(folder: Path) -> None:
    """Forget what the last run of a suite has marked."""
    shutil.rmtree(marks_of(folder), ignore_errors=True)
    marks_of(folder).mkdir()


def read_marks(folder: Path, pattern: str) -> list[float]:
    """Return the times, as of ``time.time``, that a run of a suite has marked by such names."""
    return [float(path.read_text()) for path in marks_of(folder).glob(pattern)]


def environment() -> dict[str, str]:
    """Return the variables of this process but Python's and pytest's.

    Where byte code may not be written, say, imports would take most of the time.
    """
    return {name: text for name, text in os.environ.items() if not name.startswith("PY")}


def shown(command: Sequence[str]) -> str:
    """Return a command as a page shows it: without the places of this machine."""
    text = re.sub(rf"{re.escape(str(KEPT))}/[^/\s]+/bin/", "", shlex.join(command))
    text = re.sub(rf"[^\s'=]*/{FOLDER_PREFIX}[^/\s]+/", "", text)
    return text.replace(f"{ROOT}/", "")
