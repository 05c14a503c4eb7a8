"""Owning a process tree: no process of a run outlives it on this host.

On Linux the agent makes itself the *subreaper* of what it starts: a descendant whose parent died
becomes the agent's own child, however it detached itself. So "kill my children until there are
none" reaches setsid children and double forks too. Elsewhere the process groups are killed.

An agent may be killed itself, or hang. So its process is split in two before it does anything:
the parent, the *guard*, is a subreaper as well and does nothing but wait for that.

This module is also run alone, in front of the agent: it imports nothing of ours.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time
from typing import Callable, Container, Dict, List, NamedTuple, Optional

PR_SET_CHILD_SUBREAPER = 36  # From <linux/prctl.h>.
SET_PIPE_BYTES = 1031  # F_SETPIPE_SZ of <fcntl.h>, which Python names since 3.10.
WIDE_PIPE_BYTES = 1024 * 1024  # As much as Linux gives to anybody.
USUAL_PIPE_BYTES = 64 * 1024
KILL_DEADLINE_S = 5.0  # A killed process that is not gone by then hangs in the kernel.
KILL_PAUSE_S = 0.01  # Between two looks at the children: a kill takes a moment to show.
END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)  # What ends a login's processes, on a shutdown too.
GUARD_SIGNALS = (signal.SIGCHLD, *END_SIGNALS)
MAX_SIGNALS_READ = 64  # Told signals that are taken in at once; what is more is seen the next time.

POLLRDHUP = 0x2000  # From <poll.h> of Linux; PyPy's select lacks it.
LEAVE_S = 9.0  # For an agent to leave when its input has ended: nothing lives on after 10 s.
END_S = 2.0  # For an agent to leave when it is told to by a signal: who sends it kills soon.


def become_subreaper() -> bool:
    """Make orphans of this process's tree its own children. Return whether that is so."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes  # noqa: PLC0415  an interpreter may be built without

        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):  # or a libc without prctl
        return False


def guard(input_fd: int, leave_s: float = LEAVE_S) -> None:
    """Split this process in two. The child returns from here; the parent never does.

    The parent waits for the child's end and then ends in the same way. Where the child did not
    end in order, it first ends all that the child had started. It also ends a child that does
    not leave although its input has ended, or although this process was told to end.

    Called before there are any threads. Where there are no subreapers it does nothing: it could
    not find what is to be ended.

    Args:
        input_fd: what the child reads, a socket or a pipe.
        leave_s: how long the child may take to leave when that has ended.
    """
    if not become_subreaper():
        return
    told_read, told_write = os.pipe()
    os.set_blocking(told_write, False)
    before = [(number, signal.signal(number, lambda *_: None)) for number in GUARD_SIGNALS]
    signal.set_wakeup_fd(told_write)
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        for number, handler in before:
            signal.signal(number, handler)
        os.close(told_read)
        os.close(told_write)
        return
    status = _await_end(child, told_read, input_fd, leave_s)
    if status:
        kill_tree()
    if os.WIFSIGNALED(status):
        cause = os.WTERMSIG(status)
        if cause != signal.SIGKILL:
            signal.signal(cause, signal.SIG_DFL)
        os.kill(os.getpid(), cause)
    os._exit(os.WEXITSTATUS(status))


def _await_end(child: int, told_fd: int, input_fd: int, leave_s: float) -> int:
    """Wait for the end of the guarded process, see to it that it comes, and return its status.

    ``told_fd`` has the numbers of signals that came, as of ``signal.set_wakeup_fd``.
    """
    poller = select.poll()
    poller.register(told_fd, select.POLLIN)
    poller.register(input_fd, POLLRDHUP)
    deadline_s: Optional[float] = None
    was_killed = False
    while True:
        left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
        ready = {descriptor for descriptor, _ in poller.poll(left_s and left_s * 1000)}
        now_s = time.monotonic()
        if told_fd in ready:
            if not set(os.read(told_fd, MAX_SIGNALS_READ)).isdisjoint(END_SIGNALS):
                deadline_s = min(deadline_s or sys.maxsize, now_s + END_S)
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid == child:
                return status
        if input_fd in ready:
            poller.unregister(input_fd)
            deadline_s = min(deadline_s or sys.maxsize, now_s + leave_s)
        if deadline_s is not None and now_s >= deadline_s:
            if was_killed:  # It hangs in the kernel.
                return int(signal.SIGKILL)
            os.kill(child, signal.SIGKILL)
            was_killed, deadline_s = True, now_s + KILL_DEADLINE_S


