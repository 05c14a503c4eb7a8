"""A directory for one run on this host: private, held by one run at a time, used again later.

A *slot* is a directory that holds a tree and, in ``.remotest``, what we know of it. Whoever wants
it creates ``.remotest/owner.N`` with the next number, by O_EXCL; the greatest number has it. A
greater number is tried only after the process of the greatest is gone or has let go. Numbers never
fall, so a slow process that still believes an old one to be the greatest sees its mistake when it
looks again. No file locks: home directories on NFS often have none that work.
"""

import contextlib
import json
import os
import pwd
import socket
import stat
import time
import uuid
from typing import Any, Dict, List, Mapping, Optional, Tuple

from pytest_remotest.entries import to_bytes, to_text

STATE = b".remotest"
MARKER = b"tree"  # In STATE of a directory that the user named: all beside it is ours.
OWNER = b"owner."
HOLDER = b"holder."

MAX_SLOTS = 100  # Of a project: more runs at once on one host have lost count of themselves.
FOREIGN_HOLDER_EXPIRES_S = 24 * 3600  # Its process is on another machine: no run lasts longer.
UNWRITTEN_EXPIRES_S = 60  # Between creating a holder's file and writing it lies one call.
PRIVATE = 0o700


class TreeError(Exception):
    """The tree cannot be made here. ``reason`` and ``remedy`` are for the user."""

    def __init__(self, reason: str, remedy: str) -> None:
        super(TreeError, self).__init__(reason)
        self.reason = reason
        self.remedy = remedy


class Slot:
    """A slot that this process has. ``path`` is absolute."""

    def __init__(self, path: bytes, owner: bytes) -> None:
        self.path = path
        self.state = os.path.join(path, STATE)
        self._owner = owner

    def release(self) -> None:
        """Let go of the slot, so that the next run may have it."""
        free = os.path.join(self.state, b"free." + _unique())
        _create(free, b"{}")
        os.replace(free, self._owner)


# -- where -------------------------------------------------------------------------------------


def home_directory(environ: Mapping[str, str]) -> bytes:
    """Return the user's home directory, from HOME or else from the user database."""
    return os.fsencode(environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir)


def _within_home(text: str, environ: Mapping[str, str]) -> bytes:
    """Return the absolute path of what a user wrote: relative to the home directory."""
    path = to_bytes(text)
    if path == b"~" or path.startswith(b"~/"):
        path = path[2:]
    return os.path.normpath(os.path.join(home_directory(environ), path))


def find_trees(cache: Optional[str], environ: Mapping[str, str]) -> Tuple[bytes, List[str]]:
    """Return (directory of all trees, notes on better places that could not be used).

    Its path is the real one: what runs there may ask where it is, and is told that.

    Raises:
        TreeError: there is no such place.
    """
    notes: List[str] = []
    for candidate in _caches(cache, environ):
        try:
            return os.path.realpath(_make_trees(candidate)), notes
        except OSError as error:  # noqa: PERF203  three rounds at most
            notes.append("%s cannot hold the tree: %s" % (to_text(candidate), error.strerror))
    raise TreeError("; ".join(notes), "name a directory that you may write to, with cache=DIR")


def likely_place(
    cache: Optional[str], directory: Optional[str], environ: Mapping[str, str]
) -> bytes:
    """Return where a tree would be, or what exists above that. Looks only: nothing is made."""
    wanted = [_within_home(directory, environ)] if directory else _caches(cache, environ)
    existing = [_existing_part(path) for path in wanted]
    return next((path for path in existing if os.access(path, os.W_OK | os.X_OK)), existing[0])


def _caches(cache: Optional[str], environ: Mapping[str, str]) -> List[bytes]:
    """Return the directories that may hold trees, the best first."""
    if cache is not None:
        return [_within_home(cache, environ)]
    given = os.fsencode(environ.get("XDG_CACHE_HOME", ""))
    return [
        *([given] if os.path.isabs(given) else []),
        os.path.join(home_directory(environ), b".cache"),
        b"/var/tmp/remotest-%d" % os.geteuid(),
    ]


def _existing_part(path: bytes) -> bytes:
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _make_trees(root: bytes) -> bytes:
    if not os.path.isdir(root):
        os.makedirs(root, PRIVATE)
    if root.startswith(b"/var/tmp/"):  # There anybody may have made it before us.
        make_private(root)
    path = root
    for name in (b"remotest", b"v1", b"trees"):
        path = os.path.join(path, name)
        make_private(path)
    probe = os.path.join(path, b"probe." + _unique())
    _create(probe, b"")
    os.unlink(probe)
    return path


