"""Interpreters that a host's uv can install without a network: a mirror of its own, in a folder.

An archive as uv's own downloads are, made of an interpreter of this machine.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import interpreters

LEFT_OUT: Final = frozenset(
    {
        *("__pycache__", "ensurepip", "idlelib", "lib2to3", "test", "tests"),
        *("dist-packages", "site-packages", "tkinter", "turtledemo"),
    }
)
"""Folders of the standard library that no test needs: two thirds of it."""

_PROBE: Final = (
    "import json, os, platform, sys, sysconfig; "
    "print(json.dumps([platform.python_version(), sysconfig.get_path('stdlib'), "
    "os.path.realpath(sys.executable)]))"
)


def make(directory: Path, home: Path, name: str) -> str:
    """Let the uv of whoever has this home directory install one interpreter, and no other.

    Args:
        directory: an empty folder, for the mirror.
        home: of the user.
        name: of a CPython, of ``interpreters.ALL``.

    Returns:
        The version of that interpreter: ``3.8.18``.
    """
    answer = subprocess.check_output([interpreters.find_or_skip(name), "-c", _PROBE])
    version, library, program = json.loads(answer)
    archive = directory / "python.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(program, f"python/bin/python{name}")
        tar.add(library, f"python/lib/python{name}", filter=_needed)
    major, minor, patch = version.split(".")
    entry = {
        "name": "cpython",
        "arch": {"family": platform.machine(), "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": int(major),
        "minor": int(minor),
        "patch": int(patch),
        "prerelease": "",
        "url": archive.as_uri(),
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        "variant": None,
        "build": "20240101",
    }
    listing = directory / "downloads.json"
    listing.write_text(json.dumps({f"cpython-{version}-linux-{platform.machine()}-gnu": entry}))
    settings = home / ".config" / "uv" / "uv.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"python-downloads-json-url = {json.dumps(str(listing))}\n")
    return str(version)


def _needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    folders = set(Path(member.name).parts)
    is_needed = not folders & LEFT_OUT and not any(name.startswith("config-") for name in folders)
    return member if is_needed else None
