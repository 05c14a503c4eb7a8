"""Times a run on this machine's workers beside pytest-xdist and prints the ratios."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
ENVIRONMENTS: Final = ROOT / ".cache" / "bench"
"""pytest-xdist and remotest own the same options: each has an environment of its own."""

RUN_TIMEOUT_S: Final = 300


@dataclass(frozen=True)
class Case:
    """A generated suite: so many files, each with so many tests that pass at once."""

    name: str
    file_count: int
    tests_per_file: int

    @property
    def test_count(self) -> int:
        return self.file_count * self.tests_per_file

    def write(self, folder: Path) -> None:
        (folder / "pytest.ini").write_text("[pytest]\n")
        test = f"@pytest.mark.parametrize('n', range({self.tests_per_file}))\ndef test(n): pass\n"
        for number in range(self.file_count):
            (folder / f"test_{number:03}.py").write_text(f"import pytest\n\n{test}")


CASES: Final = (
    Case("1 test", 1, 1),  # what it takes to start and to end
    Case("2,000 tests", 20, 100),  # what each test costs on top
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    distributed = ["-n", str(arguments.workers)]
    xdist = make_environment("pytest-xdist", "pytest-xdist", "setproctitle")
    remotest = make_environment("remotest", "--editable", str(ROOT))
    contenders = {
        "pytest": [xdist, "-m", "pytest", "-p", "no:xdist"],
        "pytest-xdist": [xdist, "-m", "pytest", *distributed],
        "remotest": [remotest, "-m", "pytest", *distributed],
    }
    print(f"median of {arguments.rounds} rounds in seconds, {arguments.workers} workers\n")
    print(f"{'':14}" + "".join(f"{name:>14}" for name in contenders) + f"{'ratio':>14}")
    for case in CASES:
        medians = measure(case, contenders, arguments.rounds)
        ratio = medians["remotest"] / medians["pytest-xdist"]
        seconds = "".join(f"{medians[name]:14.2f}" for name in contenders)
        print(f"{case.name:14}{seconds}{ratio:14.2f}", flush=True)
    print("\nratio: remotest / pytest-xdist, below 1 is faster")


def make_environment(name: str, *requirements: str) -> str:
    """Return the python of an environment with our version of pytest and what is named."""
    folder = ENVIRONMENTS / name
    python = str(folder / "bin" / "python")
    if not folder.exists():
        venv.create(folder, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", f"pytest=={version('pytest')}"]
    subprocess.run([*install, *requirements], check=True)
    return python


def measure(case: Case, contenders: dict[str, list[str]], rounds: int) -> dict[str, float]:
    """Return each contender's median; they take turns, so that a busy machine hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory(prefix="remotest-bench-") as folder:
        case.write(Path(folder))
        for command in contenders.values():
            run(case, command, folder)  # writes the byte code; not counted
        for _ in range(rounds):
            for name, command in contenders.items():
                times[name].append(run(case, command, folder))
    return {name: statistics.median(values) for name, values in times.items()}


def run(case: Case, command: list[str], folder: str) -> float:
    """Return the seconds of one run, which must have run every test."""
    start = time.perf_counter()
    answer = subprocess.run(
        [*command, "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    seconds = time.perf_counter() - start
    if answer.returncode or f"{case.test_count} passed" not in answer.stdout:
        sys.exit(f"not a run to be timed: {' '.join(command)}\n{answer.stdout}")
    return seconds


if __name__ == "__main__":
    main()
