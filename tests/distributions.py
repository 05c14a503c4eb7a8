"""Source distributions of other people's packages, with their tests, from the registry.

They are kept unpacked below ``.cache/third-party/`` from one run of the tests to the next.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Final

import interpreters
from xdistworld import uv

CACHE: Final = interpreters.CACHE.with_name("third-party")


def source_of(requirement: str) -> Path:
    """Return the unpacked source distribution of a pinned requirement."""
    directory = CACHE / requirement.replace("==", "-")
    if not directory.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            pip = ("run", "--no-project", "--with", "pip", "python", "-m", "pip")
            options = ("--quiet", "--no-deps", "--no-binary", ":all:", "--dest", folder)
            uv(*pip, "download", *options, requirement)
            (archive,) = Path(folder).glob("*.tar.gz")
            subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
            (unpacked,) = (path for path in Path(folder).iterdir() if path.is_dir())
            unpacked.rename(directory)
    return directory
