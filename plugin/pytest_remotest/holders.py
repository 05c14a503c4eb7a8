"""Who holds something on this host: a file that says which process, and whether that still runs.

No file locks: home directories on NFS often have none that work.
"""

import contextlib
import json
import os
import socket
import time
from typing import Any, Dict

FOREIGN_HOLDER_EXPIRES_S = 24 * 3600  # Its process is on another machine: no run lasts longer.
UNWRITTEN_EXPIRES_S = 60  # Between creating a holder's file and writing it lies one call.


def identity(run_uid: str) -> bytes:
    """Return who we are: enough to find out later whether this process still runs."""
    holder = {
        "run": run_uid,
        "machine": socket.gethostname(),
        "boot": boot(),
        "processes": process_space(),
        "pid": os.getpid(),
        "start": start_of(os.getpid()),
    }
    return json.dumps(holder).encode("ascii")


def is_alive(path: bytes) -> bool:
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
    if here and holder.get("boot") != boot():
        return False
    if not here or holder.get("processes") != process_space():  # or a container beside ours
        return age_s < FOREIGN_HOLDER_EXPIRES_S
    return runs(holder.get("pid"), holder.get("start"))


def name_of(path: bytes) -> str:
    """Return what the process that wrote a file is called, for the user.

    Raises:
        OSError: as the disk has it.
    """
    holder = _read(path)
    return "process %s on %s" % (holder.get("pid", "?"), holder.get("machine", "?"))


def runs(pid: Any, start: Any) -> bool:
    """Return whether a process of this machine is there that started at this time."""
    if not isinstance(pid, int) or not 0 < pid <= MAX_PID:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # It is another user's: the number was given out again.
        return False
    return bool(start == start_of(pid))


def boot() -> str:
    """Return the name of this machine's current boot; "" where it has none."""
    return _text_of("/proc/sys/kernel/random/boot_id")


def start_of(pid: int) -> str:
    """Return when a process started, in the kernel's words; "" where it does not tell.

    It tells nothing of a zombie either, which holds nothing any more.
    """
    # Behind the name, which may hold anything, the start time is the 20th field.
    fields = _text_of("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""  # noqa: PLR2004  see above


def process_space() -> str:
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


MAX_PID = 2**31 - 1  # What the kernel takes for one.
_UNWRITTEN: Dict[str, Any] = {}


def _read(path: bytes) -> Dict[str, Any]:
    """Return what a holder's file says: ``_UNWRITTEN`` for a file not yet written to its end."""
    with open(path, "rb") as file:
        data = file.read()
    try:
        holder = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError):
        return _UNWRITTEN
    return holder if isinstance(holder, dict) else _UNWRITTEN


def create(path: bytes, data: bytes) -> None:
    """Make a file that is not there yet. Raises OSError: it is, or as the disk has it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def remove(path: bytes) -> None:
    """Remove a file, if it is still there: others clear away what the dead have left."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def unique() -> bytes:
    """Return a name that nobody else has."""
    return os.urandom(16).hex().encode("ascii")
