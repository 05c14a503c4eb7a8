"""The folder that holds the temporary folders of one run's workers on one host.

Workers of one run on one host share the parent of their base folders, also when two agents of
the run (two interpreters) serve that host: suites keep what is made once for a run there.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from typing import Optional

PRIVATE_MODE = 0o700
LOCK_NAME = ".agents"
JOIN_ATTEMPTS = 100  # Each fails only where another agent has just removed the folder.

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class RunFolder:
    """A run's folder below the host's temporary folder; the last agent to leave removes it.

    Each agent holds a shared lock on a file in it, which the system takes back however the agent
    ends. Whoever gets the exclusive lock is the last. It first moves the folder out of the way,
    so that one who comes at that moment makes a new one.
    """

    def __init__(self, run_uid: str) -> None:
        """Make the folder or join those who have.

        Raises:
            OSError: it cannot be made, or somebody else has put something in its place.
        """
        parent = os.path.join(tempfile.gettempdir(), "remotest-of-%d" % os.getuid())
        _make_private(parent)
        self.path = os.path.join(parent, folder_name(run_uid))
        for _ in range(JOIN_ATTEMPTS):
            _make_private(self.path)
            lock = _lock(self.path, fcntl.LOCK_SH)
            if lock is not None:
                self._lock = lock
                return
        raise FileExistsError("%s is removed as often as it is made" % self.path)

    def leave(self) -> None:
        """Remove the folder, unless another agent of the run is still there.

        It takes along what runs have left whose agents were killed.
        """
        os.close(self._lock)
        parent = os.path.dirname(self.path)
        with contextlib.suppress(OSError):  # Somebody cleans up the temporary folder as well.
            for name in os.listdir(parent):
                _remove_if_left(os.path.join(parent, name))


def folder_name(run_uid: str) -> str:
    """Return the name of a run's folder: the run's identifier, where it is fit to be a name."""
    if _PLAIN_NAME.fullmatch(run_uid):
        return run_uid
    return hashlib.sha256(run_uid.encode("utf-8", "surrogatepass")).hexdigest()


def _lock(folder: str, how: int) -> Optional[int]:
    """Return a locked descriptor, or None where the folder is not in its place by then.

    A wait for the lock is as short as the renaming of a folder.
    """
    name = os.path.join(folder, LOCK_NAME)
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, how)
        if os.path.samestat(os.fstat(descriptor), os.stat(name)):
            return descriptor
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _remove_if_left(folder: str) -> None:
    """Remove a run's folder if no agent is there any more."""
    try:
        lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # An agent is there, or it is no folder of a run.
        return
    if lock is None:  # It is gone already.
        return
    aside = "%s.%d.gone" % (folder, os.getpid())
    try:
        os.rename(folder, aside)
    finally:
        os.close(lock)
    shutil.rmtree(aside, ignore_errors=True)


def _make_private(path: str) -> None:
    """Make a folder of our own, and refuse one that somebody else put there.

    Raises:
        OSError: it is a link, no folder, or another user's; or it cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, PRIVATE_MODE)
        return
    with contextlib.suppress(FileNotFoundError):  # It was removed meanwhile.
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError("%s belongs to somebody else or is no folder" % path)
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise PermissionError("%s is open to others: remove it" % path)
