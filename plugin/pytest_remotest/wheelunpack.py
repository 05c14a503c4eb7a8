"""Unpacks a wheel into a virtual environment, as an installer does, and trusts nothing in it."""

import contextlib
import hashlib
import io
import os
import stat
import zipfile
from typing import BinaryIO, Dict, Iterable, Iterator, Mapping, NamedTuple, Set

from pytest_remotest import wheelnames, wheeltexts
from pytest_remotest.brokenzip import BROKEN_ZIP
from pytest_remotest.entries import to_bytes, to_text
from pytest_remotest.wheelnames import Contents, Member, WheelError
from pytest_remotest.wheeltexts import Row

MAX_UNPACKED_BYTES = 16 * 1024**3  # Of one wheel; the largest known, of GPU code, have about 4 GB.
MAX_RECORD_BYTES = 64 * 1024**2  # MAX_FILES lines of 300 bytes.
MAX_TEXT_BYTES = 1024**2  # Of WHEEL, and of entry_points.txt: a few kB each.
CHUNK_BYTES = 1024**2  # Of what is unpacked at once: bounds the memory.
INSTALLER = b"remotest\n"


class Layout(NamedTuple):
    """Where the parts of a wheel go: absolute folders, ``root`` and others below it."""

    root: bytes
    purelib: bytes
    platlib: bytes
    scripts: bytes
    data: bytes
    headers: bytes


class Unpacked(NamedTuple):
    """What was made of a wheel: ``files`` has sizes by path below the layout's root."""

    name: str
    version: str
    files: Dict[str, int]


def unpack(wheel: bytes, filename: str, layout: Layout) -> Unpacked:
    """Unpack a wheel; files that another wheel has put in the same place are replaced.

    Args:
        wheel: the path of the archive, under any name.
        filename: the wheel's name.
        layout: its folders are made as they are needed. Nobody else writes there meanwhile.

    Raises:
        WheelError: the wheel is not to be trusted or not whole. Part of it may have been written.
        OSError: as the disk has it.
    """
    with open(wheel, "rb") as stream:
        try:
            name, version = wheelnames.name_and_version(filename)
            with contextlib.closing(_Archive(stream)) as archive:
                contents = wheelnames.survey(filename, archive.infos)
                sizes = _Unpacking(archive, contents, layout, name).run()
        except WheelError as error:
            raise WheelError("%.200s: %s" % (filename, error.reason)) from error
    return Unpacked(name, version, sizes)


