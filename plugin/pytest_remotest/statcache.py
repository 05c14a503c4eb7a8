"""What files hold, remembered by what ``lstat`` says of them.

Both ends import this. A digest counts as long as size, both times and inode of its file are the
same *and* the file was last touched well before that was looked at: within the resolution of a
clock, two contents can have the same times (git calls such a file racy). ``ctime`` cannot be set
by anybody, so a content that was put back in place with its old times is seen.

Nothing of it counts after the machine has restarted: what was not yet on the disk then is not what
was written, and nobody waits for the disk (``fsync``) while a tree is made.
"""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from pytest_remotest import holders

CLOCK_STEP_NS = 2 * 10**9  # The coarsest times of a file system that is in use (FAT, old NFS).

Signature = Tuple[int, int, int, int]  # Size, mtime and ctime in nanoseconds, inode.


def signature(status: os.stat_result) -> Signature:
    """Return what has to be the same for a digest to count."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class Known(NamedTuple):
    """A file as it was seen."""

    signature: Signature
    digest: str


class StatCache:
    """Digests by name, in a file; whoever uses it decides what the names are."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._rows: Dict[str, Any] = {}
        self._settled_ns = 0
        self._load()

    def _load(self) -> None:
        try:
            looked_ns = os.lstat(self._path).st_mtime_ns
            with open(self._path, encoding="ascii") as file:
                kept = json.load(file)
        except (FileNotFoundError, ValueError, RecursionError):
            return  # None so far; or the disk was full, or power was lost.
        rows = kept.get("files") if isinstance(kept, dict) else None
        if isinstance(rows, dict) and kept.get("boot") == holders.boot():
            self._rows = rows
            self._settled_ns = looked_ns - CLOCK_STEP_NS

    def digest(self, name: str, status: os.stat_result) -> Optional[str]:
        """Return the digest of a file that has this status now; None where it must be read."""
        row = self._rows.get(name)
        if type(row) is not list or row[:-1] != list(signature(status)):
            return None
        return str(row[-1]) if status.st_ctime_ns < self._settled_ns else None

    def look_time_ns(self) -> int:
        """Return what time it is for the file system, before files are looked at for ``save``.

        Raises:
            OSError: as the disk has it.
        """
        path = self._path + b"." + holders.unique()
        holders.create(path, b"")
        try:
            return os.lstat(path).st_mtime_ns
        finally:
            os.unlink(path)

    def save(self, files: Dict[str, Known], looked_ns: int) -> None:
        """Remember these files and no others, as they were seen after ``looked_ns``.

        Raises:
            OSError: as the disk has it.
        """
        rows: Dict[str, List[Any]] = {
            name: [*known.signature, known.digest] for name, known in files.items()
        }
        kept = json.dumps({"boot": holders.boot(), "files": rows})
        path = self._path + b"." + holders.unique()
        try:
            holders.create(path, kept.encode("ascii"))
            os.utime(path, ns=(looked_ns, looked_ns))
            os.replace(path, self._path)
        finally:
            holders.remove(path)
