"""The folder that holds the temporary folders of one run's workers on one host.

Workers of one run on one host share the parent of their base folders, also when two agents of
the run (two interpreters) serve that host: suites keep what is made once for a run there.
"""

import os
import shutil
import stat
import tempfile

PRIVATE_MODE = 0o700


class RunFolder:
    """A run's folder below the host's temporary folder; the last agent to leave removes it."""

    def __init__(self, run_uid: str) -> None:
        parent = os.path.join(tempfile.gettempdir(), "remotest-of-%d" % os.getuid())
        _make_private(parent)
        self.path = os.path.join(parent, run_uid)
        _make_private(self.path)
        self._mark = os.path.join(self.path, ".agent-%d" % os.getpid())
        with open(self._mark, "w", encoding="ascii"):
            pass

    def for_worker(self, worker: str) -> str:
        """Return where a worker's own base folder is; pytest makes it."""
        return os.path.join(self.path, "popen-" + worker)

    def leave(self) -> None:
        """Remove the folder, unless another agent of the run is still there."""
        os.unlink(self._mark)
        if not any(name.startswith(".agent-") for name in os.listdir(self.path)):
            shutil.rmtree(self.path, ignore_errors=True)


def _make_private(path: str) -> None:
    """Make a folder of our own, and refuse one that somebody else put there.

    Raises:
        OSError: it is a link, no folder, or another user's.
    """
    try:
        os.mkdir(path, PRIVATE_MODE)
    except FileExistsError:
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise PermissionError("%s belongs to somebody else or is no folder" % path) from None
