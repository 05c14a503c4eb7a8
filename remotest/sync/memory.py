"""What the last scan of a project has seen, so that the next one need not read every file.

All of it may be lost at any time, or never be written: then files are read, and hosts are sent
whole manifests.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_remotest.statcache import Known, StatCache, signature

if TYPE_CHECKING:
    from collections.abc import Mapping

SCANS: Final = "scans"
MANIFESTS: Final = "manifests"
PARTS: Final = (SCANS, MANIFESTS)
"""Of the cache; each has a file for each project."""

PRIVATE_MODE: Final = 0o700
"""What a project's files are called is nobody else's business."""


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the controller's cache is, unless another place is named.

    Who has no home directory, as in some containers, has ``/``, where only root can write.
    """
    base = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):  # noqa: PTH117  an empty text is no path
        parent = Path(base)
    else:
        try:
            parent = Path.home() / ".cache"
        except RuntimeError:
            parent = Path("/.cache")
    return parent / "remotest" / "v1"


class ScanMemory:
    """Digests of files by absolute path, and the text of the manifest that came of them."""

    def __init__(self, root: Path, project: str) -> None:
        """Recall the last scan.

        Args:
            root: of the cache.
            project: of ``plan.project_key``.
        """
        self._manifest_path = root / MANIFESTS / f"{project}.json"
        self._digests: StatCache | None = None
        self._looked_ns = 0
        self._seen: dict[str, Known] = {}
        self._has_read = False
        with contextlib.suppress(OSError):
            root.parent.parent.mkdir(parents=True, exist_ok=True)
            for folder in (root.parent, root, *(root / part for part in PARTS)):
                folder.mkdir(PRIVATE_MODE, exist_ok=True)
            digests = StatCache(os.fsencode(root / SCANS / f"{project}.json"))
            self._looked_ns = digests.look_time_ns()
            self._digests = digests
        self.former = self._read_manifest()

    def _read_manifest(self) -> bytes:
        """Return the text of the last manifest, empty without one."""
        try:
            return self._manifest_path.read_bytes()
        except OSError:
            return b""

    def digest(self, path: str, status: os.stat_result) -> str | None:
        """Return the sha256 of a file that has this status now, None where it must be read."""
        known = None if self._digests is None else self._digests.digest(path, status)
        if known is not None:
            self._seen[path] = Known(signature(status), known)
        return known

    def note(self, path: str, status: os.stat_result, digest: str) -> None:
        """Remember what a file held that was read after it had this status."""
        self._has_read = True
        self._seen[path] = Known(signature(status), digest)

    def save(self, manifest: bytes) -> None:
        """Remember what was seen, and the text of the manifest that came of it."""
        if self._digests is None:
            return
        with contextlib.suppress(OSError):
            if self._has_read:
                self._digests.save(self._seen, self._looked_ns)
            if manifest != self.former:
                path = self._manifest_path
                new = path.with_suffix(f".{uuid.uuid4().hex}")
                new.write_bytes(manifest)
                new.replace(path)
