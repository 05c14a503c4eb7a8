"""The host's side of bringing a tree here: what it lacks is asked for, by digest."""

import contextlib
import os
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

from pytest_remotest import cachefolder, cleaning, faults, messages, slots
from pytest_remotest.entries import Entry, check_tree, from_row, to_text
from pytest_remotest.envstore import EnvStore
from pytest_remotest.faults import NoRoom, Refused
from pytest_remotest.incoming import Incoming
from pytest_remotest.messages import ProtocolError
from pytest_remotest.mirror import Mirror

MAX_ENTRIES = 5000000  # Of a manifest: 5 GB of them in memory. No tree of sources comes near.
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
        self._entries: List[Entry] = []
        self._mirror: Optional[Mirror] = None
        self._wanted: Dict[str, int] = {}
        self._is_committing = False
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

    def entries(self, message: messages.SyncEntries) -> None:
        """Take a part of the manifest; after the last, ask for what is lacking."""
        if self._has_failed:
            return
        if self._slot is None or self._mirror is not None:
            raise ProtocolError("entries outside of a manifest")
        self._entries += [from_row(row) for row in message.entries]
        if len(self._entries) > MAX_ENTRIES:
            raise ProtocolError("a manifest of more than %d entries" % MAX_ENTRIES)
        if not message.last:
            return
        tree = check_tree(self._entries)
        with self._telling_failures():
            self._mirror = Mirror(self._slot.path, self._slot.state, tree)
            self._wanted = self._mirror.lacking()
            self._ask()

    def _ask(self) -> None:
        digests = sorted(self._wanted)
        size = messages.MAX_BATCH_ITEMS
        for start in range(0, len(digests), size):
            part = digests[start : start + size]
            self._send(messages.SyncWant(part, start + size >= len(digests)))
        if not digests:
            self._send(messages.SyncWant([], True))

    def commit(self, _: messages.SyncCommit) -> None:
        """Change the tree from here on; it is done once nothing is wanted any more."""
        if self._has_failed:
            return
        if self._mirror is None or self._is_committing:
            raise ProtocolError("a commit without a manifest")
        self._is_committing = True
        with self._telling_failures():
            self._prepare(self._mirror)
            self._finish_if_complete()

    def _prepare(self, mirror: Mirror) -> None:
        """Prepare the tree; where the disk is too small, without what is overdue in the cache."""
        try:
            mirror.prepare()
        except NoRoom:
            if self._cache is None:
                raise
            removed = cleaning.clean(EnvStore(self._cache))
            mirror.prepare()
            self._notes.append(
                "the disk was full: %d environments and wheels that no run has wanted for long "
                "were removed, and what was to be deleted" % len(removed)
            )

    def blob(self, message: messages.Blob) -> None:
        """Take a piece of a file that was asked for."""
        if self._has_failed:
            return
        if self._mirror is None or not self._is_committing:
            raise ProtocolError("a blob before the commit")
        if self._incoming is None:
            size = self._wanted.get(message.digest)
            if size is None:
                raise ProtocolError("the blob %.80r was not asked for" % (message.digest,))
            with self._telling_failures():
                self._incoming = Incoming(message.digest, size, self._mirror.staged)
        if self._incoming is None:
            return
        with self._telling_failures():
            self._incoming.write(message)
            if message.last:
                self._incoming.close()
                self._incoming = None
                del self._wanted[message.digest]
                self._mirror.place(message.digest)
                self._finish_if_complete()

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
        self._mirror.finish()
        self._send(messages.SyncDone(to_text(self._slot.path), self._notes))

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
