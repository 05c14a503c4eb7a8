"""The environments and wheels that a host keeps, and which of them can be used.

    envs/KEY.UNIQUE             an environment: whole from the moment that it has this name
    envs/.tmp-KEY.UNIQUE        one that is being built; also what a killed builder has left
    envs/.fresh-KEY.UNIQUE      one that belongs to a single run
    received/SHA256/FILENAME    a wheel, or a source to build one of, checked when it came
    received/KEY/FILENAME       a wheel that was built here; the key names what it was built of
    leases/                     who uses what
    trash/                      what is to be deleted

No name is ever given twice: two that build the same at once end with one of their two, and nobody
moves away what another has just put there. Every name is leased before it is made or used.

Where a controller runs on the same machine, its own cache lies beside these folders.
"""

import contextlib
import json
import os
import zipfile
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from pytest_remotest import holders
from pytest_remotest.brokenzip import BROKEN_ZIP
from pytest_remotest.cachefolder import make_private
from pytest_remotest.entries import to_bytes, to_text
from pytest_remotest.leases import Leases

SCHEMA = 1  # Raised when an environment that an older version has built would not do.
MARK = b".ok"  # The manifest of an environment, written last.
BUILDING = b".tmp-"
FRESH = b".fresh-"
ARRIVING = ".tmp-"  # A wheel that is not whole, or never will be.
ENVIRONMENT, WHEEL = "environment", "wheel"  # Kinds of things.
WHEELS = b"received"  # As a lease: of all wheels at once, while something is built of them.


class Kept(NamedTuple):
    """One thing of a cache, as a row on the wire: of ``kind``, called ``key`` by the cache.

    ``name`` is what people call it: several may share one. ``used_s`` is the time of its last use,
    0 for what nobody can use any more.
    """

    kind: str
    key: str
    name: str
    size_bytes: int
    used_s: float
    in_use: bool


class WheelFile(NamedTuple):
    """A wheel that an environment consists of; also a source that a wheel is built of.

    ``digest`` is the sha256 of its content, or the key of what was built here.
    """

    digest: str
    filename: str
    size: int


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
        """End the use of an environment; what is fresh goes to the trash."""
        self.leases.let_go(environment.lease)
        name = os.path.basename(environment.folder)
        if name.startswith(FRESH):
            self.discard(name)

    # -- wheels ------------------------------------------------------------------------------

    def wheel_path(self, digest: str, filename: str) -> bytes:
        """Return where a wheel is, or will be."""
        return os.path.join(self.wheels, to_bytes(digest), to_bytes(filename))

    def arrival_place(self, digest: str) -> bytes:
        """Return where a wheel may be written to until it is whole."""
        make_private(os.path.join(self.wheels, to_bytes(digest)))
        return self.wheel_path(digest, ARRIVING + to_text(holders.unique()))

    def find_built(self, key: str) -> Optional[WheelFile]:
        """Return the wheel that was built here under a key; None where none can be read whole.

        Raises:
            OSError: as the disk has it.
        """
        filename, size, _ = _wheel_in(os.path.join(self.wheels, to_bytes(key)))
        path = self.wheel_path(key, filename)
        try:
            with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
                if archive.testzip() is not None:
                    return None
        except BROKEN_ZIP:
            return None
        os.utime(path)  # It was used last now.
        return WheelFile(key, filename, size)

    def keep_built(self, key: str, wheel: bytes) -> WheelFile:
        """Move a wheel that was built here to where ``find_built`` finds it."""
        make_private(os.path.join(self.wheels, to_bytes(key)))
        filename = to_text(os.path.basename(wheel))
        with open(wheel, "rb") as file:
            os.fsync(file.fileno())
        os.replace(wheel, self.wheel_path(key, filename))
        return WheelFile(key, filename, os.stat(self.wheel_path(key, filename)).st_size)

    # -- all of it ---------------------------------------------------------------------------

    def kept(self) -> List[Kept]:
        """Return what is here.

        Raises:
            OSError: as the disk has it.
        """
        used = self.leases.used()
        found = []
        for name in os.listdir(self.envs):
            in_use = leased_name(name) in used
            size, used_s = _size_and_use(os.path.join(self.envs, name))
            title = to_text(leased_name(name).partition(b".")[0])
            found.append(Kept(ENVIRONMENT, to_text(name), title, size, used_s, in_use))
        for name in os.listdir(self.wheels):
            filename, size, used_s = _wheel_in(os.path.join(self.wheels, name))
            found.append(Kept(WHEEL, to_text(name), filename, size, used_s, WHEELS in used))
        return found

    def remove(self, things: Iterable[Kept]) -> Iterator[Kept]:
        """Move things to the trash, and yield each that is there; what is in use stays."""
        for thing in things:
            if thing.kind == ENVIRONMENT and self.discard(to_bytes(thing.key)):
                yield thing
            if thing.kind == WHEEL and self._discard_wheel(thing.key):
                yield thing

    def _discard_wheel(self, digest: str) -> bool:
        with self.leases.removing(WHEELS) as may_remove:
            if not may_remove():
                return False
            with contextlib.suppress(FileNotFoundError):  # Another one was faster.
                os.rename(os.path.join(self.wheels, to_bytes(digest)), self.trash_place())
            return True


def leased_name(name: bytes) -> bytes:
    """Return what a folder of ``envs`` is called in leases: its name when it is whole."""
    for prefix in (BUILDING, FRESH):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return name


def _size_and_use(folder: bytes) -> Tuple[int, float]:
    """Return an environment's (bytes, time of the last use); nothing of one that is not whole."""
    mark = None if os.path.basename(folder).startswith(b".") else read_mark(folder)
    with contextlib.suppress(FileNotFoundError):  # Removed meanwhile.
        if mark is not None:
            return sum(mark["files"].values()), os.stat(os.path.join(folder, MARK)).st_mtime
    return 0, 0.0


def _wheel_in(folder: bytes) -> Tuple[str, int, float]:
    """Return a wheel's (file name, bytes, time of the last use); nothing where none is whole."""
    with contextlib.suppress(FileNotFoundError):  # Removed meanwhile.
        for name in map(to_text, os.listdir(folder)):
            if not name.startswith(ARRIVING):
                status = os.stat(os.path.join(folder, to_bytes(name)))
                return name, status.st_size, status.st_mtime
    return "", 0, 0.0


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
    except (OSError, ValueError, RecursionError):
        return None
    return mark if _is_mark(mark) else None


def _is_mark(mark: Any) -> bool:
    """Return whether this is what ``write_mark`` writes."""
    if not isinstance(mark, dict) or mark.get("schema") != SCHEMA:
        return False
    packages, files = mark.get("packages"), mark.get("files")
    return (
        isinstance(mark.get("key"), str)
        and isinstance(packages, dict)
        and all(isinstance(version, str) for version in packages.values())
        and isinstance(files, dict)
        and all(isinstance(size, int) for size in files.values())
    )


def _is_whole(folder: bytes, files: Dict[str, int]) -> bool:
    """Return whether the files are there: a crash, or who cleans /var/tmp, may have taken some."""
    if not os.path.exists(os.path.join(folder, b"bin", b"python")):  # The interpreter is gone.
        return False
    try:
        return all(
            os.lstat(os.path.join(folder, to_bytes(path))).st_size == size
            for path, size in files.items()
        )
    except (OSError, ValueError):  # ValueError: it is no path
        return False
