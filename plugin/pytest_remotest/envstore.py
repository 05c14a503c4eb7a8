"""The environments and wheels that a host keeps, and which of them can be used.

    envs/KEY.UNIQUE             an environment: whole from the moment that it has this name
    envs/.tmp-KEY.UNIQUE        one that is being built; also what a killed builder has left
    envs/.fresh-KEY.UNIQUE      one that belongs to a single run
    wheels/SHA256/FILENAME      a wheel, checked when it came
    leases/                     who uses what
    trash/                      what is to be deleted

No name is ever given twice: two that build the same at once end with one of their two, and nobody
moves away what another has just put there. Every name is leased before it is made or used.
"""

import contextlib
import json
import os
from typing import Any, Dict, NamedTuple, Optional

from pytest_remotest import holders, trash
from pytest_remotest.cachefolder import make_private
from pytest_remotest.entries import to_bytes
from pytest_remotest.leases import Leases

SCHEMA = 1  # Raised when an environment that an older version has built would not do.
MARK = b".ok"  # The manifest of an environment, written last.
BUILDING = b".tmp-"
FRESH = b".fresh-"
ARRIVING = b".tmp-"
WHEELS = b"wheels"  # As a lease: of all wheels at once, while something is built of them.


class Environment(NamedTuple):
    """An environment that is in use here: ``lease`` ends that."""

    folder: bytes
    lease: bytes
    packages: Dict[str, str]


class EnvStore:
    """What lies below one cache's root. Several processes may use the same at once."""

    def __init__(self, root: bytes) -> None:
        """Open the store, and make what is missing of its folders.

        Raises:
            OSError: as the disk has it.
        """
        self.envs, self.wheels, self.trash, leases = (
            os.path.join(root, name) for name in (b"envs", WHEELS, b"trash", b"leases")
        )
        for folder in (self.envs, self.wheels, self.trash, leases):
            make_private(folder)
        self.leases = Leases(leases)

    # -- environments ------------------------------------------------------------------------

    def find(self, key: str) -> Optional[Environment]:
        """Return a whole environment of this key, leased; None where there is none.

        Raises:
            OSError: as the disk has it.
        """
        for name in sorted(os.listdir(self.envs)):
            if name.startswith(to_bytes(key) + b"."):
                lease = self.leases.take(name)
                folder = os.path.join(self.envs, name)
                mark = read_mark(folder)
                if mark is not None and mark["key"] == key and _is_whole(folder, mark["files"]):
                    os.utime(os.path.join(folder, MARK))
                    return Environment(folder, lease, mark["packages"])
                self.leases.let_go(lease)
                self.discard(name)
        return None

    def new_name(self, key: str) -> bytes:
        """Return a name for an environment of this key that no other has."""
        return to_bytes(key) + b"." + holders.unique()

    def publish(self, name: bytes, fresh: bool) -> bytes:
        """Give an environment that was built below ``BUILDING`` its place; return that."""
        place = os.path.join(self.envs, (FRESH if fresh else b"") + name)
        os.rename(os.path.join(self.envs, BUILDING + name), place)
        return place

    def discard(self, name: bytes) -> bool:
        """Move an environment to the trash, unless somebody uses it. Return whether that is done.

        Args:
            name: of its folder, with ``BUILDING`` or ``FRESH`` where it has that.
        """
        with self.leases.removing(leased_name(name)) as may_remove:
            if not may_remove():
                return False
            with contextlib.suppress(FileNotFoundError):  # Another one was faster.
                os.rename(os.path.join(self.envs, name), self.trash_place())
            return True

    def trash_place(self) -> bytes:
        """Return where something may be renamed to that is to be deleted."""
        return os.path.join(self.trash, holders.unique())

    def let_go(self, environment: Environment) -> None:
        """End the use of an environment; what is fresh is deleted."""
        self.leases.let_go(environment.lease)
        name = os.path.basename(environment.folder)
        if name.startswith(FRESH) and self.discard(name):
            trash.empty(self.trash)

    # -- wheels ------------------------------------------------------------------------------

    def wheel_path(self, digest: str, filename: str) -> bytes:
        """Return where a wheel is, or will be."""
        return os.path.join(self.wheels, to_bytes(digest), to_bytes(filename))

    def arrival_place(self) -> bytes:
        """Return where a wheel may be written to that is not here yet."""
        return os.path.join(self.wheels, ARRIVING + holders.unique())

    def keep_wheel(self, arrived: bytes, digest: str, filename: str) -> None:
        """Give a wheel that has come whole its place; one that is there already is replaced."""
        path = self.wheel_path(digest, filename)
        make_private(os.path.dirname(path))
        os.replace(arrived, path)


def leased_name(name: bytes) -> bytes:
    """Return what a folder of ``envs`` is called in leases: its name when it is whole."""
    for prefix in (BUILDING, FRESH):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def write_mark(folder: bytes, key: str, packages: Dict[str, str], files: Dict[str, int]) -> None:
    """Note that an environment is whole. Its files may be lost in a crash, but not unnoticed.

    Args:
        folder: of the environment.
        key: as in ``EnvStore.find``.
        packages: name -> version.
        files: sizes by path below the folder.
    """
    mark = {"schema": SCHEMA, "key": key, "packages": packages, "files": files}
    with open(os.path.join(folder, MARK), "xb") as file:
        file.write(json.dumps(mark).encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def read_mark(folder: bytes) -> Optional[Dict[str, Any]]:
    """Return what ``write_mark`` wrote; None where it did not, or is not legible any more."""
    try:
        with open(os.path.join(folder, MARK), "rb") as file:
            mark = json.loads(file.read().decode("ascii"))
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) and mark.get("schema") == SCHEMA else None


def _is_whole(folder: bytes, files: Dict[str, int]) -> bool:
    """Return whether the files are there: a crash, or who cleans /var/tmp, may have taken some."""
    if not os.path.exists(os.path.join(folder, b"bin", b"python")):  # The interpreter is gone.
        return False
    try:
        return all(
            os.lstat(os.path.join(folder, to_bytes(path))).st_size == size
            for path, size in files.items()
        )
    except OSError:
        return False
