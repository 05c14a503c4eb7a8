"""Times what an environment costs a run beside venv + pip and uv, for each interpreter here.

A run in an interpreter that has everything already is the measure: what a run in a bare one takes
longer is what its environment costs, everything included: asking, resolving, sending, building.
Of pip and uv it is their commands and a run in what they have made: who does not compile byte code
makes the first run do it.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interpreters
import uv

from bench.contenders import KEPT, OURS, ROOT, environment, python_of

if TYPE_CHECKING:
    from collections.abc import Callable

REQUIREMENTS: Final = ("attrs", "click", "requests", "toolz")
"""Beside pytest: with what they need in turn, some fifteen wheels for any interpreter."""

RUNS_A_ROUND: Final = 5
"""Of remotest and uv: what is told is a difference of two runs, which has to be exact."""

WAYS: Final = ("venv + pip", "uv", "cold", "warm")

COMMAND_TIMEOUT_S: Final = 300

Measure = dict[str, list[float]]
"""Contender -> seconds of each round."""


class Bench:
    """One interpreter, and the ways to have the requirements in it."""

    def __init__(self, python: Path, folder: Path, remotest: str) -> None:
        self._python = str(python)
        self._folder = folder
        self._remotest = remotest
        self._ready = folder / "ready"
        self._project = folder / "project"
        self._project.mkdir()
        (self._project / "pyproject.toml").write_text(
            f"[tool.pytest.ini_options]\n[dependency-groups]\ntest = {list(REQUIREMENTS)}\n"
        )
        (self._project / "test_one.py").write_text("def test_one(): pass\n")
        self._uv(self._ready)
        self._run_as_it_is(self._ready)  # writes the byte code
        self._cold()  # fills the controller's cache; what a first run downloads is not measured

    def rounds(self, count: int) -> dict[str, float]:
        """Return the median of what each way to an environment adds to a run.

        They take turns, and each is compared with the run as it is in the same turn: what else the
        machine does then hits both.
        """
        once: dict[str, Callable[[], None]] = {
            "as it is": lambda: self._run_as_it_is(self._ready),
            "venv + pip": self._pip,
            "uv": self._uv_and_run,
        }
        often: dict[str, Callable[[], None]] = {
            "as it is": lambda: self._run_as_it_is(self._ready),
            "uv": self._uv_and_run,
            "cold": self._cold,
            "warm": lambda: self._run_in(self._python, self._kept("warm")),
        }
        often["warm"]()
        added: Measure = defaultdict(list)
        for turn in [once, *[often] * RUNS_A_ROUND] * count:
            times = {}
            for name, contender in turn.items():
                for made in ("pip", "uv", "cold"):
                    shutil.rmtree(self._folder / made, ignore_errors=True)
                times[name] = seconds_of(contender)
            ready_s = times.pop("as it is")
            for name, seconds in times.items():
                added[name].append(seconds - ready_s)
        return {name: statistics.median(values) for name, values in added.items()}

    def _kept(self, name: str) -> str:
        return f"env=managed//cache={self._folder / name}"

    def _cold(self) -> None:
        self._run_in(self._python, self._kept("cold"))

    def _run_as_it_is(self, environment: Path) -> None:
        self._run_in(environment / "bin" / "python", "env=system")

    def _pip(self) -> None:
        environment = self._folder / "pip"
        call(self._python, "-m", "venv", environment)
        pip = (environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
        call(*pip, "install", "--quiet", "pytest", *REQUIREMENTS)
        self._run_as_it_is(environment)

    def _uv_and_run(self) -> None:
        self._uv(self._folder / "uv")
        self._run_as_it_is(self._folder / "uv")

    def _uv(self, environment: Path) -> None:
        tool = (uv.find_uv_bin(), "--quiet")
        call(*tool, "venv", "--no-project", "--python", self._python, environment)
        python = environment / "bin" / "python"
        call(*tool, "pip", "install", "--python", python, "pytest", *REQUIREMENTS)

    def _run_in(self, python: str | Path, keys: str) -> None:
        spec = f"popen//python={python}//{keys}"
        command = (self._remotest, "-m", "pytest", "-q", "-p", "no:cacheprovider")
        try:
            output = call(*command, "-d", "--tx", spec, within=self._project)
        except subprocess.CalledProcessError as error:
            output = error.stdout
        if "1 passed" not in output:
            sys.exit(f"not a run to be timed: {spec}\n{output}")


def seconds_of(contender: Callable[[], None]) -> float:
    """Return how long it took; not a number where the tools of an old interpreter fail."""
    start = time.perf_counter()
    try:
        contender()
    except subprocess.CalledProcessError:
        return math.nan
    return time.perf_counter() - start


def call(*command: str | Path, within: Path = ROOT) -> str:
    """Run a command, which must succeed; return what it printed."""
    answer = subprocess.run(
        [str(part) for part in command],
        cwd=within,
        env={
            **environment(),
            "XDG_CACHE_HOME": str(KEPT / "cache"),
            # All take packages from the same place: uv does not read pip's configuration.
            "PIP_CONFIG_FILE": os.devnull,
            "PATH": f"{Path(uv.find_uv_bin()).parent}{os.pathsep}{os.environ['PATH']}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=True,
    )
    return answer.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("interpreter", nargs="*", default=interpreters.ALL)
    arguments = parser.parse_args()
    remotest = python_of(OURS)
    print(f"what an environment adds to a run: median of {arguments.rounds} rounds in seconds\n")
    columns = (*WAYS, "pip / cold", "uv / cold")
    print(f"{'':10}" + "".join(f"{name:>12}" for name in columns))
    for name in arguments.interpreter:
        python = interpreters.find(name)
        if python is None:
            print(f"{name:10}{'not here':>12}")
            continue
        with tempfile.TemporaryDirectory(prefix="remotest-bench-") as folder:
            print(row(name, Bench(python, Path(folder), remotest).rounds(arguments.rounds)))
    print(
        "\ncold: nothing on the host, wheels in the controller's cache; warm: nothing has changed"
    )
    print("ratios above 1: remotest is faster; nan: that tool fails, or nothing to measure")


def row(name: str, medians: dict[str, float]) -> str:
    seconds = "".join(f"{medians[way]:12.2f}" for way in WAYS)
    cold = medians["cold"]
    ratios = [medians[tool] / cold if cold > 0 else math.nan for tool in WAYS[:2]]
    return f"{name:10}{seconds}" + "".join(f"{ratio:12.1f}" for ratio in ratios)


if __name__ == "__main__":
    main()
