"""Times what an environment costs a run beside venv + pip and uv, for each interpreter here.

A run in an interpreter that has everything already is the measure: what a run in a bare one takes
longer is what its environment costs, everything included: asking, resolving, sending, building.
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

import uv
from run import ENVIRONMENTS, ROOT, make_environment

sys.path.append(str(ROOT / "tests"))
import interpreters

if TYPE_CHECKING:
    from collections.abc import Callable

REQUIREMENTS: Final = ("attrs", "click", "requests", "toolz")
"""Beside pytest: with what they need in turn, some fifteen wheels for any interpreter."""

RUNS_A_ROUND: Final = 5
"""Of remotest: what is told is a difference of two runs, which has to be exact."""

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
        self._run_in(self._ready / "bin" / "python", "env=system")  # writes the byte code
        self._cold()  # fills the controller's cache; what a first run downloads is not measured

    def rounds(self, count: int) -> dict[str, float]:
        """Return the median of each tool, and of what a cold and a warm run take longer.

        They take turns, and each run is compared with the one in the same turn: what else the
        machine does then hits both.
        """
        tools: dict[str, Callable[[], None]] = {
            "venv + pip": lambda: self._pip(self._folder / "pip"),
            "uv": lambda: self._uv(self._folder / "uv"),
        }
        runs: dict[str, Callable[[], None]] = {
            "as it is": lambda: self._run_in(self._ready / "bin" / "python", "env=system"),
            "cold": self._cold,
            "warm": lambda: self._run_in(self._python, self._kept("warm")),
        }
        runs["warm"]()
        times: Measure = defaultdict(list)
        for _ in range(count):
            for name, contender in [*tools.items(), *list(runs.items()) * RUNS_A_ROUND]:
                for made in ("pip", "uv", "cold"):
                    shutil.rmtree(self._folder / made, ignore_errors=True)
                times[name].append(seconds_of(contender))
        for name in ("cold", "warm"):
            pairs = zip(times[name], times["as it is"], strict=True)
            times[f"{name} adds"] = [run - ready for run, ready in pairs]
        return {name: statistics.median(values) for name, values in times.items()}

    def _kept(self, name: str) -> str:
        return f"env=managed//cache={self._folder / name}"

    def _cold(self) -> None:
        self._run_in(self._python, self._kept("cold"))

    def _pip(self, environment: Path) -> None:
        call(self._python, "-m", "venv", environment)
        pip = (environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
        call(*pip, "install", "--quiet", "pytest", *REQUIREMENTS)

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
            **os.environ,
            "XDG_CACHE_HOME": str(ENVIRONMENTS / "cache"),
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
    remotest = make_environment("remotest", "--editable", str(ROOT))
    print(f"median of {arguments.rounds} rounds in seconds\n")
    columns = ("venv + pip", "uv", "cold adds", "warm adds", "pip / cold", "uv / cold")
    print(f"{'':10}" + "".join(f"{name:>12}" for name in columns))
    for name in arguments.interpreter:
        python = interpreters.find(name)
        if python is None:
            print(f"{name:10}{'not here':>12}")
            continue
        with tempfile.TemporaryDirectory(prefix="remotest-bench-") as folder:
            print(row(name, Bench(python, Path(folder), remotest).rounds(arguments.rounds)))
    print("\nadds: what a run in a bare interpreter takes longer than one in which all is there;")
    print("ratios above 1: remotest is faster; nan: that tool fails, or nothing to measure")


def row(name: str, medians: dict[str, float]) -> str:
    columns = ("venv + pip", "uv", "cold adds", "warm adds")
    seconds = "".join(f"{medians[column]:12.2f}" for column in columns)
    cold = medians["cold adds"]
    ratios = [medians[tool] / cold if cold > 0 else math.nan for tool in columns[:2]]
    return f"{name:10}{seconds}" + "".join(f"{ratio:12.1f}" for ratio in ratios)


if __name__ == "__main__":
    main()
