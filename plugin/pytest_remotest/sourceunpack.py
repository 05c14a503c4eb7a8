"""Unpacks the source of a package into a folder, and trusts nothing in it.

An archive of sources is made by somebody else. What leads out of the folder is refused, whether by
its name or as a link; so is what is no file, folder or link.
"""

import contextlib
import lzma
import os
import stat
import tarfile
import zipfile
from typing import IO, Any, Iterable, Iterator, List, NamedTuple, Tuple

from pytest_remotest.brokenzip import BROKEN_ZIP
from pytest_remotest.entries import to_bytes
from pytest_remotest.wheelnames import MAX_FILES, WheelError, check_path

MAX_UNPACKED_BYTES = 4 * 1024**3  # Of one source; the largest on the registry have some 100 MB.
CHUNK_BYTES = 1024**2  # Of what is unpacked at once: bounds the memory.
ZIP = ".zip"  # All other sources are tar archives, packed in one way or another.

_BROKEN = (*BROKEN_ZIP, tarfile.TarError, lzma.LZMAError)


class _Entry(NamedTuple):
    """A member of an archive; ``member`` is what the archive itself knows it by."""

    path: str
    is_folder: bool
    is_executable: bool
    link: str
    member: Any


def unpack(archive: bytes, filename: str, folder: bytes) -> bytes:
    """Unpack a source; return where the project lies: in the only folder at the top, if it is so.

    Args:
        archive: the path of the archive, under any name.
        filename: how it is called, which says how it is packed.
        folder: is not there yet. Nobody else writes there meanwhile.

    Raises:
        WheelError: the archive is not to be trusted or not whole. Part of it may have been written.
        OSError: as the disk has it.
    """
    os.mkdir(folder, 0o700)
    with open(archive, "rb") as stream:
        try:
            with _reading():
                opened: Any = (_Zip if filename.endswith(ZIP) else _Tar)(stream)
            _Unpacking(opened, folder).run()
        except WheelError as error:
            raise WheelError("%.200s: %s" % (filename, error.reason)) from error
    names = os.listdir(folder)
    top = os.path.join(folder, names[0]) if len(names) == 1 else folder
    return top if os.path.isdir(top) and not os.path.islink(top) else folder


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise WheelError("it cannot be unpacked: %s" % error) from error


class _Tar:
    def __init__(self, stream: IO[bytes]) -> None:
        # It is closed with the stream, which is another's.
        self._tar = tarfile.TarFile.open(fileobj=stream, mode="r:*")

    def entries(self) -> Iterator[_Entry]:
        for member in self._tar:
            if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
                raise WheelError("%.200r is a special file" % member.name)
            link = member.linkname if member.issym() else ""
            executable = bool(member.mode & 0o111)
            yield _Entry(member.name, member.isdir(), executable, link, member)

    def open(self, entry: _Entry) -> IO[bytes]:
        stream = self._tar.extractfile(entry.member)  # Of a hard link: what it is one of.
        if stream is None:
            raise WheelError("%.200r has no contents" % entry.path)
        return stream


class _Zip:
    def __init__(self, stream: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(stream)

    def entries(self) -> Iterator[_Entry]:
        for info in self._zip.infolist():
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise WheelError("%.200r is a link or a special file" % info.filename)
            # ``filename`` ends at a NUL, and has os.sep for "/".
            name = info.orig_filename
            yield _Entry(name, name.endswith("/"), bool(mode & 0o111), "", info)

    def open(self, entry: _Entry) -> IO[bytes]:
        return self._zip.open(entry.member)


class _Unpacking:
    """One archive on its way into one folder."""

    def __init__(self, archive: Any, folder: bytes) -> None:
        self._archive = archive
        self._folder = folder
        self._left = MAX_UNPACKED_BYTES

    def run(self) -> None:
        # Links come last: so no file is ever written through one.
        links: List[Tuple[str, str]] = []
        for count, entry in enumerate(self._entries()):
            if count > MAX_FILES:
                raise WheelError("it holds more than %d files" % MAX_FILES)
            path = _clean(entry.path)
            if not path:
                continue
            check_path(path)
            if entry.is_folder:
                self._make_folder(path)
            elif entry.link:
                _check_link(path, entry.link)
                links.append((path, entry.link))
            else:
                self._write(path, entry)
        for path, target in links:
            # There ``..`` would lead from elsewhere than its path says.
            if self._is_below_link(path):
                raise WheelError("the link %.200r lies below a link" % path)
            with self._creating(path) as place:
                os.symlink(to_bytes(target), place)

    def _entries(self) -> Iterator[_Entry]:
        entries = self._archive.entries()
        while True:
            with _reading():
                entry = next(entries, None)
            if entry is None:
                return
            yield entry

    def _write(self, path: str, entry: _Entry) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with self._creating(path) as place:
            descriptor = os.open(place, flags, 0o755 if entry.is_executable else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            for piece in self._pieces(entry):
                file.write(piece)

    def _pieces(self, entry: _Entry) -> Iterable[bytes]:
        with _reading():
            stream = self._archive.open(entry)
        with contextlib.closing(stream):
            while True:
                with _reading():
                    piece = stream.read(CHUNK_BYTES)
                if not piece:
                    return
                self._left -= len(piece)
                if self._left < 0:
                    raise WheelError("it unpacks to more than %d bytes" % MAX_UNPACKED_BYTES)
                yield piece

    def _make_folder(self, path: str) -> None:
        try:
            os.makedirs(os.path.join(self._folder, to_bytes(path)), exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise WheelError("%.200r is a folder and a file" % path) from None

    def _is_below_link(self, path: str) -> bool:
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        return any(os.path.islink(os.path.join(self._folder, to_bytes(one))) for one in above)

    @contextlib.contextmanager
    def _creating(self, path: str) -> Iterator[bytes]:
        """Give the place of a path, whose folder is made, and which nothing else may have."""
        self._make_folder(os.path.dirname(path) or ".")
        try:
            yield os.path.join(self._folder, to_bytes(path))
        except FileExistsError:
            raise WheelError("%.200r comes twice" % path) from None


def _clean(path: str) -> str:
    """Return a member's path as tools write it, without ``./`` in front and ``/`` behind."""
    while path.startswith("./"):
        path = path[2:]
    path = path[:-1] if path.endswith("/") else path
    return "" if path == "." else path


def _check_link(path: str, target: str) -> None:
    """Refuse a link that could lead out of the folder, by itself or through others.

    ``..`` may stand at its beginning only: behind the name of another link it would lead from
    where that leads.
    """
    parts = target.split("/")
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    rest = "/".join(parts[ups:])
    if ups > path.count("/"):
        raise WheelError("the link %.200r leads elsewhere" % path)
    if rest:
        check_path(rest)
