"""Environments that runs are started from: they see remotest, and have something of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import interpreters
import pytest


def make(directory: Path) -> Path:
    """Make a virtual environment that sees all that this one has; return its python."""
    subprocess.run(
        [interpreters.UV, "--quiet", "venv", "--python", sys.executable, directory], check=True
    )
    (site_packages,) = directory.glob("lib/python*/site-packages")
    here = Path(pytest.__file__).parents[1]
    (site_packages / "here.pth").write_text(f"import site; site.addsitedir({str(here)!r})\n")
    return directory / "bin" / "python"


def install(python: Path, project: Path, *what: str) -> None:
    """Install something into such an environment.

    Args:
        python: of the environment.
        project: a directory, where to do so.
        what: arguments of ``pip install``.
    """
    command = [interpreters.UV, "--quiet", "pip", "install", "--python", python]
    subprocess.run([*command, *what], check=True, cwd=project)
