"""The controller's cache: wheels and sources by their content, and what was resolved before.

Files appear by rename and are never changed after: any number of runs may share it, on a network
file system too. Whatever is missing or damaged is fetched or resolved again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from remotest.env.model import Source, Wheel
from remotest.env.unavailable import Unavailable
from remotest.sync import memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRIVATE_MODE: Final = 0o700
"""A private index's wheels are nobody else's business."""

COPY_BYTES: Final = 1024 * 1024
"""Read at a time while a file is hashed."""

MAX_AGE_S: Final = 30 * 24 * 3600
"""What was not used for a month is likely to be replaced by newer versions."""

MAX_BYTES: Final = 5 * 1024**3
"""Room for a few hundred environments; the wheels of one deep learning framework take half."""

ABANDONED_S: Final = 24 * 3600
"""A temporary file this old belongs to no running download."""

TOUCH_AFTER_S: Final = 3600
"""How exact the time of the last use is: writing it at every run would be waste."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """Something remembered: ``content`` as it was ``age_s`` seconds ago."""

    content: Any
    age_s: float


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing in the cache, for people to look at and to collect.

    Attributes:
        kind: one of ``KINDS``.
        key: its name there.
        title: what it is: a filename, or the key.
        size_bytes: on disk.
        used_s: seconds since the epoch of its last use.
    """

    kind: str
    key: str
    title: str
    size_bytes: int
    used_s: float


WHEELS: Final = "wheels"
SOURCES: Final = "sources"
FILES: Final = (WHEELS, SOURCES)
"""Kinds of which each is one file in a folder that its sha256 names."""

LOCKS: Final = "locks"
SELECTIONS: Final = "selections"
BUILDS: Final = "builds"
INPUTS: Final = "inputs"
KINDS: Final = (*FILES, LOCKS, SELECTIONS, BUILDS, INPUTS, *memory.PARTS)


