"""The host's side of a sync: receives a tree, and asks by digest for the contents it lacks."""

import contextlib
import os
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

from pytest_remotest import cachefolder, early, faults, frames, manifests, messages, packing, slots
from pytest_remotest.early import Early
from pytest_remotest.entries import Entry, to_text
from pytest_remotest.faults import NoRoom, Refused
from pytest_remotest.incoming import Incoming, check
from pytest_remotest.messages import ProtocolError
from pytest_remotest.mirror import Mirror

MANIFEST = b"manifest"  # In the state of a slot: of the tree that was made there last.
NEW_MANIFEST = b"manifest.new"
PROJECT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


class Receiver:
    """Receives one tree after another and holds its slot until ``release``.

    Args:
        send: takes one message for the controller.
        environ: where HOME and XDG_CACHE_HOME are looked up.
    """

    def __init__(
        self, send: Callable[[Any], None], environ: Mapping[str, str] = os.environ
    ) -> None:
        self._send = send
        self._environ = environ
        self._slot: Optional[slots.Slot] = None
        self._holders: List[bytes] = []
        self._forget()

    def _forget(self) -> None:
        """Begin anew: what is still under way to us for an earlier tree is dropped."""
        self._manifest = ""  # The digest of the one that was announced.
        self._text: Optional[bytes] = None  # Of a manifest that is not the one that is kept.
        self._early: Optional[Early] = None
        self._mirror: Optional[Mirror] = None
        self._wanted: Dict[str, int] = {}
        self._brought: Dict[str, messages.Blob] = {}  # Contents that came with the manifest.
        self._is_committing = False
        self._is_held = True
        self._has_failed = False
        self._notes: List[str] = []
        self._cache: Optional[bytes] = None  # The root of the one that the tree is in.
        self._incoming: Optional[Incoming] = None

    # -- from the controller -----------------------------------------------------------------

    def open(self, message: messages.SyncOpen) -> None:
        """Take a slot for the tree."""
        self.release()
        self._forget()
        with self._telling_failures():
            if not PROJECT_NAME.fullmatch(message.project):
                raise ProtocolError("%.80r is no name of a project" % (message.project,))
            if message.directory is not None:
                self._slot = slots.take_directory(message.directory, self._environ, message.run_uid)
                return
            trees, self._notes = cachefolder.find(cachefolder.TREES, message.cache, self._environ)
            self._cache = os.path.dirname(trees)
            self._slot = slots.take_slot(trees, message.project, message.run_uid)

    def ask_ahead(self, _: messages.AskAhead) -> None:
        """Say whether files may come before their manifest."""
        if self._has_failed:
            return
        if self._slot is None or self._manifest or self._early is not None:
            raise ProtocolError("a question about files ahead of a tree that has begun")
        with self._telling_failures():
            if early.is_welcome(self._slot):
                self._early = Early(self._slot.path)
            is_taken = self._early is not None
            self._send(messages.AheadTaken(is_taken, packing.encodings()))

    def ahead(self, message: messages.SyncAhead) -> None:
        """Take the names of files that come before their manifest."""
        if self._has_failed:
            return
        if self._early is None or self._manifest:
            raise ProtocolError("files ahead of a tree that takes none")
        self._early.expect(message.rows)

    def manifest(self, message: messages.SyncManifest) -> None:
        """Take the manifest: it is kept here, comes of the one kept here, or is asked for."""
        if self._has_failed:
            return
        if self._slot is None or self._manifest:
            raise ProtocolError("a manifest outside of a tree")
        if not 0 <= message.size <= manifests.MAX_MANIFEST_BYTES:
            raise ProtocolError("a manifest of %d bytes" % message.size)
        self._manifest = message.digest
        self._brought = {blob.digest: blob for blob in frames.from_text(message.contents)}
        with self._telling_failures():
            kept, kept_digest = manifests.read(self._state_path(MANIFEST))
            if kept_digest == message.digest:
                self._begin(manifests.to_checked_tree(kept))
                return
            base = kept if kept_digest == message.base else b""
            rest = manifests.apply(base, manifests.Changes(message.dropped, message.added))
            came = [] if self._early is None else self._early.entries
            text = manifests.join(rest, came)
            if manifests.digest_of(text) == message.digest:
                self._begin_new(text, manifests.to_tree(rest, came))
            else:
                self._wanted = {message.digest: message.size}
                self._ask()

    def _state_path(self, name: bytes) -> bytes:
        assert self._slot is not None, "a tree without a slot"
        return os.path.join(self._slot.state, name)

    def _begin_new(self, text: bytes, tree: Dict[str, Entry]) -> None:
        self._text = text
        self._begin(tree)

    def _begin(self, tree: Dict[str, Entry]) -> None:
        """Ask for what the tree of a manifest lacks, and make it if that has been said."""
        assert self._slot is not None, "a tree without a slot"
        known = {} if self._early is None else self._early.files
        self._mirror = Mirror(self._slot.path, self._slot.state, tree, known)
        self._wanted = self._mirror.lacking()
        self._ask()
        if self._is_committing:
            self._make(self._mirror)

    def _ask(self) -> None:
        digests = [digest for digest in self._wanted if digest not in self._brought]
        encodings = packing.encodings()
        size = messages.MAX_BATCH_ITEMS
        for start in range(0, max(len(digests), 1), size):
            part = digests[start : start + size]
            self._send(messages.SyncWant(part, start + size >= len(digests), encodings))

    def commit(self, message: messages.SyncCommit) -> None:
        """Change the tree from here on; it is done once nothing is wanted any more."""
        if self._has_failed:
            return
        if not self._manifest or self._is_committing:
            raise ProtocolError("a commit without a manifest")
        self._is_committing = True
        self._is_held = message.held
        if self._mirror is not None:  # else it begins when the manifest is here
            with self._telling_failures():
                self._make(self._mirror)

    def _make(self, mirror: Mirror) -> None:
        """Begin to make the tree, unless it is there."""
        if not mirror.is_equal:
            self._prepare(mirror)
            for digest in self._brought.keys() & self._wanted.keys():
                self._write(mirror, self._brought[digest])
        self._finish_if_complete()

    def _write(self, mirror: Mirror, blob: messages.Blob) -> None:
        """Take a whole content."""
        check(blob, self._wanted[blob.digest])
        del self._wanted[blob.digest]
        mirror.write(blob.digest, blob.data)

    def _prepare(self, mirror: Mirror) -> None:
        """Prepare the tree; where the disk is too small, without what is overdue in the cache."""
        try:
            mirror.prepare()
        except NoRoom:
            if self._cache is None:
                raise
            # Not at the top: it is seldom needed, and takes long to import.
            from pytest_remotest import cleaning  # noqa: PLC0415
            from pytest_remotest.envstore import EnvStore  # noqa: PLC0415

            removed = cleaning.clean(EnvStore(self._cache))
            mirror.prepare()
            self._notes.append(
                "the disk was full: %d environments and wheels that no run has wanted for long "
                "were removed, and what was to be deleted" % len(removed)
            )

    def blob(self, message: messages.Blob) -> None:
        """Take a piece of a file, or of the manifest, that was asked for or announced."""
        if self._has_failed:
            return
        if self._early is not None and not self._manifest:
            self._early.write(message)
            return
        if not self._is_committing and self._mirror is not None:
            raise ProtocolError("a blob before the commit")
        size = self._wanted.get(message.digest)
        if size is None:
            raise ProtocolError("the blob %.80r was not asked for" % (message.digest,))
        with self._telling_failures():
            if self._mirror is not None and self._incoming is None and message.last:
                self._write(self._mirror, message)
                self._finish_if_complete()
            else:
                self._piece(message, size)

    def _piece(self, message: messages.Blob, size: int) -> None:
        """Take a piece of what is larger than a frame, or is the manifest."""
        if self._incoming is None:
            mirror = self._mirror
            path = mirror.staging(message.digest) if mirror else self._state_path(NEW_MANIFEST)
            self._incoming = Incoming(message.digest, size, path)
        self._incoming.write(message)
        if not message.last:
            return
        self._incoming.close()
        path = self._incoming.path
        self._incoming = None
        del self._wanted[message.digest]
        if self._mirror is not None:
            self._mirror.place(message.digest, path)
            self._finish_if_complete()
        else:
            with open(path, "rb") as file:
                text = file.read()
            os.unlink(path)
            self._begin_new(text, manifests.to_tree(text))

    def tell_room(self, message: messages.AskRoom) -> None:
        """Say how much room there is where a tree would be."""
        with self._telling_failures():
            place = cachefolder.likely_place(message.cache, message.directory, self._environ)
            disk = os.statvfs(place)
            room = messages.Room(
                place=to_text(place),
                total_bytes=disk.f_blocks * disk.f_frsize,
                free_bytes=disk.f_bavail * disk.f_frsize,
                free_files=disk.f_favail if disk.f_files else None,
            )
            self._send(room)

    def hold(self, message: messages.HoldTree) -> None:
        """Keep a tree that another agent of this run has received."""
        with self._telling_failures():
            self._holders.append(slots.hold(message.tree))

    def release(self) -> None:
        """Let go of everything: the next run may have the slot."""
        if self._incoming is not None:
            self._incoming.abandon()
            self._incoming = None
        with contextlib.suppress(OSError):  # The disk is gone, and with it what we held.
            while self._holders:
                slots.let_go(self._holders.pop())
            if self._slot is not None:
                self._slot.release()
        self._slot = None

    # -- to the controller -------------------------------------------------------------------

    def _finish_if_complete(self) -> None:
        if self._wanted or self._mirror is None or self._slot is None:
            return
        if self._mirror.is_equal:
            self._mirror.remember()
        else:
            self._mirror.finish()
        self._keep_manifest()
        tree = to_text(self._slot.path)
        if not self._is_held:
            self.release()
        self._send(messages.SyncDone(tree, self._notes))

    def _keep_manifest(self) -> None:
        if self._text is not None:
            path = self._state_path(NEW_MANIFEST)
            with open(path, "wb") as file:
                file.write(self._text)
            os.replace(path, self._state_path(MANIFEST))
            self._text = None

    @contextlib.contextmanager
    def _telling_failures(self) -> Iterator[None]:
        """Send SyncFailed for what goes wrong with the disk, and ignore the rest of this tree."""
        try:
            yield
        except Refused as error:
            self._fail(error.reason, error.remedy)
        except OSError as error:
            self._fail(*faults.of_the_disk(error))

    def _fail(self, reason: str, remedy: str) -> None:
        self._has_failed = True
        if self._incoming is not None:
            self._incoming.abandon()
            self._incoming = None
        self._send(messages.SyncFailed(reason, remedy))