def end_input(input_fd: int) -> None:
    """Let this process read the end of its input, although the other side does not end it.

    Where that is a pipe nobody else can end it; then this process ends at once.
    """
    try:
        with socket.socket(fileno=os.dup(input_fd)) as link:
            link.shutdown(socket.SHUT_RDWR)
    except OSError:
        os._exit(1)


def resize_input(input_fd: int, size_bytes: int) -> None:
    """Let the pipe that this process reads hold so much, if it is one, and can.

    What does not fit waits in sshd, which copies all of it whenever something is added: with the
    2 MB of its window that takes 0.1 s. So a pipe is wide while a tree comes. It is not for longer:
    the system gives a user 16 MB for all pipes, and to what is made beyond that next to nothing.
    """
    with contextlib.suppress(OSError):
        fcntl.fcntl(input_fd, SET_PIPE_BYTES, size_bytes)


class Stat(NamedTuple):
    """What /proc tells of a process."""

    parent: int
    session: int
    owner: int


def stats() -> Dict[int, Stat]:
    """Return the living processes of this machine by their ids, where /proc tells them."""
    told = ((pid, stat_of(pid)) for pid in process_ids())
    return {pid: stat for pid, stat in told if stat is not None}


def process_ids() -> List[int]:
    """Return the processes of this machine, where /proc names them."""
    names = os.listdir("/proc") if os.path.isdir("/proc") else []
    return [int(name) for name in names if name.isdigit()]


def children() -> List[int]:
    """Return the process ids of this process's living children, where /proc tells them."""
    own = os.getpid()
    return [pid for pid, stat in stats().items() if stat.parent == own]


def descendants(pid: int, known: Optional[Dict[int, Stat]] = None) -> List[int]:
    """Return the living processes below one, where /proc tells them; ``known`` are ``stats()``."""
    below: Dict[int, List[int]] = {}
    for child, stat in (stats() if known is None else known).items():
        below.setdefault(stat.parent, []).append(child)
    found: List[int] = []
    to_visit = [pid]
    while to_visit:
        # Each once: what is read at different moments may show processes below each other.
        nearest = below.pop(to_visit.pop(), [])
        found += nearest
        to_visit += nearest
    return found


def stat_of(pid: int) -> Optional[Stat]:
    """Return what is told of a process; None if it has ended, also if nobody has noticed yet."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            # The name in parentheses may hold anything, also spaces and parentheses.
            state, parent, _, session = stream.read().rpartition(b")")[2].split()[:4]
            owner = os.fstat(stream.fileno()).st_uid
    except OSError:  # It ended between the listing and now.
        return None
    return None if state in (b"Z", b"X") else Stat(int(parent), int(session), owner)


def signal_group(pid: int, number: int) -> None:
    """Send a signal to a worker's process group; that it is already gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def end_own_group(
    kill_group: Callable[[int, int], None] = os.killpg, get_group: Callable[[int], int] = os.getpgid
) -> None:
    """Kill this process and what it has started: its agent is gone.

    What is called is an argument because a test may have patched ``os``.
    """
    kill_group(get_group(0), signal.SIGKILL)


def kill_tree(find_others: Callable[[], List[int]] = list) -> None:
    """Kill every child of this process, and those that it gets by that, and collect them.

    ``find_others`` is asked when no child is left, for what is no child but ours to kill.
    """
    deadline = time.monotonic() + KILL_DEADLINE_S
    while time.monotonic() < deadline:
        alive = children() or find_others()
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not reap_children() and not alive:
            break
        time.sleep(KILL_PAUSE_S)


def reap_children() -> int:
    """Collect the exit status of every child that has ended; return how many there were."""
    count = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return count
        if pid == 0:
            return count
        count += 1


def has_ended_child() -> bool:
    """Return whether a child of this process has ended, or may have: PyPy cannot tell.

    It is one system call for any number of them.
    """
    if not hasattr(os, "waitid"):
        return True
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False


def reap_orphans(own: Container[int]) -> None:
    """Collect what has ended of the children that we got as a subreaper, and leave our ``own``.

    PyPy cannot look at a child without collecting it: there they stay until the end of the run.
    """
    while hasattr(os, "waitid"):
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:  # Our own are collected by who waits for them.
            return
        os.waitpid(ended.si_pid, os.WNOHANG)
