"""Contents that are packed before a host has asked for them: while it is dialled there is time."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_remotest import packing
from pytest_remotest.entries import FILE
from pytest_remotest.frames import encode_blobs
from remotest.sync.contents import BLOB_BYTES, ContentChanged, blobs, grouped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pytest_remotest.messages import Blob
    from remotest.sync.plan import Manifest

AHEAD_BYTES: Final = 32 * 1024 * 1024
"""Of packed contents that wait in memory: what zlib makes of 100 MB of sources, in a second."""

FINISH_S: Final = 60
"""How long the parcel in hand may take to be finished: longer, and the disk here is stuck."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A frame of whole contents.

    Attributes:
        digests: of the contents, each once.
        byte_count: of them, before they were packed.
        frame: as it goes to a host.
    """

    digests: frozenset[str]
    byte_count: int
    frame: bytes

    @classmethod
    def of(cls, group: Sequence[Blob], encoding: str) -> Parcel:
        """Return the parcel of some blobs; one that its content does not end with counts none."""
        return cls(
            digests=frozenset(blob.digest for blob in group if blob.last),
            byte_count=sum(len(blob.data) for blob in group),
            frame=encode_blobs(list(group), encoding),
        )


class PackedAhead:
    """Packs the contents of a manifest in a thread until a host has asked for some of them.

    It is for a tree that no host is likely to have. Any thread may call it.
    """

    def __init__(self, manifest: Manifest, host_count: int) -> None:
        """Begin.

        Args:
            manifest: what is packed of.
            host_count: how many hosts will ask. Nothing is kept after that.
        """
        self._manifest = manifest
        self._waiting_count = host_count
        self._parcels: list[Parcel] = []
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._pack, name="remotest-pack", daemon=True)
        self._thread.start()

    def take(self, wanted: Collection[str]) -> list[Parcel]:
        """Return the parcels of which a host wants all; nothing more is packed from here on."""
        self._is_over.set()
        self._thread.join(FINISH_S)
        with self._lock:
            parcels = [parcel for parcel in self._parcels if parcel.digests <= set(wanted)]
            self._waiting_count -= 1
            if self._waiting_count <= 0:
                self._parcels = []
        return parcels

    def _pack(self) -> None:
        size = 0
        for parcel in parcels_of(self._manifest):
            self._parcels.append(parcel)
            size += len(parcel.frame)
            if size > AHEAD_BYTES or self._is_over.is_set():
                return


def parcels_of(manifest: Manifest) -> Iterator[Parcel]:
    """Yield all contents of a manifest that go in one piece, packed so that every host can undo it.

    What has changed is left out: whoever is asked for it says so.
    """
    for group in grouped(_contents_of(manifest)):
        yield Parcel.of(group, packing.ZLIB)


def _contents_of(manifest: Manifest) -> Iterator[Blob]:
    digests = {
        entry.digest: None
        for entry in manifest.entries
        if entry.kind == FILE and entry.size < BLOB_BYTES
    }
    for digest in digests:
        with contextlib.suppress(ContentChanged):
            content = list(blobs(manifest.sources[digest], digest))
            if len(content) == 1:
                yield content[0]
