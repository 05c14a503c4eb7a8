"""Runs the example project over ssh on several interpreters and prints the matrix.

Without ``--host`` it starts an ssh host of its own on loopback, and takes every interpreter of this
machine; an environment with a pytest is made for each.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PROJECT: Final = ROOT / "demo" / "project"

# The tests have all that is needed to find interpreters and to start an sshd.
sys.path.insert(0, str(ROOT / "tests"))
import interpreters  # noqa: E402  see above
import machine  # noqa: E402  see above

LEAST_INTERPRETERS: Final = 2
"""Fewer do not show what a matrix is for."""

TO_FETCH: Final = ("3.9", "3.13")
"""What uv brings to a machine that has fewer: one old and one new."""


def main() -> int:
    """Run the demo and return pytest's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", metavar="[USER@]HOST[:PORT]", help="a host of yours")
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", help="interpreters on that host")
    arguments = parser.parse_args()
    if arguments.host:
        return run_pytest(arguments.host, arguments.pythons or ["python3"], dict(os.environ))
    names = local_interpreters()
    print("interpreters of this machine:", ", ".join(names), flush=True)
    pythons = [interpreters.command(name) for name in names]
    with (
        tempfile.TemporaryDirectory(prefix="remotest-demo-") as folder,
        machine.running(Path(folder), names) as environment,
    ):
        # In this shell, "myhost" is an sshd on loopback that is gone afterwards.
        return run_pytest("myhost", pythons, environment)


def local_interpreters() -> list[str]:
    """Return the names of the interpreters of this machine, at least two."""
    names = [name for name in interpreters.ALL if interpreters.find(name)]
    if len(names) < LEAST_INTERPRETERS:
        names = sorted({*names, *fetch(TO_FETCH)}, key=interpreters.ALL.index)
    return names


def fetch(names: tuple[str, ...]) -> tuple[str, ...]:
    """Let uv install interpreters into a folder of this checkout."""
    print("fewer than two interpreters here: fetching", ", ".join(names), flush=True)
    folder = ["--no-bin", "--install-dir", str(interpreters.FETCHED)]
    if subprocess.run(
        [interpreters.UV, "python", "install", *folder, *names], check=False
    ).returncode:
        sys.exit(
            "the demo needs two interpreters: install a second one (python3.9, pypy3, ...), "
            "or name a host that has them: make demo HOST=me@box PYTHONS='python3.9 python3.12'"
        )
    interpreters.find.cache_clear()
    return names


def run_pytest(host: str, pythons: list[str], environment: dict[str, str]) -> int:
    """Run the project's tests on each interpreter of a host."""
    command = ["pytest", "--dist=each"]
    tx = [f"--tx ssh={host}//python={python}" for python in pythons]
    print(f"\n$ cd {PROJECT.relative_to(ROOT)}")
    print("$", " \\\n    ".join([" ".join(command), *tx]), "\n", flush=True)
    return subprocess.run(
        [sys.executable, "-m", *command, *(word for option in tx for word in option.split())],
        cwd=PROJECT,
        env=environment,
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