class WheelCache:
    """The cache below one directory. Every method may be called from several threads.

    Args:
        root: the directory; made when something is put there.
        now: seconds since the epoch.
    """

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self.root = root
        self._now = now

    def find(self, sha256: str, filename: str) -> Wheel | None:
        """Return the wheel of this hash, None where it is not here."""
        path = self.root / WHEELS / sha256 / filename
        try:
            status = path.stat()
        except OSError:
            return None
        self._touch(path.parent)
        return _wheel(path, sha256, status.st_size)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Lend an empty directory on the cache's file system; it is gone afterwards.

        Raises:
            Unavailable: nothing can be written there.
        """
        with _writing(self.root):
            parent = self.root / "staging"
            _make_private(parent)
            directory = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def adopt(self, path: Path, sha256: str) -> Wheel:
        """Move a file of ``staging`` to where ``find`` sees it.

        Args:
            path: its last component is the wheel's filename.
            sha256: of its content, known to be right.

        Raises:
            Unavailable: the filename is none of a wheel, or nothing can be written.
        """
        destination = self.root / WHEELS / sha256 / path.name
        with _writing(destination):
            wheel = _wheel(destination, sha256, path.stat().st_size)
            _make_private(destination.parent)
            path.replace(destination)
        return wheel

    def find_source(self, sha256: str, filename: str) -> Source | None:
        """Return the source of this hash, None where it is not here."""
        path = self.root / SOURCES / sha256 / filename
        try:
            status = path.stat()
        except OSError:
            return None
        self._touch(path.parent)
        return Source(filename=filename, sha256=sha256, size_bytes=status.st_size, path=path)

    def adopt_source(self, path: Path, sha256: str) -> Source:
        """Move a file of ``staging`` to where ``find_source`` sees it.

        Args:
            path: its last component is what the source is called.
            sha256: of its content, known to be right.

        Raises:
            Unavailable: nothing can be written.
        """
        destination = self.root / SOURCES / sha256 / path.name
        with _writing(destination):
            size = path.stat().st_size
            _make_private(destination.parent)
            path.replace(destination)
        return Source(filename=path.name, sha256=sha256, size_bytes=size, path=destination)

    def recall(self, kind: str, key: str) -> Record | None:
        """Return what was remembered under a key, None if nothing legible is there."""
        path = self.root / kind / f"{key}.json"
        try:
            stored = json.loads(path.read_bytes())
            record = Record(content=stored["content"], age_s=self._now() - stored["created_s"])
        except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
            return None  # Absent, or torn by a full disk.
        self._touch(path)
        return record

    def remember(self, kind: str, key: str, content: Any) -> None:
        """Keep something that JSON can hold under a key.

        Raises:
            Unavailable: nothing can be written.
        """
        path = self.root / kind / f"{key}.json"
        text = json.dumps({"created_s": self._now(), "content": content}, default=str)
        with self.staging() as directory, _writing(path):
            (directory / path.name).write_text(text, encoding="utf-8")
            _make_private(path.parent)
            (directory / path.name).replace(path)

    def entries(self) -> list[Entry]:
        """Return all there is, the longest unused first."""
        found = [
            entry
            for kind in KINDS
            for path in _listed(self.root / kind)
            if (entry := _entry(kind, path))
        ]
        return sorted(found, key=lambda entry: (entry.used_s, entry.kind, entry.key))

    def remove(self, entry: Entry) -> None:
        """Remove one thing. Whoever needs it again gets it again.

        A run that is just about to send a removed wheel fails and says so, which is why
        ``collect`` spares what was used lately.
        """
        if entry.kind in FILES:
            shutil.rmtree(self.root / entry.kind / entry.key, ignore_errors=True)
        else:
            (self.root / entry.kind / f"{entry.key}.json").unlink(missing_ok=True)

    def collect(self, *, max_age_s: float = MAX_AGE_S, max_bytes: int = MAX_BYTES) -> list[Entry]:
        """Remove what is unused for too long, then the longest unused until the rest fits.

        Returns:
            What was removed. Nothing used within the last day is among it.
        """
        now = self._now()
        for path in _listed(self.root / "staging"):
            with suppress(OSError):  # its owner was faster
                if now - path.stat().st_mtime > ABANDONED_S:
                    shutil.rmtree(path, ignore_errors=True)
        removed = surplus(self.entries(), now=now, max_age_s=max_age_s, max_bytes=max_bytes)
        for entry in removed:
            self.remove(entry)
        return removed

    def _touch(self, path: Path) -> None:
        """Note that something is in use."""
        with suppress(OSError):  # a cache that others own may be read all the same
            if self._now() - path.stat().st_mtime > TOUCH_AFTER_S:
                os.utime(path, (self._now(), self._now()))


def surplus(entries: list[Entry], *, now: float, max_age_s: float, max_bytes: int) -> list[Entry]:
    """Return which of ``entries`` (the longest unused first) have to go."""
    total = sum(entry.size_bytes for entry in entries)
    gone = []
    for entry in entries:
        idle_s = now - entry.used_s
        if idle_s > max_age_s or (total > max_bytes and idle_s > ABANDONED_S):
            gone.append(entry)
            total -= entry.size_bytes
    return gone


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Return the hex digest of a file's content."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while piece := file.read(COPY_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _wheel(path: Path, sha256: str, size_bytes: int) -> Wheel:
    try:
        name, version, *_ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise Unavailable(f"{path.name} is no filename of a wheel") from error
    return Wheel(
        name=name,
        version=str(version),
        filename=path.name,
        sha256=sha256,
        size_bytes=size_bytes,
        path=path,
    )


def _make_private(directory: Path) -> None:
    """Make a directory and what is missing above it; only its owner may look inside."""
    missing = [directory]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        path.mkdir(mode=PRIVATE_MODE, exist_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{error.filename or path} cannot be written: {error.strerror or error}",
            remedy="free some room, or set XDG_CACHE_HOME to a directory that can be written",
        ) from error


def _listed(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:  # nothing was put there yet
        return []


def _entry(kind: str, path: Path) -> Entry | None:
    """Return what a path of the cache is; None where it is just being removed, or not ours."""
    try:
        if kind not in FILES:
            status = path.stat()
            return Entry(
                kind=kind,
                key=path.stem,
                title=path.stem,
                size_bytes=status.st_size,
                used_s=status.st_mtime,
            )
        (file,) = path.iterdir()
        return Entry(
            kind=kind,
            key=path.name,
            title=file.name,
            size_bytes=file.stat().st_size,
            used_s=path.stat().st_mtime,
        )
    except (OSError, ValueError):
        return None
