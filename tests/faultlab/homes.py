"""File systems on which something cannot be done: for homes and caches of hosts.

They are mounts, which root obeys as everybody does; where this machine lets us mount nothing, the
test is skipped.
"""

from __future__ import annotations

import contextlib
import shutil
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
QUOTA: Final = "1m"
IMAGE_BYTES: Final = 128 << 20
"""Of a btrfs, which takes 109 MB at least; a file with holes."""


@contextlib.contextmanager
def mounted(directory: Path, options: str) -> Iterator[Path]:
    """Mount a tmpfs at a new directory for the time of a ``with`` block, and give it.

    Args:
        directory: is made.
        options: of ``mount -o``, for example ``SMALL``.
    """
    directory.mkdir()
    _mount("-t", "tmpfs", "-o", options, "none", directory)
    with _unmounting(directory):
        yield directory


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[Path]:
    """As ``mounted``, but nothing can be written there."""
    with mounted(directory, ROOMY):
        _mount("-o", "remount,ro", directory)
        yield directory


@contextlib.contextmanager
def case_insensitive(directory: Path) -> Iterator[Path]:
    """As ``mounted``, but ``a`` and ``A`` are one name: an NTFS that is told so."""
    image = _image(directory, "mkntfs", "--force", "--quick")
    command = ["lowntfs-3g", image, directory, "-o", "ignore_case,permissions"]
    subprocess.run(command, check=True, capture_output=True)
    with _unmounting(directory):
        yield directory


@contextlib.contextmanager
def with_quota(directory: Path) -> Iterator[Path]:
    """As ``mounted``, but there is more room than may be used: a btrfs limits root, too."""
    _mount("-o", "loop", _image(directory, "mkfs.btrfs"), directory)
    with _unmounting(directory):
        home = directory / "home"
        for words in (
            ("quota", "enable", directory),
            ("subvolume", "create", home),
            ("qgroup", "limit", QUOTA, home),
        ):
            subprocess.run(["btrfs", *words], check=True, stdout=subprocess.DEVNULL)
        yield home


def _image(directory: Path, maker: str, *options: str) -> Path:
    """Make a directory, and beside it a file with a file system for it; return that."""
    if shutil.which(maker) is None:
        pytest.skip(f"this machine has no {maker}")
    image = directory.with_suffix(".img")
    with image.open("wb") as stream:
        stream.truncate(IMAGE_BYTES)
    subprocess.run([maker, *options, image], check=True, capture_output=True)
    directory.mkdir()
    return image


@contextlib.contextmanager
def _unmounting(directory: Path) -> Iterator[None]:
    try:
        yield
    finally:
        # Lazily: what a fault left there must not keep the next one from being made.
        subprocess.run(["umount", "--lazy", directory], check=True)


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
