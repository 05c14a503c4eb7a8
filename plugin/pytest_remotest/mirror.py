"""Makes a directory equal to a manifest: writes what differs, removes what is not in the manifest.

Every file is written beside its place, checked against its digest, and renamed. Existing files are
compared by content, which is read only if ``statcache`` does not know the digest. A directory that
already equals its manifest is scanned once, and nothing in it is changed.
"""

import hashlib
import os
import stat
import unicodedata
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from pytest_remotest import holders
from pytest_remotest.entries import DIRECTORY, FILE, LINK, Entry, to_bytes, to_text
from pytest_remotest.faults import NoRoom, Refused
from pytest_remotest.statcache import Known, Signature, StatCache, signature
from pytest_remotest.treelook import BYTECODE, Look, look

INDEX = b"index.json"
STAGED = b".remotest-staged-"  # Prefix of names that no manifest contains.
PIECE_BYTES = 1024 * 1024  # Of a file in memory.
WRITABLE = 0o700  # Of directories while the tree is being made.


class Mirror:
    """One manifest and the directory that is to become equal to it.

    ``lacking`` only reads. If the directory ``is_equal`` after that, only ``remember`` is needed;
    otherwise ``prepare`` removes what is in the way, ``write`` or ``place`` stores each lacking
    content, and ``finish`` checks the whole directory.
    """

    def __init__(
        self,
        top: bytes,
        state: bytes,
        entries: Dict[str, Entry],
        written: Optional[Mapping[str, Known]] = None,
    ) -> None:
        """Take in what is to be.

        Args:
            top: the directory.
            state: of its slot.
            entries: of the manifest, by place.
            written: what this process has written there just now, by place.
        """
        self._top = top
        self._written = written or {}
        self._entries = entries
        self._index = StatCache(os.path.join(state, INDEX))
        self._staged = STAGED + holders.unique()
        self._seen = Look()
        self._looked_ns = 0
        self._signatures: Dict[str, Signature] = {}
        self._lacking: Dict[str, List[Entry]] = {}
        self._copied: Dict[str, str] = {}
        self._was_read = False
        self.is_equal = False

    def _path(self, place: str) -> bytes:
        return self._top + b"/" + to_bytes(place)

    # -- looking ---------------------------------------------------------------------------

    def lacking(self) -> Dict[str, int]:
        """Return digests and sizes of the contents that no file in its place has."""
        self._looked_ns = self._index.look_time_ns()
        self._seen = look(self._top, self._entries)
        contents: Dict[str, str] = {}
        for place, entry in self._entries.items():
            if entry.kind != FILE:
                continue
            status = self._seen.statuses.get(place)
            if status is not None and self._digest_of(entry, status) == entry.digest:
                self._signatures[place] = signature(status)
                if status.st_mode & stat.S_IRUSR:
                    contents[entry.digest] = place
            else:
                self._lacking.setdefault(entry.digest, []).append(entry)
        self.is_equal = not self._lacking and self._needs_nothing()
        self._copied = {digest: contents[digest] for digest in self._lacking if digest in contents}
        return {
            digest: needed[0].size
            for digest, needed in self._lacking.items()
            if digest not in contents
        }

    def _digest_of(self, entry: Entry, status: os.stat_result) -> Optional[str]:
        """Return the digest of what is at a place; None where that is not worth reading."""
        # A second name of a file would change with it.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_size != entry.size:
            return None
        known = self._index.digest(entry.path, status)
        if known is not None:
            return known
        self._was_read = True
        written = self._written.get(entry.path)
        if written is not None and written.signature == signature(status):
            return written.digest
        try:
            return _hash(self._path(entry.path))
        except PermissionError:  # Its mode forbids even us to read it: it is written anew.
            return None

    def _needs_nothing(self) -> bool:
        """Return whether all is as it is to be, given that no content is lacking."""
        return not self._differences(self._seen) and all(
            self._is_stamped(place) for place in self._entries
        )

    def _is_stamped(self, place: str) -> bool:
        """Return whether what was seen at a place has the right mode and time."""
        entry, status = self._entries[place], self._seen.statuses[place]
        if entry.kind == LINK:
            return True
        is_in_time = entry.kind == DIRECTORY or status.st_mtime_ns == entry.mtime_ns
        return is_in_time and stat.S_IMODE(status.st_mode) == entry.mode

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
            entry = self._entries[place]
            if place in self._seen.statuses:
                continue
            if entry.kind == DIRECTORY:
                os.mkdir(self._path(place), WRITABLE)
            elif entry.kind == LINK:
                os.symlink(to_bytes(entry.target), self._path(place))
        for place in self._signatures:
            if not self._is_stamped(place):
                self._touch_up(place)
        for digest, place in self._copied.items():
            staged = self.staging(digest)
            _copy(self._path(place), staged)
            self.place(digest, staged)

    def _clear_the_way(self) -> None:
        """Remove what is not in the manifest, and open the directories that stay for writing."""
        seen = self._seen
        for place, status in seen.statuses.items():
            if stat.S_ISDIR(status.st_mode) and status.st_mode & WRITABLE != WRITABLE:
                os.chmod(self._path(place), WRITABLE)
        while seen.closed:
            self._remove(seen.closed.pop())
        while seen.extras:
            self._remove(seen.extras.pop())
        for place in [place for place in seen.statuses if not self._may_stay(place)]:
            self._remove(place)
        while seen.bytecode:
            self._clean_bytecode(*seen.bytecode.popitem())

    def _remove(self, place: str) -> None:
        remove(self._path(place))
        self._seen.statuses.pop(place, None)

    def _may_stay(self, place: str) -> bool:
        """Return whether what was seen at a place is what is to be there."""
        if self._entries[place].kind == FILE:
            return place in self._signatures
        return self._is_right(place, self._seen.statuses[place])

    def _clean_bytecode(self, directory: str, names: List[Tuple[str, bool]]) -> None:
        """Keep the bytecode of unchanged sources only: Python compares no more than seconds."""
        cache = self._path(directory + "/" + BYTECODE)
        stale = [
            name for name, is_file in names if not (is_file and self._is_fresh(directory, name))
        ]
        for name in stale:
            remove(cache + b"/" + to_bytes(name))
        if len(stale) == len(names):
            os.rmdir(cache)

    def _is_fresh(self, directory: str, name: str) -> bool:
        """Return whether bytecode is of a source that stays. ``a.b.cpython-39.pyc`` is of two."""
        parts = name.split(".")
        sources = [
            directory + "/" + ".".join(parts[:end]) + ".py" for end in range(1, len(parts) - 1)
        ]
        wanted = [source for source in sources if self._kind(source) == FILE]
        return name.endswith(".pyc") and bool(wanted) and set(wanted) <= set(self._signatures)

    def _kind(self, place: str) -> Optional[str]:
        entry = self._entries.get(place)
        return entry.kind if entry is not None else None

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
        need_files = len(self._entries) - len(self._seen.statuses)
        if free.f_files and need_files > free.f_favail:
            raise NoRoom(
                "the disk of %s has room for %d more files, but the tree needs %d (inodes)"
                % (where, free.f_favail, need_files),
                "remove some, or name a directory on another disk with cache=DIR",
            )

    # -- writing ---------------------------------------------------------------------------

    def staging(self, digest: str) -> bytes:
        """Return where a content is to be written before ``place``: beside where it is to be.

        A file system puts what is made in a directory near to the rest of it. What a run that was
        cut off has left there is in no manifest, and is removed.
        """
        return self._beside(self._lacking[digest][0])

    def _beside(self, entry: Entry) -> bytes:
        return os.path.dirname(self._path(entry.path)) + b"/" + self._staged

    def write(self, digest: str, data: bytes) -> None:
        """Put a content in every place that lacks it; its digest is known to be right."""
        for entry in self._lacking.pop(digest):
            staged = self._beside(entry)
            write(staged, data)
            self._put(staged, entry)

    def place(self, digest: str, staged: bytes) -> None:
        """Put what is staged in every place that lacks it; its digest is known to be right."""
        first, *others = self._lacking.pop(digest)
        for entry in others:
            copy = self._beside(entry) + b".copy"
            _copy(staged, copy)
            self._put(copy, entry)
        self._put(staged, first)

    def _put(self, staged: bytes, entry: Entry) -> None:
        path = self._path(entry.path)
        os.chmod(staged, entry.mode)
        os.utime(staged, ns=(entry.mtime_ns, entry.mtime_ns))
        os.replace(staged, path)
        self._signatures[entry.path] = signature(os.lstat(path))

    def _touch_up(self, place: str) -> None:
        """Give mode and time to a file whose content stays."""
        entry, path = self._entries[place], self._path(place)
        os.chmod(path, entry.mode)
        os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
        self._signatures[place] = signature(os.lstat(path))

    # -- checking --------------------------------------------------------------------------

    def finish(self) -> None:
        """Check that the directory equals the manifest, and remember the digests.

        Raises:
            Refused: it does not, because of this file system or of somebody at work in it.
            OSError: as the disk has it.
        """
        assert not self._lacking, "finish() before all contents were placed"
        self._looked_ns = self._index.look_time_ns()
        seen = look(self._top, self._entries)
        self._refuse_doubles(seen)
        wrong = self._differences(seen)
        for place in sorted(self._entries, reverse=True):  # what is inside first
            entry = self._entries[place]
            if entry.kind != DIRECTORY or wrong:
                continue
            if stat.S_IMODE(seen.statuses[place].st_mode) != entry.mode:
                os.chmod(self._path(place), entry.mode)
                if stat.S_IMODE(os.lstat(self._path(place)).st_mode) != entry.mode:
                    wrong = [place]
        if wrong:
            raise Refused(
                "%d paths below %s are not as they were made, the first is %r"
                % (len(wrong), to_text(self._top), wrong[0]),
                "see whether another program writes there, and whether that file system keeps "
                "modes and links; cache=DIR names another one",
            )
        self._was_read = True
        self.remember()

    def remember(self) -> None:
        """Keep the digests of a directory that equals its manifest, for the next time."""
        if self._was_read:
            files = {
                place: Known(seen, self._entries[place].digest)
                for place, seen in self._signatures.items()
            }
            self._index.save(files, self._looked_ns)

    def _refuse_doubles(self, seen: Look) -> None:
        """Refuse places that this file system takes for one: only one of them is listed then."""
        missing = [place for place in self._entries if place not in seen.statuses]
        statuses = {**seen.statuses, **{place: _look(self._path(place)) for place in missing}}
        identities = [
            (place, (status.st_dev, status.st_ino))
            for place, status in sorted(statuses.items())
            if status is not None and missing
        ]
        # Some file systems tell of such a name as if it were not there.
        alike = find_doubles((place, _fold(place)) for place in sorted(self._entries) if missing)
        lost = [pair for pair in alike if not set(missing).isdisjoint(pair)]
        for first, second in [*find_doubles(identities), *lost]:
            raise Refused(
                "%r and %r are the same name on the file system of %s"
                % (first, second, to_text(self._top)),
                "rename one of them, or name a directory on another disk with cache=DIR",
            )

    def _differences(self, seen: Look) -> List[str]:
        """Return the places that are not what they are to be, but for modes of directories."""
        wrong = [
            place
            for place in sorted(self._entries)
            if not self._is_right(place, seen.statuses.get(place))
        ]
        stale = [
            directory + "/" + BYTECODE
            for directory, names in seen.bytecode.items()
            if not all(is_file and self._is_fresh(directory, name) for name, is_file in names)
        ]
        return wrong + seen.closed + seen.extras + stale

    def _is_right(self, place: str, status: Optional[os.stat_result]) -> bool:
        if status is None:
            return False
        entry = self._entries[place]
        if entry.kind == DIRECTORY:
            return stat.S_ISDIR(status.st_mode)
        if entry.kind == LINK:
            target = to_bytes(entry.target)
            return stat.S_ISLNK(status.st_mode) and os.readlink(self._path(place)) == target
        return (
            stat.S_ISREG(status.st_mode)
            and stat.S_IMODE(status.st_mode) == entry.mode
            and self._signatures.get(place) == signature(status)
        )


def _fold(place: str) -> str:
    """Return what a place is to a file system to which neither case nor composition counts."""
    return unicodedata.normalize("NFC", place).casefold()


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


def write(path: bytes, data: bytes) -> None:
    """Make a file. Nobody else reads it before it has its mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        os.unlink(path)  # What is there of it takes room, of which there may be none.
        raise
    finally:
        os.close(descriptor)
