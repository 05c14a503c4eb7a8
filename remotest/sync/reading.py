"""A tree that is read in a thread: what has been read goes to hosts while the rest is read."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from remotest.errors import SyncError
from remotest.sync.ahead import Ahead
from remotest.sync.manifest import READING, THIS_MACHINE
from remotest.sync.scan import scan

if TYPE_CHECKING:
    from remotest.sync.memory import ScanMemory
    from remotest.sync.plan import Manifest
    from remotest.sync.scan import Request, Survey

LOOK_INTERVAL_S: Final = 1.0
"""Between two looks at whether it has ended: nothing depends on it, Ctrl-C gets through at once."""

SAVE_TIMEOUT_S: Final = 60
"""For the next sync to know what was read: longer, and the disk here is stuck."""


class Reading:
    """Reads one tree. Any thread may wait for it.

    Attributes:
        ahead: takes what is read of a tree that never has been: then no host is likely to have any
            of it. None where there was one before, or nobody sends it.
    """

    def __init__(
        self, request: Request, found: Survey, memory: ScanMemory, *, host_count: int
    ) -> None:
        """Begin.

        Args:
            request: as for ``scan``.
            found: as for ``scan``.
            memory: as for ``scan``.
            host_count: of those to which the tree is sent.
        """
        self.ahead = Ahead(host_count) if host_count and not memory.former else None
        self._scan = (request, found, memory, self.ahead)
        self._memory = memory
        self._is_known = threading.Event()
        self._manifest: Manifest | None = None
        self._error: Exception | None = None
        # A daemon: a disk that hangs must not keep anybody from exiting.
        self._thread = threading.Thread(target=self._read, name="remotest-read", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            self._manifest = scan(*self._scan)
        except Exception as error:  # noqa: BLE001  raised again by manifest()
            self._error = error
        finally:
            self._end()
        if self._manifest is not None:
            self._memory.save(self._manifest.text)

    def _end(self) -> None:
        if self.ahead is not None:
            self.ahead.end()
        self._is_known.set()

    def give_up(self) -> None:
        """Keep nobody waiting for what has not been read: hosts are left. Any thread may say so."""
        if not self._is_known.is_set():
            self._error = SyncError(
                host=THIS_MACHINE, phase=READING, cause="it was given up, as the hosts are left"
            )
            self._end()

    def manifest(self) -> Manifest:
        """Return what was read, as soon as it is.

        Raises:
            SyncError: something cannot be read, or it was given up.
        """
        while not self._is_known.wait(LOOK_INTERVAL_S):
            pass  # It is set however reading ends.
        if self._error is not None:
            raise self._error
        assert self._manifest is not None, "it was read, or could not be"
        return self._manifest

    def notes(self) -> list[str]:
        """Return what the user should hear of it, as soon as it is read and remembered.

        Raises:
            SyncError: something cannot be read.
        """
        manifest = self.manifest()
        self._thread.join(SAVE_TIMEOUT_S)
        notes = list(manifest.notes)
        if manifest.secrets:
            notes.append(
                "stayed here, as they look like secrets (a '!rule' in rsyncignore takes one "
                f"along): {', '.join(manifest.secrets)}"
            )
        return notes
