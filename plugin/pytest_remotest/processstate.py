"""What a process is doing, as the kernel tells it: from /proc, or from ``ps`` where there is none.

Only what cannot be told by the process itself is of interest here: that it does not move at all.
"""

import os
import signal
import subprocess
from typing import Dict, Iterable, List, NamedTuple, Optional

STOPPED = "stopped"  # By a signal: it goes on with SIGCONT.
FROZEN = "frozen"  # By a control group, as containers are paused.
HUNG = "hung"  # In the kernel, as on a disk of the network that does not answer.
TRACED = "traced"  # Held by a debugger.
MOVING = "moving"  # Anything else: it computes, or waits for what will wake it.

PS_TIMEOUT_S = 5.0  # On a machine that has so little to give, nobody is called hung.

# Control groups are mounted here by all that use them; what says of one that it is frozen, in the
# tree of version 1 that freezes, and in that of version 2, which may stand beside others.
_FREEZER_FILES = {
    "freezer": ["/sys/fs/cgroup/freezer{}/freezer.state"],
    "": ["/sys/fs/cgroup{}/cgroup.events", "/sys/fs/cgroup/unified{}/cgroup.events"],
}
_FROZEN_WORDS = ("FROZEN", "frozen 1")
_OF_LETTER = {"T": STOPPED, "t": TRACED, "D": HUNG, "U": HUNG}  # U is what macOS says for D.


class ProcessState(NamedTuple):
    """What a process is doing.

    ``what`` is one of the words above, ``signal`` the name of the signal that stopped it, or empty.
    ``moves`` changes whenever it has run in between, where the kernel tells that.
    """

    what: str
    signal: str = ""
    moves: str = ""


def look_at(pids: Iterable[int], proc: str = "/proc") -> Dict[int, ProcessState]:
    """Return what these children of this process are doing; those that are gone are left out."""
    if os.path.isdir(os.path.join(proc, str(os.getpid()))):
        told = {pid: _from_proc(pid, proc) for pid in pids}
        return {pid: state for pid, state in told.items() if state is not None}
    return _from_ps(list(pids))


def _from_proc(pid: int, proc: str) -> Optional[ProcessState]:
    folder = os.path.join(proc, str(pid))
    lines = [line.partition(":") for line in _lines(os.path.join(folder, "status"))]
    fields = {name: value.strip() for name, _, value in lines}
    if not fields:  # It has ended.
        return None
    letter = fields["State"][:1]
    moves = " ".join(value for name, value in fields.items() if name.endswith("ctxt_switches"))
    if letter in "SD" and _is_frozen(folder):
        return ProcessState(FROZEN, moves=moves)
    what = _OF_LETTER.get(letter, MOVING)
    return ProcessState(what, _stop_signal(pid) if what == STOPPED else "", moves)


def _is_frozen(folder: str) -> bool:
    """Return whether a control group of a process is frozen. Its letter is D then, or S."""
    for line in _lines(os.path.join(folder, "cgroup")):
        _, trees, group = line.split(":", 2)
        for name in _FREEZER_FILES.get(trees, []):
            if any(word in _FROZEN_WORDS for word in _lines(name.format(group))):
                return True
    return False


def _lines(path: str) -> List[str]:
    """Return the lines of a file; none where it is not there, any more or on this machine."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def _stop_signal(pid: int) -> str:
    """Return the name of the signal that stopped a child of this process, or nothing."""
    if not hasattr(os, "waitid"):  # PyPy
        return ""
    try:
        stop = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        return signal.Signals(stop.si_status).name if stop is not None else ""
    except (ChildProcessError, ValueError):  # It goes on again, or a signal without a name.
        return ""


def _from_ps(pids: List[int]) -> Dict[int, ProcessState]:
    command = ["ps", "-o", "pid=", "-o", "state=", "-p", ",".join(map(str, pids))]
    try:
        told = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PS_TIMEOUT_S,
            check=False,
        ).stdout.decode("ascii", "replace")
    except (OSError, subprocess.TimeoutExpired):  # Without it nobody can tell.
        return {}
    found = {}
    for pid, letters in (line.split() for line in told.splitlines()):
        what = _OF_LETTER.get(letters[:1], MOVING)
        found[int(pid)] = ProcessState(what, _stop_signal(int(pid)) if what == STOPPED else "")
    return found
