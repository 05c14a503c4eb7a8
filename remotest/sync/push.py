"""Bringing a manifest's tree to one host. The host asks for contents by digest, never by path."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import packing
from pytest_remotest.entries import FILE, to_row
from pytest_remotest.frames import encode, encode_blobs
from pytest_remotest.messages import (
    MAX_BATCH_ITEMS,
    AheadTaken,
    AskAhead,
    AskRoom,
    Room,
    SyncAhead,
    SyncCommit,
    SyncDone,
    SyncFailed,
    SyncOpen,
    SyncWant,
)
from remotest.errors import HostLost, ProtocolError, SyncError
from remotest.sync.contents import ContentChanged, blobs, blobs_of, grouped
from remotest.sync.pace import choose_encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_remotest.entries import Entry
    from pytest_remotest.messages import Blob
    from remotest.sync.ahead import Ahead
    from remotest.sync.plan import Manifest

PHASE: Final = "sync"

LOST_REMEDY: Final = "the same again, once the host is there: what has arrived is not sent again"

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
        sent_bytes: size of the contents that it was sent.
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
        destination: Destination,
        send: Callable[[bytes], None],
        receive: Callable[[float], Any],
        tell: Callable[[Progress], None] = lambda _: None,
        *,
        round_trip_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._tell = tell
        self._to = destination
        self._send = send
        self._receive = receive
        self._encoding = packing.PLAIN
        self._round_trip_s = round_trip_s
        self._began_s = 0.0
        self._sending_s = 0.0
        self._count = 0
        self.sent_bytes = self.packed_bytes = 0

    def bring(self, read: Callable[[], Manifest], ahead: Ahead | None) -> Pushed:
        """Have the whole conversation; see ``push``."""
        if ahead is None:
            manifest = read()
            self.offer(manifest, commit=True)
            sent = set(manifest.contents)
        else:
            try:
                entries = self.send_ahead(ahead)
            finally:
                ahead.leave()
            manifest = read()
            self.go_on(manifest, entries)
            sent = {entry.digest for entry in entries if entry.kind == FILE}
        digests = self.lacking(manifest)
        self.supply(manifest, digests)
        done = self.done()
        sent.update(digests)
        return Pushed(
            tree=done.tree,
            notes=tuple(done.notes),
            sent_bytes=self.sent_bytes,
            packed_bytes=self.packed_bytes,
            sent=tuple(entry.path for entry in manifest.entries if entry.digest in sent),
        )

    def send_ahead(self, ahead: Ahead) -> list[Entry]:
        """Send files while they are read, if the host takes them; return what was sent."""
        self._send(question(self._to))
        answer: AheadTaken = self._next(AheadTaken)
        self._encoding = packing.common(answer.encodings)
        sent: list[Entry] = []
        for group in ahead.take() if answer.is_taken else ():
            encoding = self._choose_encoding()
            if encoding != packing.ZLIB:
                ahead.stop_packing()
            for start in range(0, len(group.entries), MAX_BATCH_ITEMS):  # Many are directories.
                part = group.entries[start : start + MAX_BATCH_ITEMS]
                self._send(encode([SyncAhead([to_row(entry) for entry in part])]))
            self._send_contents(
                group.frame(encoding),
                count=group.file_count,
                byte_count=group.byte_count,
                totals=ahead.totals,
            )
            sent += group.entries
        return sent

    def offer(self, manifest: Manifest, *, commit: bool) -> None:
        """Announce the manifest of a tree that has not begun."""
        self._send(offer(manifest, self._to, commit=commit))
        if commit:
            self._count = len(manifest.contents)
            self.sent_bytes = sum(map(len, manifest.contents.values()))
            self.packed_bytes = len(manifest.offer.contents)

    def go_on(self, manifest: Manifest, sent: Sequence[Entry]) -> None:
        """Announce it after ``send_ahead``: a host that was sent something has no other one."""
        came = {entry.path for entry in sent}
        announcement = manifest.rest(came) if came else manifest.announcement
        self._send(encode([announcement, SyncCommit(self._to.is_held)]))

    def lacking(self, manifest: Manifest) -> list[str]:
        """Return the digests of the contents that the host lacks, each once."""
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

    def supply(self, manifest: Manifest, digests: list[str]) -> None:
        """Send contents that the host has asked for."""
        sizes = {entry.digest: entry.size for entry in manifest.entries}
        totals = (
            self._count + len(digests),
            self.sent_bytes + sum(sizes[digest] for digest in digests),
        )
        contents = (
            blob for digest in digests for blob in self._content(manifest.sources[digest], digest)
        )
        for group in grouped(contents):
            self._send_contents(
                encode_blobs(group, self._choose_encoding()),
                count=sum(blob.last for blob in group),
                byte_count=sum(len(blob.data) for blob in group),
                totals=totals,
            )

    def _choose_encoding(self) -> str:
        return choose_encoding(
            self._encoding,
            round_trip_s=self._round_trip_s(),
            sent_bytes=self.packed_bytes,
            elapsed_s=self._sending_s,
        )

    def _send_contents(
        self, frame: bytes, *, count: int, byte_count: int, totals: tuple[int, int]
    ) -> None:
        """Send so many contents of so many bytes, and tell how far it is."""
        now_s = time.monotonic()
        self._began_s = self._began_s or now_s
        self._send(frame)
        sent_s = time.monotonic()
        self._sending_s += sent_s - now_s
        self._count += count
        self.sent_bytes += byte_count
        self.packed_bytes += len(frame)
        self._tell(
            Progress(
                count=self._count,
                total_count=totals[0],
                byte_count=self.sent_bytes,
                total_bytes=totals[1],
                elapsed_s=sent_s - self._began_s,
            )
        )

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

    With ``commit`` the host makes its tree as soon as that can be, and is given what is new.
    """
    if not commit:
        return encode([_opening(destination), manifest.announcement])
    return encode([_opening(destination), manifest.offer, SyncCommit(destination.is_held)])