class _Archive:
    """A zip file whose faults are WheelErrors, and that never unpacks more than is allowed."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._left = MAX_UNPACKED_BYTES
        try:
            self._zip = zipfile.ZipFile(stream)
        except BROKEN_ZIP as error:
            raise WheelError("it is no zip file: %s" % error) from error
        self.infos = self._zip.infolist()

    def close(self) -> None:
        self._zip.close()

    def pieces(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        """Yield the contents of a file."""
        try:
            with self._zip.open(info) as stream:
                for piece in iter(lambda: stream.read(CHUNK_BYTES), b""):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise WheelError("it unpacks to more than %d bytes" % MAX_UNPACKED_BYTES)
                    yield piece
        except BROKEN_ZIP as error:
            raise WheelError("%r cannot be unpacked: %s" % (info.filename, error)) from error

    def text(self, info: zipfile.ZipInfo, limit_bytes: int) -> str:
        """Return the contents of a small file."""
        data = b""
        for piece in self.pieces(info):
            data += piece
            if len(data) > limit_bytes:
                raise WheelError("%r is larger than %d bytes" % (info.filename, limit_bytes))
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise WheelError("%r is no text" % info.filename) from None


class _Unpacking:
    """One wheel on its way into one environment."""

    def __init__(self, archive: _Archive, contents: Contents, layout: Layout, name: str) -> None:
        self._archive = archive
        self._contents = contents
        self._root = layout.root
        is_pure = wheeltexts.is_pure(self._text_of("WHEEL"))
        self._site = layout.purelib if is_pure else layout.platlib
        self._folders = {
            wheelnames.SITE: self._site,
            "purelib": layout.purelib,
            "platlib": layout.platlib,
            "scripts": layout.scripts,
            "data": layout.data,
            "headers": os.path.join(layout.headers, to_bytes(name)),
        }
        self._made: Set[bytes] = set()
        self._rows: Dict[str, Row] = {}
        self._sizes: Dict[str, int] = {}

    def run(self) -> Dict[str, int]:
        """Write all of it. Return sizes by path."""
        record = wheeltexts.read_record(self._archive.text(self._contents.record, MAX_RECORD_BYTES))
        self._check_is_complete(record)
        scripts = wheeltexts.scripts(self._text_of("entry_points.txt"))
        for member in self._contents.members:
            # What is made for an entry point of the same name runs wherever the environment is.
            if member.scheme != "scripts" or member.path not in scripts:
                self._copy(member, record[member.info.filename])
        for name, program in scripts.items():
            self._write("scripts", name, [program], is_executable=True)
        metadata = self._contents.dist_info
        self._write(wheelnames.SITE, metadata + "/INSTALLER", [INSTALLER])
        rows = [*self._rows.values(), Row(metadata + "/RECORD")]
        self._write(wheelnames.SITE, metadata + "/RECORD", [wheeltexts.write_record(sorted(rows))])
        return self._sizes

    def _text_of(self, name: str) -> str:
        """Return a text of the wheel's metadata, "" where it has none of this name."""
        path = "%s/%s" % (self._contents.dist_info, name)
        for member in self._contents.members:
            if member.info.filename == path:
                return self._archive.text(member.info, MAX_TEXT_BYTES)
        return ""

    def _check_is_complete(self, record: Mapping[str, Row]) -> None:
        """Refuse a RECORD that does not name exactly the files that are there."""
        there = {member.info.filename for member in self._contents.members}
        named = set(record) - self._contents.unlisted
        if there != named:
            odd = min(there ^ named)
            what = "does not name" if odd in there else "names what is not there:"
            raise WheelError("RECORD %s %.200r" % (what, odd))
        for name in there:
            if not record[name].digest:
                raise WheelError("RECORD has no hash of %.200r" % name)

    def _copy(self, member: Member, row: Row) -> None:
        """Unpack one file, and hold it against its row of RECORD."""
        checksum = hashlib.new(row.algorithm)
        size = 0

        def checked() -> Iterator[bytes]:
            nonlocal size
            for piece in self._archive.pieces(member.info):
                checksum.update(piece)
                size += len(piece)
                yield piece

        pieces: Iterable[bytes] = checked()
        if member.scheme == "scripts":
            pieces = wheeltexts.with_python(pieces)
        is_executable = member.is_executable or member.scheme == "scripts"
        self._write(member.scheme, member.path, pieces, is_executable=is_executable)
        if checksum.hexdigest() != row.digest or row.size not in (None, size):
            raise WheelError("%.200r is not what RECORD says" % member.info.filename)

    def _write(
        self, scheme: str, name: str, pieces: Iterable[bytes], *, is_executable: bool = False
    ) -> None:
        """Write one file and note it for the new RECORD."""
        path = os.path.join(self._folders[scheme], to_bytes(name))
        checksum = hashlib.sha256()
        size = 0
        self._make_parent(path)
        with self._create(path, 0o755 if is_executable else 0o644) as file:
            for piece in pieces:
                file.write(piece)
                checksum.update(piece)
                size += len(piece)
        listed = to_text(os.path.relpath(path, self._site))
        self._rows[listed] = Row(listed, "sha256", checksum.hexdigest(), size)
        self._sizes[to_text(os.path.relpath(path, self._root))] = size

    def _make_parent(self, path: bytes) -> None:
        parent = os.path.dirname(path)
        if parent not in self._made:
            try:
                os.makedirs(parent, exist_ok=True)
            except (FileExistsError, NotADirectoryError):  # A file of another wheel.
                raise WheelError("%.200r is to be a folder and a file" % to_text(parent)) from None
            self._made.add(parent)

    def _create(self, path: bytes, mode: int) -> BinaryIO:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            return os.fdopen(os.open(path, flags, mode), "wb")
        except FileExistsError:
            # Wheels share files, such as a namespace's __init__.py. Never the environment's own.
            if not stat.S_ISREG(os.lstat(path).st_mode):
                raise WheelError("%.200r is taken" % to_text(path)) from None
        os.unlink(path)
        return os.fdopen(os.open(path, flags, mode), "wb")
