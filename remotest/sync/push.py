"""Bringing a manifest's tree to one host. The host asks for contents by digest, never by path."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import packing
from pytest_remotest.frames import encode, encode_blobs
from pytest_remotest.messages import (
    AskRoom,
    Room,
    SyncCommit,
    SyncDone,
    SyncFailed,
    SyncOpen,
    SyncWant,
)
from remotest.errors import ProtocolError, SyncError
from remotest.sync.ahead import PackedAhead, Parcel
from remotest.sync.contents import ContentChanged, blobs, blobs_of, grouped
from remotest.sync.pace import choose_encoding
from remotest.sync.plan import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from pytest_remotest.messages import Blob

PHASE: Final = "sync"

ANSWER_TIMEOUT_S: Final = 600
"""From the last byte sent to the host's next answer. In it a host may hash a tree of gigabytes, or
write out what still waited in its pipes to a slow disk."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a tree goes.

    Attributes:
        host: as the user wrote it, for errors.
        project: of ``plan.project_key``.
        run_uid: of this run.
        cache: directory on the host to keep trees in, None for the host's own choice.
        directory: the tree's own directory on the host, None for one in the cache.
        is_held: whether no other run may have the tree before its agent leaves.
    """

    host: str
    project: str
    run_uid: str
    cache: str | None = None
    directory: str | None = None
    is_held: bool = True


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """A tree that equals its manifest.

    Attributes:
        tree: absolute path of it on the host.
        notes: what the host has to say, one line each.
        sent_bytes: size of the contents that the host lacked.
        packed_bytes: what became of them on the way.
        sent: paths in the tree of these contents.
    """

    tree: str
    notes: tuple[str, ...]
    sent_bytes: int
    packed_bytes: int = 0
    sent: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How much of what a host lacks has left, and in which time: contents, and their bytes."""

    count: int
    total_count: int
    byte_count: int
    total_bytes: int
    elapsed_s: float


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """What a host lacks of a tree: ``file_count`` files, and the bytes that it would be sent."""

    file_count: int
    byte_count: int


