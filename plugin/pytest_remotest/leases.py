"""Keeping things from being removed while they are in use, without file locks.

Whoever uses a thing first writes a *lease*, and then looks for *notices*. Whoever wants to remove
one first writes a notice, and then looks for leases. Both write before they look, so of two at
once at least one sees the other: the remover gives way, the user waits, which takes as long as a
directory is renamed.
"""

import contextlib
import os
import time
from typing import Callable, Iterator, List, Set

from pytest_remotest import holders
from pytest_remotest.holders import is_alive

LEASE = b".lease."
NOTICE = b".notice."
NOTICE_EXPIRES_S = 60  # Between a notice and its end lie a look and a renaming.
NOTICE_USABLE_S = NOTICE_EXPIRES_S / 2  # A remover as slow as that gives way to be safe.
WAIT_S = 0.005  # Between two looks at a notice.


class Leases:
    """The leases and notices of one cache, files in one private directory."""

    def __init__(self, folder: bytes) -> None:
        self._folder = folder

    def take(self, name: bytes) -> bytes:
        """Keep a thing, which need not be there yet. Return what ``let_go`` takes.

        Raises:
            OSError: as the disk has it.
        """
        mine = self._write(name + LEASE)
        while any(self._is_pending(path) for path in self._files(name + NOTICE)):
            time.sleep(WAIT_S)
        return mine

    @staticmethod
    def let_go(lease: bytes) -> None:
        """End a lease."""
        holders.remove(lease)

    def used(self) -> Set[bytes]:
        """Return the names of all things that somebody has a lease of."""
        leases = [path for path in self._files(b"") if LEASE in os.path.basename(path)]
        return {os.path.basename(path).partition(LEASE)[0] for path in leases if is_alive(path)}

    @contextlib.contextmanager
    def removing(self, name: bytes) -> Iterator[Callable[[], bool]]:
        """Have nobody begin to use a thing meanwhile.

        Yields:
            what to ask right before the thing is removed: whether that may be.

        Raises:
            OSError: as the disk has it.
        """
        begun_s = time.monotonic()
        notice = self._write(name + NOTICE)
        try:
            is_free = not any(is_alive(path) for path in self._files(name + LEASE))
            yield lambda: is_free and time.monotonic() - begun_s < NOTICE_USABLE_S
        finally:
            holders.remove(notice)

    def sweep(self) -> None:
        """Remove what the dead have left."""
        for path in self._files(b""):
            is_needed = self._is_pending if NOTICE in os.path.basename(path) else is_alive
            if not is_needed(path):
                holders.remove(path)

    @staticmethod
    def _is_pending(notice: bytes) -> bool:
        try:
            age_s = time.time() - os.lstat(notice).st_mtime
        except FileNotFoundError:
            return False
        return age_s < NOTICE_EXPIRES_S and is_alive(notice)

    def _files(self, beginning: bytes) -> List[bytes]:
        names = [name for name in os.listdir(self._folder) if name.startswith(beginning)]
        return [os.path.join(self._folder, name) for name in names]

    def _write(self, beginning: bytes) -> bytes:
        name = beginning + holders.unique()
        path = os.path.join(self._folder, name)
        # Nobody has to wait for one that was killed before it had said who it is.
        unwritten = os.path.join(self._folder, b"." + name)
        holders.create(unwritten, holders.identity(""))
        os.rename(unwritten, path)
        return path
