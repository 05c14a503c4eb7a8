"""A directory for one run on this host: private, held by one run at a time, used again later.

A *slot* is a directory that holds a tree and, in ``.remotest``, what we know of it. Whoever wants
it creates ``.remotest/owner.N`` with the next number, by O_EXCL; the greatest number has it. A
greater number is tried only after the process of the greatest is gone or has let go. Numbers never
fall, so a slow process that still believes an old one to be the greatest sees its mistake when it
looks again.
"""

import os
from typing import Mapping, Optional

from pytest_remotest import cachefolder, holders
from pytest_remotest.cachefolder import PRIVATE
from pytest_remotest.cacheplaces import within_home
from pytest_remotest.entries import to_bytes, to_text
from pytest_remotest.faults import Refused

STATE = b".remotest"
MARKER = b"tree"  # In STATE of a directory that the user named: all beside it is ours.
OWNER = b"owner."
HOLDER = b"holder."

MAX_SLOTS = 100  # Of a project: more runs at once on one host have lost count of themselves.


class Slot:
    """A slot that this process has. ``path`` is absolute."""

    def __init__(self, path: bytes, owner: bytes) -> None:
        self.path = path
        self.state = os.path.join(path, STATE)
        self._owner = owner

    def release(self) -> None:
        """Let go of the slot, so that the next run may have it."""
        free = os.path.join(self.state, b"free." + holders.unique())
        holders.create(free, b"{}")
        os.replace(free, self._owner)


def take_slot(trees: bytes, project: str, run_uid: str) -> Slot:
    """Return the first slot of a project that nobody has.

    Raises:
        Refused: there are too many runs already.
        OSError: as the disk has it.
    """
    directory = os.path.join(trees, to_bytes(project))
    cachefolder.make_private(directory)
    for number in range(MAX_SLOTS):
        path = os.path.join(directory, b"%d" % number)
        cachefolder.make_private(path)
        cachefolder.make_private(os.path.join(path, STATE))
        slot = _take(path, run_uid)
        if slot is not None:
            return slot
    raise Refused(
        "%d runs of this project are under way in %s" % (MAX_SLOTS, to_text(directory)),
        "end some of them, or remove the directory if there are none",
    )


def take_directory(text: str, environ: Mapping[str, str], run_uid: str) -> Slot:
    """Return the slot of a directory that the user named; it is made if it is missing.

    Raises:
        Refused: it is in use, or holds what we did not put there.
        OSError: as the disk has it.
    """
    path = within_home(text, environ)
    if not os.path.isdir(path):
        os.makedirs(path, PRIVATE)
    path = os.path.realpath(path)  # As in ``find_trees``.
    if os.stat(path).st_uid != os.geteuid():
        raise Refused(
            "%s belongs to another user" % to_text(path), "name a directory of your own in chdir="
        )
    state = os.path.join(path, STATE)
    marker = os.path.join(state, MARKER)
    if not os.path.lexists(marker) and set(os.listdir(path)) - {STATE}:
        raise Refused(
            "%s holds files that remotest did not put there; the tree would replace them"
            % to_text(path),
            "name an empty or new directory in chdir=, or leave chdir= out",
        )
    cachefolder.make_private(state)
    if not os.path.lexists(marker):
        holders.create(
            marker, b"This directory is made by remotest: it deletes what it did not send.\n"
        )
    slot = _take(path, run_uid)
    if slot is None:
        raise Refused(
            "%s is in use by another run: %s" % (to_text(path), _newest_holder(state)),
            "wait for its end, or give each run a directory of its own with chdir=",
        )
    return slot


def _take(path: bytes, run_uid: str) -> Optional[Slot]:
    state = os.path.join(path, STATE)
    newest = _newest(state)
    if _is_held(state, newest):
        return None
    mine = os.path.join(state, OWNER + b"%d" % (newest + 1))
    try:
        holders.create(mine, holders.identity(run_uid))
    except FileExistsError:  # Somebody else is just taking it.
        return None
    if _newest(state) != newest + 1:  # Others had it, and more, while we were looking.
        holders.remove(mine)
        return None
    for name in os.listdir(state):
        if name.startswith((OWNER, HOLDER)) and os.path.join(state, name) != mine:
            holders.remove(os.path.join(state, name))
    return Slot(path, mine)


def hold(tree: str, run_uid: str = "") -> bytes:
    """Keep a slot from others after its owner leaves. Return what ``let_go`` takes.

    Raises:
        Refused: its owner is gone, so that the tree may not be what was sent.
        OSError: as the disk has it.
    """
    state = os.path.join(to_bytes(tree), STATE)
    mine = os.path.join(state, HOLDER + holders.unique())
    holders.create(mine, holders.identity(run_uid))
    if not holders.is_alive(os.path.join(state, OWNER + b"%d" % _newest(state))):
        holders.remove(mine)
        raise Refused("the run that made %s has left it" % tree, "run again")
    return mine


def let_go(holder: bytes) -> None:
    """End a ``hold``."""
    holders.remove(holder)


def _newest(state: bytes) -> int:
    """Return the greatest number of an owner, 0 where there was none."""
    numbers = [name[len(OWNER) :] for name in os.listdir(state) if name.startswith(OWNER)]
    return max([int(number) for number in numbers if number.isdigit()] or [0])


def _is_held(state: bytes, newest: int) -> bool:
    if newest and holders.is_alive(os.path.join(state, OWNER + b"%d" % newest)):
        return True
    names = [name for name in os.listdir(state) if name.startswith(HOLDER)]
    return any(holders.is_alive(os.path.join(state, name)) for name in names)


def _newest_holder(state: bytes) -> str:
    return holders.name_of(os.path.join(state, OWNER + b"%d" % _newest(state)))


def is_held(path: bytes) -> bool:
    """Return whether a run has a slot of ``take_slot``, or holds it."""
    state = os.path.join(path, STATE)
    return os.path.isdir(state) and _is_held(state, _newest(state))


def remove_slot(path: bytes, trash_place: bytes) -> bool:
    """Rename a slot of ``take_slot`` to where it is deleted, unless a run has it.

    A run that is just about to take it fails, as if somebody had removed it by hand.

    Returns:
        whether it is there now.

    Raises:
        OSError: as the disk has it.
    """
    if _take(path, "") is None:
        return False
    os.rename(path, trash_place)
    return True