def make_private(path: bytes) -> None:
    """Make a directory that only we can enter, or check that it is one.

    Raises:
        OSError: it is somebody else's, or a link, or cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, PRIVATE)
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(0, "%s is a link or file, where a directory is to be" % to_text(path))
    if status.st_uid != os.geteuid():
        raise OSError(0, "%s belongs to another user" % to_text(path))
    if stat.S_IMODE(status.st_mode) != PRIVATE:
        os.chmod(path, PRIVATE)


# -- taking ------------------------------------------------------------------------------------


def take_slot(trees: bytes, project: str, run_uid: str) -> Slot:
    """Return the first slot of a project that nobody has.

    Raises:
        TreeError: there are too many runs already.
        OSError: as the disk has it.
    """
    directory = os.path.join(trees, to_bytes(project))
    make_private(directory)
    for number in range(MAX_SLOTS):
        path = os.path.join(directory, b"%d" % number)
        make_private(path)
        make_private(os.path.join(path, STATE))
        slot = _take(path, run_uid)
        if slot is not None:
            return slot
    raise TreeError(
        "%d runs of this project are under way in %s" % (MAX_SLOTS, to_text(directory)),
        "end some of them, or remove the directory if there are none",
    )


def take_directory(text: str, environ: Mapping[str, str], run_uid: str) -> Slot:
    """Return the slot of a directory that the user named; it is made if it is missing.

    Raises:
        TreeError: it is in use, or holds what we did not put there.
        OSError: as the disk has it.
    """
    path = _within_home(text, environ)
    if not os.path.isdir(path):
        os.makedirs(path, PRIVATE)
    path = os.path.realpath(path)  # As in ``find_trees``.
    if os.stat(path).st_uid != os.geteuid():
        raise TreeError(
            "%s belongs to another user" % to_text(path), "name a directory of your own in chdir="
        )
    state = os.path.join(path, STATE)
    marker = os.path.join(state, MARKER)
    if not os.path.lexists(marker) and set(os.listdir(path)) - {STATE}:
        raise TreeError(
            "%s holds files that remotest did not put there; the tree would replace them"
            % to_text(path),
            "name an empty or new directory in chdir=, or leave chdir= out",
        )
    make_private(state)
    if not os.path.lexists(marker):
        _create(marker, b"This directory is made by remotest: it deletes what it did not send.\n")
    slot = _take(path, run_uid)
    if slot is None:
        raise TreeError(
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
        _create(mine, _identity(run_uid))
    except FileExistsError:  # Somebody else is just taking it.
        return None
    if _newest(state) != newest + 1:  # Others had it, and more, while we were looking.
        _remove(mine)
        return None
    for name in os.listdir(state):
        if name.startswith((OWNER, HOLDER)) and os.path.join(state, name) != mine:
            _remove(os.path.join(state, name))
    return Slot(path, mine)


def hold(tree: str, run_uid: str = "") -> bytes:
    """Keep a slot from others after its owner leaves. Return what ``let_go`` takes.

    Raises:
        TreeError: its owner is gone, so that the tree may not be what was sent.
        OSError: as the disk has it.
    """
    state = os.path.join(to_bytes(tree), STATE)
    mine = os.path.join(state, HOLDER + _unique())
    _create(mine, _identity(run_uid))
    if not _is_alive(os.path.join(state, OWNER + b"%d" % _newest(state))):
        _remove(mine)
        raise TreeError("the run that made %s has left it" % tree, "run again")
    return mine


def let_go(holder: bytes) -> None:
    """End a ``hold``."""
    _remove(holder)


def _newest(state: bytes) -> int:
    """Return the greatest number of an owner, 0 where there was none."""
    numbers = [name[len(OWNER) :] for name in os.listdir(state) if name.startswith(OWNER)]
    return max([int(number) for number in numbers if number.isdigit()] or [0])


def _is_held(state: bytes, newest: int) -> bool:
    if newest and _is_alive(os.path.join(state, OWNER + b"%d" % newest)):
        return True
    holders = [name for name in os.listdir(state) if name.startswith(HOLDER)]
    return any(_is_alive(os.path.join(state, name)) for name in holders)


def _newest_holder(state: bytes) -> str:
    holder = _read(os.path.join(state, OWNER + b"%d" % _newest(state)))
    return "process %s on %s" % (holder.get("pid", "?"), holder.get("machine", "?"))


# -- who is alive --------------------------------------------------------------------------------


def _identity(run_uid: str) -> bytes:
    """Return who we are: enough to find out later whether this process still runs."""
    identity = {
        "run": run_uid,
        "machine": socket.gethostname(),
        "boot": _boot(),
        "processes": _process_space(),
        "pid": os.getpid(),
        "start": _start_of(os.getpid()),
    }
    return json.dumps(identity).encode("ascii")


def _is_alive(path: bytes) -> bool:
    """Return whether the process that wrote a file may still run; on doubt, that it does."""
    try:
        age_s = time.time() - os.lstat(path).st_mtime
        holder = _read(path)
    except FileNotFoundError:
        return False
    if holder is _UNWRITTEN:
        return age_s < UNWRITTEN_EXPIRES_S
    if not holder:
        return False
    here = holder.get("machine") == socket.gethostname()
    if here and holder.get("boot") != _boot():
        return False
    if not here or holder.get("processes") != _process_space():  # or a container beside ours
        return age_s < FOREIGN_HOLDER_EXPIRES_S
    return _runs(holder.get("pid"), holder.get("start"))


def _runs(pid: Any, start: Any) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # It is another user's: the number was given out again.
        return False
    return bool(start == _start_of(pid))


def _boot() -> str:
    """Return the name of this machine's current boot; "" where it has none."""
    return _text_of("/proc/sys/kernel/random/boot_id")


def _start_of(pid: int) -> str:
    """Return when a process started, in the kernel's words; "" where it does not tell."""
    # Behind the name, which may hold anything, the start time is the 20th field.
    fields = _text_of("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""  # noqa: PLR2004  see above


def _process_space() -> str:
    """Return the name of this process's PID namespace; "" where there are none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _text_of(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""


_UNWRITTEN: Dict[str, Any] = {}


def _read(path: bytes) -> Dict[str, Any]:
    """Return what a holder's file says: ``_UNWRITTEN`` for a file not yet written to its end."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        holder = json.loads(data.decode("ascii"))
    except ValueError:
        return _UNWRITTEN
    return holder if isinstance(holder, dict) else _UNWRITTEN


def _create(path: bytes, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _remove(path: bytes) -> None:
    # Whoever has the slot now clears it of what is in the way.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _unique() -> bytes:
    return uuid.uuid4().hex.encode("ascii")
