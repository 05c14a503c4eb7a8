"""Telling what this host keeps for later runs, and removing what somebody does not want there."""

import contextlib
import os
from typing import Any, Callable, Iterable, Iterator, List, Mapping

from pytest_remotest import (
    cachefolder,
    cleaning,
    codekeeper,
    faults,
    holders,
    messages,
    slots,
    trash,
)
from pytest_remotest.entries import to_bytes, to_text
from pytest_remotest.envstore import EnvStore, Kept
from pytest_remotest.faults import Refused
from pytest_remotest.messages import ProtocolError

TREE, CODE = "tree", "code"  # Kinds of things, beside those of ``envstore``.


class CacheKeeper:
    """Answers questions about the cache.

    Args:
        send: takes one message for the controller.
        environ: where HOME and XDG_CACHE_HOME are looked up.
    """

    def __init__(
        self, send: Callable[[Any], None], environ: Mapping[str, str] = os.environ
    ) -> None:
        self._send = send
        self._environ = environ

    def ask(self, message: messages.AskCache) -> None:
        """Do what is asked for, and tell."""
        try:
            root, _ = cachefolder.find(cachefolder.ROOT, message.cache, self._environ)
            self._tell(root, _do(root, message))
        except Refused as error:
            self._send(messages.CacheFailed(error.reason, error.remedy))
        except OSError as error:
            self._send(messages.CacheFailed(*faults.of_the_disk(error)))

    def _tell(self, root: bytes, things: List[Kept]) -> None:
        size = messages.MAX_BATCH_ITEMS
        for start in range(0, len(things) or 1, size):
            rows = [list(thing) for thing in things[start : start + size]]
            self._send(messages.CacheTold(to_text(root), rows, start + size >= len(things)))


def _do(root: bytes, message: messages.AskCache) -> List[Kept]:
    """Return what is there, or what was removed."""
    store = EnvStore(root)
    if message.action == "collect":
        return cleaning.clean(store)
    things = [*store.kept(), *_trees(root), *_codes(root)]
    if message.action == "list":
        return things
    if message.action != "remove":
        raise ProtocolError("%.80r is nothing to do with a cache" % (message.action,))
    named = {tuple(row) for row in message.things}
    chosen = [thing for thing in things if (thing.kind, thing.key) in named]
    removed = [
        *store.remove(chosen),
        *_remove_trees(root, chosen, store),
        *_remove_codes(root, chosen),
    ]
    trash.empty(store.trash)
    return removed


def _trees(root: bytes) -> Iterator[Kept]:
    trees = os.path.join(root, cachefolder.TREES)
    for project in os.listdir(trees) if os.path.isdir(trees) else ():
        for number in os.listdir(os.path.join(trees, project)):
            key = to_text(os.path.join(project, number))
            path = os.path.join(trees, project, number)
            with contextlib.suppress(FileNotFoundError):  # Removed meanwhile.
                used_s = os.stat(os.path.join(path, slots.STATE)).st_mtime
                yield Kept(TREE, key, key, _size(path), used_s, slots.is_held(path))


def _size(folder: bytes) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # A test is at work in it.
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def _remove_trees(root: bytes, chosen: Iterable[Kept], store: EnvStore) -> Iterator[Kept]:
    for thing in chosen:
        path = os.path.join(root, cachefolder.TREES, to_bytes(thing.key))
        if thing.kind == TREE and slots.remove_slot(path, store.trash_place()):
            yield thing


def _codes(root: bytes) -> Iterator[Kept]:
    for used_s, path, size in codekeeper.files(os.path.join(root, codekeeper.PART)):
        key = to_text(os.path.basename(path))
        yield Kept(CODE, key, key.partition(".")[2], size, used_s, in_use=False)


def _remove_codes(root: bytes, chosen: Iterable[Kept]) -> Iterator[Kept]:
    for thing in chosen:
        if thing.kind == CODE:
            holders.remove(os.path.join(root, codekeeper.PART, to_bytes(thing.key)))
            yield thing
