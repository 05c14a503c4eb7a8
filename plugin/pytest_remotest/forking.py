"""The part of a process that forks workers when its agent asks for them: it waits, and forks.

What it forks becomes its agent's own child, as if the agent had started it: the agent is a
subreaper, and the process between the two ends at once. On the socket between them the agent says
one byte with the descriptors of the new worker; the answer is a body of JSON, [word, detail].
"""

import array
import contextlib
import gc
import importlib
import json
import os
import socket
import struct
import sys
import threading
from typing import Any, List, NamedTuple, Optional

from pytest_remotest.pipes import write_body

NEW_WORKER, COLLECTOR = b"W", b"C"  # Requests: what is forked runs tests, or collects them.
READY, REFUSED, FORKED, FAILED = "ready", "refused", "forked", "failed"
DESCRIPTOR_COUNT = 3  # Of a request: what the worker reads, what it writes, what it prints to.
TASKS = "/proc/self/task"  # Of Linux: a folder for each thread, also those that Python ignores.

_PID = struct.Struct("!i")


class Forked(NamedTuple):
    """What a process that was forked finds: what was asked for, and its descriptors."""

    request: bytes
    read_fd: int
    write_fd: int
    output_fd: int


def answer(control_fd: int, word: str, detail: Any = None) -> None:
    """Say something to the agent.

    Raises:
        OSError: it is gone.
    """
    write_body(control_fd, json.dumps([word, detail]).encode("ascii"))


def other_threads() -> str:
    """Return what of this process a fork would not have, in words; empty if there is nothing."""
    names = [
        thread.name for thread in threading.enumerate() if thread is not threading.main_thread()
    ]
    if names:
        return "the thread %s" % ", ".join(sorted(names))
    try:
        count = len(os.listdir(TASKS)) - 1
    except OSError:  # Nobody tells.
        return ""
    return "%d threads that are not of Python" % count if count else ""


def serve(control_fd: int) -> Forked:
    """Fork whenever it is asked for. It returns in what was forked, and nowhere else.

    When the agent is gone this process ends, without anything that Python does at an end.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=control_fd) as control:
        answer(control_fd, READY)
        while True:
            forked = _receive(control)
            if forked is None:
                os._exit(0)
            try:
                pid = _fork_apart()
            except OSError as error:
                answer(control_fd, FAILED, str(error))
            else:
                if pid == 0:
                    break
                answer(control_fd, FORKED, pid)
            for descriptor in forked[1:]:
                os.close(descriptor)
    if "random" in sys.modules:  # Python does so itself from 3.7 on.
        sys.modules["random"].seed()
    importlib.invalidate_caches()  # The process may have been waiting for long.
    return forked


def keep_out_of_collections() -> None:
    """Let the garbage collector pass over all that is there: the memory of it stays shared."""
    if hasattr(gc, "freeze"):  # From Python 3.7 on.
        gc.freeze()
    else:  # What is left is old: it is looked at seldom.
        gc.collect()


def _receive(control: socket.socket) -> Optional[Forked]:
    """Wait for a request; None when the agent is gone."""
    descriptors = array.array("i")
    request, ancillary, _, _ = control.recvmsg(
        1, socket.CMSG_SPACE(DESCRIPTOR_COUNT * descriptors.itemsize)
    )
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data)
    if not request:
        return None
    return Forked(request, *descriptors)


def _fork_apart() -> int:
    """Fork a process that leads a session and is no child of this one; return its id, 0 in it.

    It is the agent's child by the time this returns.

    Raises:
        OSError: there can be no further process.
    """
    told_read, told_write = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            _fork_and_exit()
            os.setsid()
            os.write(told_write, _PID.pack(os.getpid()))
            return 0
        os.close(told_write)
        told_write = -1
        with contextlib.suppress(
            ChildProcessError
        ):  # Where SIGCHLD is ignored it waits all the same.
            os.waitpid(between, 0)
        told = os.read(told_read, _PID.size)
    finally:
        for descriptor in (told_read, told_write):
            if descriptor >= 0:
                os.close(descriptor)
    if len(told) < _PID.size:
        raise OSError("it ended at once")
    return int(_PID.unpack(told)[0])


def _fork_and_exit() -> None:
    """Fork once more and return in the child; this process is only there to be nobody's parent."""
    try:
        worker = os.fork()
    except OSError:
        os._exit(1)
    if worker:
        os._exit(0)


def fork_descriptors(control: socket.socket, request: bytes, descriptors: List[int]) -> None:
    """Ask for a fork that has these descriptors. Called by the agent.

    Raises:
        OSError: the process that forks is gone.
    """
    data = array.array("i", descriptors)
    control.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, data)])
