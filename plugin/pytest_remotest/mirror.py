"""Making a directory equal to a manifest: only what differs is written, all else is removed.

Every file is written beside its place, compared with its digest, and renamed into it. What is there
already counts by its content. The digest of a file is known from the last time only if its size,
both times and inode are the same *and* it was last touched well before that knowledge was written
down: within the resolution of a clock, two contents can have the same times.
"""

import hashlib
import json
import os
import stat
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from pytest_remotest.entries import (
    DIRECTORY,
    FILE,
    LINK,
    TOP_NAMES,
    Entry,
    to_bytes,
    to_text,
)
from pytest_remotest.faults import NoRoom, Refused

Signature = Tuple[int, int, int, int]  # Size, mtime and ctime in nanoseconds, inode.

INDEX = b"index.json"
STAGED = b"staged"
PIECE_BYTES = 1024 * 1024  # Of a file in memory.
CLOCK_STEP_NS = 2 * 10**9  # The coarsest times of a file system that is in use (FAT, old NFS).
SEARCHABLE = 0o500
WRITABLE = 0o700  # Of directories while the tree is being made.


class Mirror:
    """One manifest and the directory that is to become equal to it.

    ``lacking`` only looks; ``prepare`` removes what is in the way; ``place`` takes each lacking
    content; ``finish`` checks the whole.
    """

    def __init__(self, top: bytes, state: bytes, entries: Dict[str, Entry]) -> None:
        self._top = top
        self._state = state
        self._entries = entries
        self._signatures: Dict[str, Signature] = {}
        self._lacking: Dict[str, List[Entry]] = {}
        self._copied: Dict[str, str] = {}
        self._index, self._index_ns = _load_index(os.path.join(state, INDEX))

    def _path(self, place: str) -> bytes:
        return os.path.join(self._top, to_bytes(place))

    # -- looking ---------------------------------------------------------------------------

    def lacking(self) -> Dict[str, int]:
        """Return digests and sizes of the contents that no file in its place has."""
        present = {""}  # Directories that are there, and no link on the way to them.
        contents: Dict[str, str] = {}
        for place in sorted(self._entries):
            entry = self._entries[place]
            if place.rpartition("/")[0] not in present or entry.kind == LINK:
                status = None
            else:
                status = _look(self._path(place))
            if entry.kind == DIRECTORY and status is not None:
                # What is in a directory that we cannot enter is written anew.
                if stat.S_ISDIR(status.st_mode) and status.st_mode & SEARCHABLE == SEARCHABLE:
                    present.add(place)
            elif entry.kind == FILE:
                if status is not None and self._digest_of(place, status) == entry.digest:
                    self._signatures[place] = _signature(status)
                    if status.st_mode & stat.S_IRUSR:
                        contents[entry.digest] = place
                else:
                    self._lacking.setdefault(entry.digest, []).append(entry)
        self._copied = {digest: contents[digest] for digest in self._lacking if digest in contents}
        return {
            digest: needed[0].size
            for digest, needed in self._lacking.items()
            if digest not in contents
        }

    def _digest_of(self, place: str, status: os.stat_result) -> Optional[str]:
        """Return the digest of what is at a place; None where that is not worth reading."""
        entry = self._entries[place]
        # A second name of a file would change with it.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_size != entry.size:
            return None
        known = self._index.get(place)
        was_settled = status.st_ctime_ns < self._index_ns - CLOCK_STEP_NS
        if was_settled and type(known) is list and tuple(known[:-1]) == _signature(status):
            return str(known[-1])
        try:
            return _hash(self._path(place))
        except PermissionError:  # Its mode forbids even us to read it: it is written anew.
            return None

    # -- making room -----------------------------------------------------------------------

    def prepare(self) -> None:
        """Remove what is in the way, make directories and links.

        May be called again after that.

        Raises:
            NoRoom: there is not enough room.
            OSError: as the disk has it.
        """
        self._clear_the_way()
        self._check_room()
        for place in sorted(self._entries):
            entry, path = self._entries[place], self._path(place)
            if entry.kind == DIRECTORY and _look(path) is None:
                os.mkdir(path, WRITABLE)
            elif entry.kind == LINK and _look(path) is None:
                os.symlink(to_bytes(entry.target), path)
        for place in list(self._signatures):
            self._touch_up(place, self._path(place))
        for digest, place in self._copied.items():
            _copy(self._path(place), self.staged)
            self.place(digest)

    def _clear_the_way(self) -> None:
        """Remove what is not in the manifest, and open the directories that stay for writing."""
        waiting = [""]
        while waiting:
            directory = waiting.pop()
            if directory and os.lstat(self._path(directory)).st_mode & WRITABLE != WRITABLE:
                os.chmod(self._path(directory), WRITABLE)
            for name, is_directory in self._children(directory):
                place = directory + "/" + name if directory else name
                if is_directory and self._kind(place) == DIRECTORY:
                    waiting.append(place)
                elif is_directory and name == "__pycache__" and directory:
                    self._clean_bytecode(directory)
                elif is_directory or not self._may_stay(place):
                    remove(self._path(place))

    def _children(self, directory: str) -> List[Tuple[str, bool]]:
        """Return (name, whether it is a directory) of what is in a directory of the tree."""
        with os.scandir(self._path(directory)) as found:
            return [
                (to_text(item.name), item.is_dir(follow_symlinks=False))
                for item in found
                if directory or to_text(item.name) in TOP_NAMES
            ]

    def _kind(self, place: str) -> Optional[str]:
        entry = self._entries.get(place)
        return entry.kind if entry is not None else None

    def _may_stay(self, place: str) -> bool:
        """Return whether a file or link is what is to be there."""
        if self._kind(place) == LINK:
            return self._is_link_to(place)
        return place in self._signatures

    def _clean_bytecode(self, directory: str) -> None:
        """Keep the bytecode of unchanged sources only: Python compares no more than seconds."""
        cache = os.path.join(self._path(directory), b"__pycache__")
        left = False
        for name in os.listdir(cache):
            path = os.path.join(cache, name)
            if self._is_fresh(directory, to_text(name)) and stat.S_ISREG(os.lstat(path).st_mode):
                left = True
            else:
                remove(path)
        if not left:
            os.rmdir(cache)

    def _is_fresh(self, directory: str, name: str) -> bool:
        """Return whether bytecode is of a source that stays. ``a.b.cpython-39.pyc`` is of two."""
        parts = name.split(".")
        sources = [
            directory + "/" + ".".join(parts[:end]) + ".py" for end in range(1, len(parts) - 1)
        ]
        wanted = [source for source in sources if self._kind(source) == FILE]
        return name.endswith(".pyc") and bool(wanted) and set(wanted) <= set(self._signatures)

    def _check_room(self) -> None:
        """Compare what is needed with what is free: bytes, and files where those are counted."""
        needed = [entry for entries in self._lacking.values() for entry in entries]
        need_bytes = sum(entry.size for entry in needed)
        free = os.statvfs(self._top)
        free_bytes = free.f_bavail * free.f_frsize
        where = to_text(self._top)
        if need_bytes > free_bytes:
            raise NoRoom(
                "the disk of %s has %.1f MB free, but the tree needs %.1f MB more"
                % (where, free_bytes / 1e6, need_bytes / 1e6),
                "free some, or name a directory on another disk with cache=DIR",
            )
        need_files = sum(_look(self._path(place)) is None for place in self._entries)
        if free.f_files and need_files > free.f_favail:
            raise NoRoom(
                "the disk of %s has room for %d more files, but the tree needs %d (inodes)"
                % (where, free.f_favail, need_files),
                "remove some, or name a directory on another disk with cache=DIR",
            )

    # -- writing ---------------------------------------------------------------------------

    @property
    def staged(self) -> bytes:
        """Where a content is to be written before ``place``."""
        return os.path.join(self._state, STAGED)

    def place(self, digest: str) -> None:
        """Put what is staged in every place that lacks it; its digest is known to be right."""
        entries = self._lacking.pop(digest)
        spare = self.staged + b".copy"
        for entry in entries[:-1]:
            _copy(self.staged, spare)
            self._put(spare, entry)
        self._put(self.staged, entries[-1])

    def _put(self, staged: bytes, entry: Entry) -> None:
        path = self._path(entry.path)
        os.chmod(staged, entry.mode)
        os.utime(staged, ns=(entry.mtime_ns, entry.mtime_ns))
        os.replace(staged, path)
        self._signatures[entry.path] = _signature(os.lstat(path))

    def _touch_up(self, place: str, path: bytes) -> None:
        """Give mode and time to a file whose content stays."""
        entry, status = self._entries[place], os.lstat(path)
        if stat.S_IMODE(status.st_mode) != entry.mode:
            os.chmod(path, entry.mode)
        if status.st_mtime_ns != entry.mtime_ns:
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
        self._signatures[place] = _signature(os.lstat(path))

    # -- checking --------------------------------------------------------------------------

    def finish(self) -> None:
        """Check that the directory equals the manifest, and remember the digests.

        Raises:
            Refused: it does not, because of this file system or of somebody at work in it.
            OSError: as the disk has it.
        """
        assert not self._lacking, "finish() before all contents were placed"
        statuses = {place: _look(self._path(place)) for place in self._entries}
        identities = [
            (place, (status.st_dev, status.st_ino)) for place, status in statuses.items() if status
        ]
        for first, second in find_doubles(identities):
            raise Refused(
                "%r and %r are the same name on the file system of %s"
                % (first, second, to_text(self._top)),
                "rename one of them, or name a directory on another disk with cache=DIR",
            )
        wrong = self._differences(statuses)
        for place in sorted(self._entries, reverse=True):  # what is inside first
            entry, path = self._entries[place], self._path(place)
            if entry.kind == DIRECTORY and not wrong:
                os.chmod(path, entry.mode)
                if stat.S_IMODE(os.lstat(path).st_mode) != entry.mode:
                    wrong = [place]
        if wrong:
            raise Refused(
                "%d paths below %s are not as they were made, the first is %r"
                % (len(wrong), to_text(self._top), wrong[0]),
                "see whether another program writes there, and whether that file system keeps "
                "modes and links; cache=DIR names another one",
            )
        self._save_index()

    def _differences(self, statuses: Dict[str, Optional[os.stat_result]]) -> List[str]:
        """Return the places that are not what they are to be, but for modes of directories."""
        wrong = [
            place
            for place, status in sorted(statuses.items())
            if status is None or not self._is_right(place, status)
        ]
        for directory, status in statuses.items():
            if self._kind(directory) == DIRECTORY and status and stat.S_ISDIR(status.st_mode):
                places = (directory + "/" + name for name, _ in self._children(directory))
                wrong += [place for place in places if not self._is_known(place)]
        return wrong

    def _is_right(self, place: str, status: os.stat_result) -> bool:
        entry = self._entries[place]
        if entry.kind == DIRECTORY:
            return stat.S_ISDIR(status.st_mode)
        if entry.kind == LINK:
            return self._is_link_to(place)
        return (
            stat.S_ISREG(status.st_mode)
            and stat.S_IMODE(status.st_mode) == entry.mode
            and self._signatures.get(place) == _signature(status)
        )

    def _is_known(self, place: str) -> bool:
        return place in self._entries or place.endswith("/__pycache__")

    def _is_link_to(self, place: str) -> bool:
        path = self._path(place)
        return os.path.islink(path) and os.readlink(path) == to_bytes(self._entries[place].target)

    def _save_index(self) -> None:
        index = {
            place: [*signature, self._entries[place].digest]
            for place, signature in self._signatures.items()
        }
        path = os.path.join(self._state, INDEX)
        with open(path + b".new", "w", encoding="ascii") as file:
            json.dump(index, file)
        os.replace(path + b".new", path)


