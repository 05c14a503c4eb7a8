"""An environment that is to be made on this host, and the files for it that are under way."""

import hashlib
import os
import re
from typing import Any, Callable, Dict, Iterator, List, Optional

from pytest_remotest import envstore, messages, wheelbuild, wheelnames
from pytest_remotest.envstore import EnvStore, WheelFile
from pytest_remotest.incoming import Incoming
from pytest_remotest.messages import ProtocolError
from pytest_remotest.wheelbuild import Build
from pytest_remotest.wheelnames import WheelError

MAX_WHEELS = 5000  # Of an environment: their digests are one message. The largest have hundreds.
READ_BYTES = 1024 * 1024  # Of a wheel that is checked, at once.

_KEY = re.compile(r"[0-9a-f]{8,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Order:
    """What a message asks for. ``lacking`` has the files that are not here by their digests."""

    def __init__(self, message: messages.EnvOpen) -> None:
        """Read a message.

        Raises:
            ProtocolError: no controller says so.
        """
        self.key = message.key
        self.is_fresh = message.fresh
        self.notes: List[str] = []
        self.lacking: Dict[str, WheelFile] = {}
        self._tags = message.tags
        self._wheels = [_wheel(row) for row in message.wheels]
        self._builds = [_build(row) for row in message.builds]
        if not _KEY.fullmatch(message.key) or len(self._wheels) > MAX_WHEELS:
            raise ProtocolError("%.80r is no environment" % (message.key,))
        self._store: Optional[EnvStore] = None
        self._lease: Optional[bytes] = None
        self._incoming: Optional[Incoming] = None
        self._arriving = b""

    def begin(self, store: EnvStore) -> None:
        """Find out what is lacking, and keep what is here until ``close``.

        Raises:
            OSError: as the disk has it.
        """
        self._store = store
        self._lease = store.leases.take(envstore.WHEELS)
        needed = list(self._wheels)
        for build in self._builds:
            if store.find_built(build.key) is None:
                needed += [build.source, *build.requires]
        self.lacking = {one.digest: one for one in needed if not _is_here(store, one)}

    def take(self, message: messages.Blob) -> None:
        """Take a piece of a file; the last of it makes it one that is here."""
        assert self._store is not None
        wheel = self.lacking.get(message.digest)
        if wheel is None:
            raise ProtocolError("the blob %.80r was not asked for" % (message.digest,))
        if self._incoming is None:
            self._arriving = self._store.arrival_place(wheel.digest)
            self._incoming = Incoming(wheel.digest, wheel.size, self._arriving)
        self._incoming.write(message)
        if message.last:
            self._incoming.close()
            self._incoming = None
            os.replace(self._arriving, self._store.wheel_path(wheel.digest, wheel.filename))
            del self.lacking[message.digest]

    def wheels(self, is_over: Callable[[], bool]) -> List[WheelFile]:
        """Return all that the environment consists of, once nothing is lacking.

        Args:
            is_over: whether nobody waits for it any more.

        Raises:
            BuildError: one of them cannot be built.
            WheelError: a source, or what it is built with, cannot be used.
            Refused: this interpreter cannot have an environment.
            OSError: as the disk has it.
        """
        assert self._store is not None
        made = []
        for build in self._builds:
            found = self._store.find_built(build.key)
            made.append(found or wheelbuild.build(self._store, build, self._tags, is_over))
        return [*self._wheels, *made]

    def close(self) -> None:
        """Let go of the files."""
        if self._incoming is not None:
            self._incoming.abandon()
            self._incoming = None
        if self._store is not None and self._lease is not None:
            self._store.leases.let_go(self._lease)
            self._lease = None


def _is_here(store: EnvStore, wheel: WheelFile) -> bool:
    path = store.wheel_path(wheel.digest, wheel.filename)
    checksum = hashlib.sha256()
    try:
        os.utime(path)  # It was used last now.
        with open(path, "rb") as file:
            for piece in iter(lambda: file.read(READ_BYTES), b""):
                checksum.update(piece)
    except FileNotFoundError:
        return False
    # Not whole: the disk was full, or the power went off, when it was written.
    return checksum.hexdigest() == wheel.digest


def _wheel(row: Any) -> WheelFile:
    wheel = _file(row)
    try:
        wheelnames.name_and_version(wheel.filename)
    except WheelError as error:
        raise ProtocolError(error.reason) from error
    return wheel


def _file(row: Any) -> WheelFile:
    if type(row) is not list or [type(field) for field in row] != [str, str, int]:
        raise ProtocolError("%.80r is no row of a file" % (row,))
    file = WheelFile(*row)
    try:
        wheelnames.check_path(file.filename)
    except WheelError as error:
        raise ProtocolError(error.reason) from error
    if not _DIGEST.fullmatch(file.digest) or file.size < 0:
        raise ProtocolError("%.80r is no digest of a file" % file.digest)
    if "/" in file.filename or file.filename.startswith("."):
        raise ProtocolError("%.80r is no name of a file" % file.filename)
    return file


def _build(row: List[Any]) -> Build:
    if [type(field) for field in row] != [str, str, str, list, str, list, dict, list]:
        raise ProtocolError("%.80r is no row of a build" % (row,))
    build = Build(*row)
    texts: Iterator[Any] = iter([*build.backend_path, *build.variables.values()])
    if not _DIGEST.fullmatch(build.key) or not all(type(text) is str for text in texts):
        raise ProtocolError("%.80r is no row of a build" % (row,))
    requires = [_wheel(wheel) for wheel in build.requires]
    return build._replace(source=_file(build.source), requires=requires)
