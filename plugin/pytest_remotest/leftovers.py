"""What workers have started and not ended: finding it, naming it, and ending it.

Workers have a *cookie* in their environment that names their agent, and what they start inherits
it: so it is found where no subreaper collects orphans, and by a later run where the agent was
killed together with its guard. Only /proc shows it: elsewhere nothing is found.
"""

import contextlib
import os
import re
import signal
import time
from typing import Dict, List, NamedTuple, Set, Tuple

from pytest_remotest import holders, messages, supervise, values

VARIABLE = "REMOTEST_RUN"
KEPT = "kept"  # At the end of a cookie: not to be ended by a later run either.

GRACE_S = 0.5  # For what ends by itself once its worker has: helpers of multiprocessing do.
PAUSE_S = 0.01  # Between two looks within that.
MAX_TOLD = 100  # Processes that a host names; the rest is counted.
MAX_COMMAND_CHARS = 200  # Of each of them.
MAX_NAME_CHARS = 500  # Of its test and its worker, which anybody may put into an environment.
WORKER_MARK = "pytest_remotest.loader"  # In the command line of a worker, and of its forks.

# Of an agent whose processes are not kept: where its number counts, the number, when it began.
_COOKIE = re.compile(r"([^/]*)/([0-9]{1,10})/([^/]*)")


class Left(NamedTuple):
    """A process that was left, and how many are below it."""

    pid: int
    command: str
    worker: str
    test: str
    below: int


class Leftovers:
    """What the workers of this process, an agent, have left."""

    def __init__(self) -> None:
        self.are_kept = False
        self._workers: Dict[int, str] = {}

    def cookie(self) -> str:
        """Return what tells this process from all others, of this machine's boot."""
        parts = [holders.process_space(), str(os.getpid()), holders.start_of(os.getpid())]
        return "/".join(parts + [KEPT] * self.are_kept)

    def note(self, worker: str, pid: int) -> None:
        """Note the process of a worker; its session has the same number."""
        self._workers[pid] = worker

    def find(self) -> List[Left]:
        """Return what has not ended although no worker runs any more, after a moment for it."""
        deadline_s = time.monotonic() + GRACE_S
        while True:
            supervise.reap_children()
            found = self._find()
            if not found or time.monotonic() > deadline_s:
                return found
            time.sleep(PAUSE_S)

    def _find(self) -> List[Left]:
        stats = supervise.stats()
        found = set(self.carriers()) | set(supervise.descendants(os.getpid(), stats))
        return [_describe(pid, stats, self._workers) for pid in _tops(found, stats)]

    def carriers(self) -> List[int]:
        """Return the living processes that have our cookie."""
        mine = self.cookie()
        return [pid for pid, cookie in _cookies() if cookie == mine]

    def end_session(self, worker: int) -> None:
        """End what a worker that is gone had started in its session.

        What it had detached from that lives until the end of the run: others may use it.
        """
        stats = supervise.stats()
        for pid in supervise.descendants(os.getpid(), stats):
            if stats[pid].session == worker and not self.are_kept:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def end_workers(self, pids: List[int]) -> None:
        """End workers that are still there, with their process groups, unless those are kept."""
        for pid in pids:
            if self.are_kept:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            else:
                supervise.signal_group(pid, signal.SIGKILL)

    def end(self) -> None:
        """End all that workers have left, unless it is kept. Called when they are ended."""
        if not self.are_kept:
            supervise.kill_tree(self.carriers)


def end_those_of_dead_agents() -> List[Left]:
    """End what agents of this user left on this machine that were killed; return what that was.

    What is below such a process is ended as well, also without a cookie. Not ended is what this
    process itself is part of: a terminal that a test has opened, where somebody works now.
    """
    own = os.environ.get(VARIABLE)
    found = {pid for pid, cookie in _cookies() if cookie != own and _is_of_dead_agent(cookie)}
    if not found:
        return []
    stats = supervise.stats()
    left = [_describe(pid, stats, {}) for pid in _tops(found, stats)]
    below = {pid for top in left for pid in supervise.descendants(top.pid, stats)}
    for pid in found | below:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return left


def _is_of_dead_agent(cookie: str) -> bool:
    parts = _COOKIE.fullmatch(cookie)
    if parts is None or parts.group(1) != holders.process_space():
        return False
    return not holders.runs(int(parts.group(2)), parts.group(3))


def _tops(found: Set[int], stats: Dict[int, supervise.Stat]) -> List[int]:
    """Return those of some processes that still live and are not below others of them."""
    return sorted(pid for pid in found if pid in stats and stats[pid].parent not in found)


def _describe(pid: int, stats: Dict[int, supervise.Stat], workers: Dict[int, str]) -> Left:
    """Return what is told of a process; ``workers`` are known by their sessions."""
    environment = environment_of(pid)
    told = environment if VARIABLE in environment else {}
    return Left(
        pid,
        command_of(pid),
        _name(told.get("PYTEST_XDIST_WORKER") or workers.get(stats[pid].session, "")),
        _name(told.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]),
        len(supervise.descendants(pid, stats)),
    )


def _name(text: str) -> str:
    return values.cut(values.safe_str(text), MAX_NAME_CHARS)


def to_message(found: List[Left], of_dead_run: bool) -> messages.ProcessesLeft:
    """Return the message that names the first of them, as many as fit, and counts the rest."""
    rows = [list(left) for left in found[:MAX_TOLD]]
    return messages.ProcessesLeft(rows, of_dead_run, len(found) - len(rows))


def environment_of(pid: int) -> Dict[str, str]:
    """Return what a process's environment was when its program began; empty if nobody tells."""
    pairs = (entry.partition("=") for entry in _read(pid, "environ").split("\0"))
    return {name: value for name, _, value in pairs}


def command_of(pid: int) -> str:
    """Return the command line of a process, cut where it is long."""
    command = " ".join(_read(pid, "cmdline").split("\0")).strip()
    if WORKER_MARK in command:
        return "a fork of its worker"
    return values.cut(values.safe_str(command), MAX_COMMAND_CHARS)


def _cookies() -> List[Tuple[int, str]]:
    """Return the living processes of this user that have any cookie, with it."""
    own = os.geteuid()
    found = []
    for pid in supervise.process_ids():
        # Each agent looks at every process of its host when it starts, and hardly one has it.
        if VARIABLE in _read(pid, "environ"):
            stat, cookie = supervise.stat_of(pid), environment_of(pid).get(VARIABLE)
            if stat is not None and stat.owner == own and cookie is not None:
                found.append((pid, cookie))
    return found


def _read(pid: int, name: str) -> str:
    try:
        with open("/proc/%d/%s" % (pid, name), "rb") as stream:
            return stream.read().decode("utf-8", "surrogateescape")
    except OSError:  # It has ended meanwhile.
        return ""
