"""What a process becomes before pytest runs in it as a worker."""

import os
import sys

from pytest_remotest import frames, messages
from pytest_remotest.entries import to_bytes
from pytest_remotest.pipes import read_body

LATE_PREFIX = "PYTEST_"  # Of variables that are not the same in all forks (see headstart).


def read_start(read_fd: int, write_fd: int) -> messages.SpawnWorker:
    """Return what the agent wants of this process, which is told first."""
    for descriptor in (read_fd, write_fd):
        # What tests start shall neither read nor write here, nor hold the pipes open.
        os.set_inheritable(descriptor, False)
    (start,) = frames.decode_body(read_body(read_fd))
    return start  # type: ignore[no-any-return]  # a body may hold any message


def prepare_process(start: messages.SpawnWorker) -> None:
    """Make sys.argv, sys.path and the process's priority what the worker's tests shall see."""
    take_name(start)
    sys.argv[:] = ["-c"]  # what workers of pytest-xdist see
    own_path = [] if start.whole_path else [entry for entry in sys.path if entry]
    sys.path[:] = list(dict.fromkeys(list(start.python_path) + own_path))
    if start.python_path and not start.whole_path:
        # For the interpreters that tests start. Not sooner: a module of the project must not take
        # the place of one that this interpreter itself starts with.
        inherited = os.environ.get("PYTHONPATH")
        entries = list(start.python_path) + ([inherited] if inherited else [])
        os.environ["PYTHONPATH"] = os.pathsep.join(entries)
    if start.nice:
        os.nice(start.nice)


def take_name(start: messages.SpawnWorker) -> None:
    """Give this process what it lacks if it was forked from one that others share."""
    for name, value in start.environment.items():
        if name.startswith(LATE_PREFIX):
            os.environb[to_bytes(name)] = to_bytes(value)
    os.chdir(to_bytes(start.directory))