def question(destination: Destination) -> bytes:
    """Return the frame that a conversation begins with where files may come before the manifest."""
    return encode([_opening(destination), AskAhead()])


def _opening(to: Destination) -> SyncOpen:
    return SyncOpen(to.project, to.run_uid, to.cache, to.directory)


def push(
    read: Callable[[], Manifest],
    destination: Destination,
    send: Callable[[bytes], None],
    receive: Callable[[float], Any],
    tell: Callable[[Progress], None] = lambda _: None,
    *,
    ahead: Ahead | None = None,
    round_trip_s: Callable[[], float] = lambda: 0.0,
) -> Pushed:
    """Make the tree on a host equal to a manifest. Blocks; one thread for each host.

    Args:
        read: returns the manifest, which several hosts may have; waits for it where it is not read
            yet.
        destination: the host and the place there.
        send: sends one frame; blocks while the link is full, raises HostLost where it is gone. The
            first is the ``question`` where ``ahead`` is given, else the ``offer``.
        receive: waits so many seconds at most for the next Sync message of the host. Raises
            TimeoutError if none comes, HostLost where the link is gone.
        tell: is told how far it is after each frame, in this thread.
        ahead: has files of the manifest, maybe before ``read`` returns.
        round_trip_s: returns how long it takes to the host and back, 0 while that is not known.

    Raises:
        SyncError: the tree cannot be read, the host could not make it, or a file here has changed
            meanwhile.
        ProtocolError: the host asked for, or said, what it may not.
        HostLost: the link is gone.
    """
    conversation = _Push(destination, send, receive, tell, round_trip_s=round_trip_s)
    try:
        return conversation.bring(read, ahead)
    except HostLost as error:  # Who raises it does not know what for it was talked to.
        raise HostLost(
            host=error.host, phase=PHASE, cause=error.cause, remedy=LOST_REMEDY
        ) from None


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
    conversation = _Push(destination, send, receive)
    room = conversation.room()
    if manifest is None:
        return room, None
    conversation.offer(manifest, commit=False)
    wanted = set(conversation.lacking(manifest))
    lacking = [entry for entry in manifest.entries if entry.digest in wanted]
    sizes = {entry.digest: entry.size for entry in lacking}
    return room, Lacking(file_count=len(lacking), byte_count=sum(sizes.values()))
