"""File systems on which something cannot be done: for homes and caches of hosts.

They are mounts, which root obeys as everybody does; where this machine lets us mount nothing, the
test is skipped.
"""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL: Final = "size=512k,nr_inodes=200"
"""Room for what an interpreter writes at its start, not for a tree."""

FEW_FILES: Final = "size=100m,nr_inodes=40"
NOEXEC: Final = "size=100m,noexec"
ROOMY: Final = "size=100m"
CASEFOLD: Final = "size=100m,casefold"
QUOTA: Final = "size=100m,usrquota_block_hardlimit=1m"
"""A quota of every user's; root goes by it where it has not CAP_SYS_RESOURCE."""


@contextlib.contextmanager
def mounted(directory: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs at a new directory for the time of a ``with`` block, and give it.

    Args:
        directory: is made.
        options: of ``mount -o``, for example ``SMALL``.
    """
    directory.mkdir()
    _mount("-t", "tmpfs", "-o", options, "none", directory)
    try:
        yield directory
    finally:
        # Lazily: what a fault left there must not keep the next one from being made.
        subprocess.run(["umount", "--lazy", directory], check=True)


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[Path]:
    """As ``mounted``, but nothing can be written there."""
    with mounted(directory, ROOMY):
        _mount("-o", "remount,ro", directory)
        yield directory


@contextlib.contextmanager
def case_insensitive(directory: Path) -> Iterator[Path]:
    """As ``mounted``, but ``a`` and ``A`` are one name."""
    with mounted(directory, CASEFOLD):
        home = directory / "home"
        home.mkdir()
        subprocess.run(["chattr", "+F", home], check=True)
        yield home


@contextlib.contextmanager
def full(directory: Path) -> Iterator[Path]:
    """As ``mounted``, but not a byte is free."""
    with mounted(directory, SMALL):
        with contextlib.suppress(OSError), (directory / "ballast").open("wb", 0) as stream:
            while True:
                stream.write(bytes(4096))
        yield directory


def _mount(*arguments: str | Path) -> None:
    command = ["mount", *map(str, arguments)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        reason = answer.stderr.strip().rpartition(": ")[2].partition(",")[0]
        pytest.skip(f"this machine does not {' '.join(command[:-2])}: {reason}")
