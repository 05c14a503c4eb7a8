"""Environments with remotest as users install it, and plugins of others beside it.

They are made by uv and kept below ``.cache/compat/``, by what they hold.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interpreters
import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from projects import Project

ROOT: Final = Path(__file__).resolve().parents[1]
CACHE: Final = interpreters.CACHE.with_name("compat")

PYTEST: Final = f"pytest=={pytest.__version__}"  # What is compared runs on the same.
REAL_XDIST: Final = "pytest-xdist==3.8.0"

SHIPPED: Final = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
SHIPPED_FOLDERS: Final = ("remotest", "plugin")

INSTALL_TIMEOUT_S: Final = 100
KEPT_S: Final = 24 * 3600
"""Environments of older states of the tree go away after a day."""


def uv(*arguments: str | Path) -> None:
    """Run uv.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on the screen.
    """
    subprocess.run([interpreters.UV, "--quiet", *arguments], check=True, timeout=INSTALL_TIMEOUT_S)


def _sources() -> list[Path]:
    folders = [ROOT / name for name in SHIPPED_FOLDERS]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in found if path.suffix in (".py", ".pth", ".typed", ".json")]
    return sorted([*(ROOT / name for name in SHIPPED), *kept])


@functools.cache
def digest() -> str:
    """Return what names the present state of what is shipped."""
    total = hashlib.sha256(sys.version.encode())
    for path in _sources():
        total.update(str(path).encode() + path.read_bytes())
    return total.hexdigest()[:12]


@functools.cache
def wheel() -> Path:
    """Return the wheel of the present state of the tree."""
    folder = CACHE / f"{digest()}-wheel"
    if not folder.exists():
        _forget_old()
        with tempfile.TemporaryDirectory() as copy:
            copy_sources(Path(copy))
            staging = Path(tempfile.mkdtemp(dir=CACHE))
            uv("build", "--wheel", "--out-dir", staging, copy)
        _settle(staging, folder)
    (found,) = folder.glob("*.whl")
    return found


def copy_sources(folder: Path) -> None:
    """Write to a folder what is needed to build the present state of the tree."""
    for path in _sources():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def environment(*requirements: str, with_remotest: bool = True) -> Path:
    """Return the ``bin`` of an environment with these requirements, pinned, and remotest."""
    name = hashlib.sha256(repr(requirements).encode()).hexdigest()[:12]
    directory = CACHE / (f"{digest()}-{name}" if with_remotest else f"bare-{name}")
    if not directory.exists():
        own = [wheel()] if with_remotest else []
        CACHE.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=CACHE))
        uv("venv", "--no-project", "--relocatable", "--python", sys.executable, staging)
        python = staging / "bin" / "python"
        uv("pip", "install", "--python", python, PYTEST, *own, *requirements)
        _settle(staging, directory)
    return directory / "bin"


def _settle(staging: Path, place: Path) -> None:
    """Give a folder its name, unless another process was faster: its is as good."""
    try:
        staging.rename(place)
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)
        if not place.exists():
            raise


def _forget_old() -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    for folder in CACHE.iterdir():
        if time.time() - folder.stat().st_mtime > KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)


def project(
    directory: Path, files: Mapping[str, str], *requirements: str, with_remotest: bool = True
) -> Project:
    """Return a new project whose commands are those of an environment."""
    binaries = environment(*requirements, with_remotest=with_remotest)
    made = projects.make(directory, os.environ, files)
    return made.with_variables({"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"})