class _Push:
    """One conversation with a host."""

    def __init__(
        self,
        manifest: Manifest,
        destination: Destination,
        send: Callable[[bytes], None],
        receive: Callable[[float], Any],
        tell: Callable[[Progress], None] = lambda _: None,
        *,
        ahead: PackedAhead | None = None,
        round_trip_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._manifest = manifest
        self._ahead = ahead
        self._tell = tell
        self._to = destination
        self._send = send
        self._receive = receive
        self._encoding = packing.PLAIN
        self._round_trip_s = round_trip_s

    def offer(self, *, commit: bool) -> None:
        self._send(offer(self._manifest, self._to, commit=commit))

    def lacking(self) -> list[str]:
        """Return the digests of the contents that the host lacks, each once."""
        manifest = self._manifest
        digests = self._wanted({manifest.digest: "", **manifest.sources})
        if digests != [manifest.digest]:
            return digests
        for group in grouped(blobs_of(manifest.text, manifest.digest)):
            self._send(encode_blobs(group, self._encoding))
        return self._wanted(manifest.sources)

    def _wanted(self, offered: Mapping[str, str]) -> list[str]:
        digests: dict[str, None] = {}
        while True:
            want = self._next(SyncWant)
            if not (want.digests or want.last):
                raise ProtocolError(
                    host=self._to.host,
                    phase=PHASE,
                    cause="the host asks for nothing, and does not come to an end",
                )
            for digest in want.digests:
                if digest not in offered or digest in digests:
                    raise ProtocolError(
                        host=self._to.host,
                        phase=PHASE,
                        cause=f"the host asks for {digest!r:.80}, which is not offered",
                        remedy="this is no remotest agent, or a manipulated one: do not use it",
                    )
                digests[digest] = None
            if want.last:
                self._encoding = packing.common(want.encodings)
                return list(digests)

    def supply(self, digests: list[str]) -> tuple[int, int]:
        """Send contents. Return their size, and that of what they were packed to."""
        sizes = {entry.digest: entry.size for entry in self._manifest.entries}
        total_bytes = sum(sizes[digest] for digest in digests)
        began_s = time.monotonic()
        count = size = packed_size = 0
        for parcel in self._parcels(digests):
            self._send(parcel.frame)
            count += len(parcel.digests)
            size += parcel.byte_count
            packed_size += len(parcel.frame)
            self._tell(
                Progress(
                    count=count,
                    total_count=len(digests),
                    byte_count=size,
                    total_bytes=total_bytes,
                    elapsed_s=time.monotonic() - began_s,
                )
            )
        return size, packed_size

    def _parcels(self, digests: Collection[str]) -> Iterator[Parcel]:
        """Yield what is sent, packed already or now. Each was sent when the next is asked for."""
        left = dict.fromkeys(digests)
        for parcel in self._packed_already(digests):
            for digest in parcel.digests:
                del left[digest]
            yield parcel
        began_s = time.monotonic()
        sent_bytes = 0
        for group in grouped(self._contents(left)):
            encoding = choose_encoding(
                self._encoding,
                round_trip_s=self._round_trip_s(),
                sent_bytes=sent_bytes,
                elapsed_s=time.monotonic() - began_s,
            )
            parcel = Parcel.of(group, encoding)
            yield parcel
            sent_bytes += len(parcel.frame)

    def _packed_already(self, digests: Collection[str]) -> list[Parcel]:
        parcels = [] if self._ahead is None else self._ahead.take(digests)
        encoding = choose_encoding(self._encoding, round_trip_s=self._round_trip_s())
        return [] if encoding == packing.PLAIN else parcels

    def _contents(self, digests: Iterable[str]) -> Iterator[Blob]:
        for digest in digests:
            yield from self._content(self._manifest.sources[digest], digest)

    def _content(self, path: str, digest: str) -> Iterator[Blob]:
        try:
            yield from blobs(path, digest)
        except ContentChanged as error:
            raise self._changed(path, str(error)) from error

    def room(self) -> Room:
        self._send(encode([AskRoom(self._to.cache, self._to.directory)]))
        answer: Room = self._next(Room)
        return answer

    def done(self) -> SyncDone:
        answer: SyncDone = self._next(SyncDone)
        return answer

    def _next(self, expected: type) -> Any:
        try:
            answer = self._receive(ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise SyncError(
                host=self._to.host,
                phase=PHASE,
                cause=f"no answer within {ANSWER_TIMEOUT_S} s",
                remedy="see whether the host's disk is very slow, or the connection is gone",
            ) from None
        if isinstance(answer, SyncFailed):
            raise SyncError(
                host=self._to.host, phase=PHASE, cause=answer.reason, remedy=answer.remedy
            )
        if not isinstance(answer, expected):
            raise ProtocolError(
                host=self._to.host,
                phase=PHASE,
                cause=f"{type(answer).__name__} came where {expected.__name__} was due",
            )
        return answer

    def _changed(self, path: str, reason: str) -> SyncError:
        return SyncError(
            host=self._to.host,
            phase=PHASE,
            cause=f"{path} is no longer what it was when the tree was read: {reason}",
            remedy="run again while nothing writes to it, or leave it out with rsyncignore",
        )


def offer(manifest: Manifest, destination: Destination, *, commit: bool = True) -> bytes:
    """Return the frame that a conversation begins with: it announces the manifest.

    With ``commit`` the host makes its tree as soon as that can be.
    """
    to = destination
    opening = SyncOpen(to.project, to.run_uid, to.cache, to.directory)
    commits = [SyncCommit(to.is_held)] if commit else []
    return encode([opening, manifest.announcement, *commits])


def push(
    manifest: Manifest,
    destination: Destination,
    send: Callable[[bytes], None],
    receive: Callable[[float], Any],
    tell: Callable[[Progress], None] = lambda _: None,
    *,
    ahead: PackedAhead | None = None,
    round_trip_s: Callable[[], float] = lambda: 0.0,
) -> Pushed:
    """Make the tree on a host equal to a manifest. Blocks; one thread for each host.

    Args:
        manifest: may be used for several hosts at once.
        destination: the host and the place there.
        send: sends one frame; blocks while the link is full, raises HostLost where it is gone. The
            first is the ``offer``.
        receive: waits so many seconds at most for the next Sync message of the host. Raises
            TimeoutError if none comes, HostLost where the link is gone.
        tell: is told how far it is after each frame, in this thread.
        ahead: has contents of the manifest that are packed already.
        round_trip_s: returns how long it takes to the host and back, 0 while that is not known.

    Raises:
        SyncError: the host could not make the tree, or a file here has changed meanwhile.
        ProtocolError: the host asked for, or said, what it may not.
        HostLost: from ``send`` and ``receive``.
    """
    conversation = _Push(
        manifest, destination, send, receive, tell, ahead=ahead, round_trip_s=round_trip_s
    )
    conversation.offer(commit=True)
    digests = conversation.lacking()
    sent_bytes, packed_bytes = conversation.supply(digests)
    done = conversation.done()
    wanted = set(digests)
    return Pushed(
        tree=done.tree,
        notes=tuple(done.notes),
        sent_bytes=sent_bytes,
        packed_bytes=packed_bytes,
        sent=tuple(entry.path for entry in manifest.entries if entry.digest in wanted),
    )


def preview(
    manifest: Manifest | None,
    destination: Destination,
    send: Callable[[bytes], None],
    receive: Callable[[float], Any],
) -> tuple[Room, Lacking | None]:
    """Return how much room the host has, and what ``push`` would send there.

    At most empty directories to keep trees in are made. Arguments and errors are those of
    ``push``; without a manifest, only the room is asked for.
    """
    conversation = _Push(manifest or Manifest(entries=(), sources={}), destination, send, receive)
    room = conversation.room()
    if manifest is None:
        return room, None
    conversation.offer(commit=False)
    wanted = set(conversation.lacking())
    lacking = [entry for entry in manifest.entries if entry.digest in wanted]
    sizes = {entry.digest: entry.size for entry in lacking}
    return room, Lacking(file_count=len(lacking), byte_count=sum(sizes.values()))
