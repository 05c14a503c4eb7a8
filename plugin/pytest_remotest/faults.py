"""Why this host could not do what it was asked for, in words for the user."""

import errno
from typing import Tuple

from pytest_remotest.entries import to_text

_WORDS = {
    errno.ENOSPC: ("the disk is full", "free some room"),
    errno.EDQUOT: ("your disk quota is used up", "free some room"),
    errno.EROFS: ("the disk is read-only", "name a directory that you may write to"),
    errno.ENAMETOOLONG: ("a path is too long", "name a directory with a shorter path"),
    errno.EACCES: ("permission denied", "name a directory that you may write to"),
}


class Refused(Exception):  # noqa: N818  what the host did, not what it is
    """It cannot be done here. ``reason`` and ``remedy`` are for the user."""

    def __init__(self, reason: str, remedy: str) -> None:
        super(Refused, self).__init__(reason)
        self.reason = reason
        self.remedy = remedy


class NoRoom(Refused):
    """The disk is too small for it, as it is now."""


def of_the_disk(error: OSError) -> Tuple[str, str]:
    """Return (reason, remedy) for what went wrong with the disk."""
    words, remedy = _WORDS.get(error.errno or 0, ("the disk refuses", "see to it"))
    path = error.filename
    where = " at %s" % (to_text(path) if isinstance(path, bytes) else path) if path else ""
    reason = "%s%s: %s" % (words, where, error.strerror or error)
    return reason, remedy + ", or name another directory with cache=DIR"
