"""Where this host keeps what a later run can use again: a private directory of the user's.

Below ``remotest/v1`` in it there are ``trees`` (see ``slots``), ``code`` (see ``bytecode``) and
what ``envstore`` keeps.
"""

import contextlib
import errno
import os
import stat
from typing import Any, Dict, List, Mapping, Optional, Tuple

from pytest_remotest import holders
from pytest_remotest.cacheplaces import candidates, within_home
from pytest_remotest.entries import to_text
from pytest_remotest.faults import Refused

ROOT = b""
TREES = b"trees"
PRIVATE = 0o700


def find(part: bytes, cache: Optional[str], environ: Mapping[str, str]) -> Tuple[bytes, List[str]]:
    """Return (the cache's directory for ``part``, notes on better places that could not be used).

    It is made where it is missing. Its path is the real one: what runs there may ask where it is,
    and is told that.

    Args:
        part: ``TREES`` or ``ROOT``, which holds all parts.
        cache: what the user wrote in ``cache=``.
        environ: where HOME and XDG_CACHE_HOME are looked up.

    Raises:
        Refused: there is no such place.
    """
    return find_in(candidates(cache, environ), part)


def find_in(folders: List[bytes], part: bytes) -> Tuple[bytes, List[str]]:
    """Return the same as ``find``, of caches that are known already, the best first."""
    notes: List[str] = []
    for candidate in folders:
        try:
            return os.path.realpath(_make(candidate, part)), notes
        except OSError as error:  # noqa: PERF203  three rounds at most
            what = "the tree" if part == TREES else "environments"
            notes.append("%s cannot hold %s: %s" % (to_text(candidate), what, error.strerror))
    raise Refused("; ".join(notes), "name a directory that you may write to, with cache=DIR")


def likely_place(
    cache: Optional[str], directory: Optional[str], environ: Mapping[str, str]
) -> bytes:
    """Return where a tree would be, or what exists above that. Looks only: nothing is made."""
    wanted = [within_home(directory, environ)] if directory else candidates(cache, environ)
    existing = [_existing_part(path) for path in wanted]
    return next((path for path in existing if os.access(path, os.W_OK | os.X_OK)), existing[0])


def tell(environ: Mapping[str, str]) -> List[Dict[str, Any]]:
    """Return what is known of each candidate, in their order. Looks only: nothing is made.

    ``path`` is text; the rest is about it, or about what exists above it: ``is_own`` whether we
    own it, ``is_writable``, ``free_bytes``, ``free_files`` (None where the disk does not count
    them), and ``is_noexec`` whether no program there can be started.
    """
    told = []
    for path in candidates(None, environ):
        with contextlib.suppress(OSError):  # A network file system that is gone: no candidate.
            told.append({"path": to_text(path), **_tell(_existing_part(path))})
    return told


def _tell(path: bytes) -> Dict[str, Any]:
    disk = os.statvfs(path)
    return {
        "is_own": os.stat(path).st_uid == os.geteuid(),
        "is_writable": os.access(path, os.W_OK | os.X_OK),
        "free_bytes": disk.f_bavail * disk.f_frsize,
        "free_files": disk.f_favail if disk.f_files else None,
        "is_noexec": is_noexec(path),
    }


def is_noexec(path: bytes) -> bool:
    """Return whether no program below a directory can be started, where the system tells that."""
    return bool(os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0))


def _existing_part(path: bytes) -> bytes:
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _make(candidate: bytes, part: bytes) -> bytes:
    if not os.path.isdir(candidate):
        os.makedirs(candidate, PRIVATE)
    if candidate.startswith(b"/var/tmp/"):  # There anybody may have made it before us.
        make_private(candidate)
    path = candidate
    for name in (b"remotest", b"v1", *([part] if part else [])):
        path = os.path.join(path, name)
        make_private(path)
    probe = os.path.join(path, b"probe." + holders.unique())
    holders.create(probe, b"")
    os.unlink(probe)
    return path


def make_private(path: bytes) -> None:
    """Make a directory that only we can enter, or check that it is one.

    Raises:
        OSError: it is somebody else's, or a link, or cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, PRIVATE)
    # Opened once: what a path leads to may be another thing from one look to the next.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        text = "%s is a link or file, where a directory is to be" % to_text(path)
        raise OSError(0, text) from None
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid():
            raise OSError(0, "%s belongs to another user" % to_text(path))
        if stat.S_IMODE(status.st_mode) != PRIVATE:
            os.fchmod(descriptor, PRIVATE)
    finally:
        os.close(descriptor)