def _load_index(path: bytes) -> Tuple[Dict[str, Any], int]:
    """Return (index, when it was written, by the clock of its file system)."""
    try:
        written_ns = os.lstat(path).st_mtime_ns
        with open(path, encoding="ascii") as file:
            index = json.load(file)
    except (FileNotFoundError, ValueError, RecursionError):
        return {}, 0  # None so far; or the disk was full, or power was lost.
    return (index, written_ns) if isinstance(index, dict) else ({}, 0)


def find_doubles(identities: Iterable[Tuple[str, Any]]) -> Iterator[Tuple[str, str]]:
    """Yield pairs of places that have the same identity, as where case does not count."""
    first: Dict[Any, str] = {}
    for place, identity in identities:
        other = first.setdefault(identity, place)
        if other != place:
            yield other, place


def remove(path: bytes) -> None:
    """Remove what is at a path, links never followed, with all that is in it."""
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(path)
        return
    directories = [path]
    for directory in directories:  # It grows on the way: no recursion, however deep.
        os.chmod(directory, WRITABLE)
        with os.scandir(directory) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    directories.append(item.path)
                else:
                    os.unlink(item.path)
    for directory in reversed(directories):
        os.rmdir(directory)


def _look(path: bytes) -> Optional[os.stat_result]:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _signature(status: os.stat_result) -> Signature:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _pieces(path: bytes) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        yield from iter(lambda: file.read(PIECE_BYTES), b"")


def _hash(path: bytes) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def _copy(source: bytes, target: bytes) -> None:
    with open(target, "wb") as file:
        file.writelines(_pieces(source))
