"""Who is measured: environments, the suites they run, and one run with all that it has shown."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench import processes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.measure import Sample

ROOT: Final = Path(__file__).resolve().parents[1]
KEPT: Final = ROOT / ".cache" / "bench"
"""pytest-xdist and remotest own the same options: each has an environment of its own here."""

OURS: Final = "remotest"
PEER: Final = "pytest-xdist"
PLAIN: Final = "pytest"

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


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A generated suite: so many files, each with so many tests that pass at once.

    Attributes:
        is_marked: each process notes the time of its first test, and of its first report.
        imports_s: CPU seconds that the conftest takes, as one that imports a framework does.
    """

    file_count: int
    tests_per_file: int
    is_marked: bool = False
    imports_s: float = 0.0

    @property
    def test_count(self) -> int:
        return self.file_count * self.tests_per_file

    def write(self, folder: Path) -> None:
        """Write it into a new folder; marks go into the folder ``FOLDER-marks``."""
        folder.mkdir()
        marks_of(folder).mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "conftest.py").write_text(self._conftest(folder))
        test = f"@pytest.mark.parametrize('n', range({self.tests_per_file}))\ndef test(n): pass\n"
        for number in range(self.file_count):
            (folder / f"test_{number:03}.py").write_text(f"import pytest\n\n{test}")

    def _conftest(self, folder: Path) -> str:
        busy = BUSY.format(seconds=self.imports_s) if self.imports_s else ""
        marking = MARKING.replace("MARKS", repr(str(marks_of(folder)))) if self.is_marked else ""
        return busy + marking


BUSY: Final = """\
import time

end = time.process_time() + {seconds}
while time.process_time() < end:
    pass

"""

MARKING: Final = """\
import os
import time

marked = set()


def mark(name):
    if name not in marked:
        marked.add(name)
        with open(os.path.join(MARKS, "%s-%d" % (name, os.getpid())), "w") as stream:
            stream.write(repr(time.time()))


def pytest_runtest_call():
    mark("first-test")


def pytest_runtest_logreport():
    mark("first-report")
"""
"""Each process notes when it runs its first test, and when it has a report first."""


def marks_of(folder: Path) -> Path:
    """Return the folder of the marks of a suite."""
    return folder.with_name(f"{folder.name}-marks")


def run(command: Sequence[str], folder: Path, *, passed: int, is_watched: bool = False) -> Sample:
    """Run pytest; every test must pass, or it is no run to be measured.

    Args:
        command: what to run.
        folder: the suite's, where it runs.
        passed: how many tests there are.
        is_watched: memory and threads are looked at, which costs some time itself.

    Returns:
        ``wall_s``; ``cpu_s`` of all processes, hosts' left out; ``first_test_s`` and
        ``first_report_s`` from the start, of a marked suite; of a watched run the figures of
        ``processes.Watch``.
    """
    marks = marks_of(folder)
    shutil.rmtree(marks, ignore_errors=True)
    marks.mkdir()
    others, before_s = set(processes.children_of(os.getpid())), processes.cpu_s()
    began, start = time.time(), time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watch = processes.Watch(process.pid) if is_watched else None
    try:
        output, _ = process.communicate(timeout=RUN_TIMEOUT_S)
    finally:
        process.kill()
        if watch:
            watch.stop()
    sample = {"wall_s": time.perf_counter() - start}
    processes.wait_for_orphans(others)
    sample["cpu_s"] = processes.cpu_s() - before_s
    if process.returncode or f"{passed} passed" not in output:
        sys.exit(f"not a run to be measured: {shlex.join(command)}\n{output}")
    tests = [float(path.read_text()) for path in marks.glob("first-test-*")]
    reports = [float(path.read_text()) for path in marks.glob(f"first-report-{process.pid}")]
    for name, times in (("first_test_s", tests), ("first_report_s", reports)):
        if times:
            sample[name] = min(times) - began
    return {**sample, **(watch.figures() if watch else {})}


def shown(command: Sequence[str]) -> str:
    """Return a command as a page shows it: without the places of this machine."""
    words = [Path(word).name if word.startswith(str(KEPT)) else word for word in command]
    return shlex.join(words).replace(str(ROOT), "ROOT")
