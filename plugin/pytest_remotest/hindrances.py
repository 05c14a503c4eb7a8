"""What of a process must not be shared with what is forked from it, and what each can have alone.

A descriptor that two processes share has one place in its file: what both read or write there is
mixed up. Threads are not forked at all, and children are of one parent.
"""

import os
import stat
import sys
import tempfile
from typing import Dict, List, NamedTuple, Set, Tuple

from pytest_remotest import forking, supervise

DESCRIPTORS = "/proc/self/fd"
HARMLESS = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
MEMORY_MARK = "/memfd:"  # Memory that is shared on purpose, and a file only by name.
COPY_BYTES = 1024 * 1024  # Of a file in one step.
SHOWN_COUNT = 5  # Of the things that are named to the user.

_KINDS = {"socket:": "a socket", "pipe:": "a pipe", "anon_inode:[eventpoll]": "an event loop"}


class Descriptors(NamedTuple):
    """The descriptors of a process, apart from those that a fork may have as they are.

    ``outputs`` lead to where this process prints. ``scratch`` are those of files without a name,
    by file: a copy is as good. ``foreign`` describes the others.
    """

    outputs: List[int]
    scratch: List[List[int]]
    foreign: List[str]


def look_at_descriptors(output: os.stat_result, own: Set[int]) -> Descriptors:
    """Return the open descriptors of this process.

    Args:
        output: where it prints.
        own: descriptors to leave out.
    """
    found = Descriptors([], [], [])
    scratch: Dict[Tuple[int, int], List[int]] = {}
    for descriptor in sorted(map(int, os.listdir(DESCRIPTORS))):
        try:
            status = os.fstat(descriptor)
            target = os.readlink("%s/%d" % (DESCRIPTORS, descriptor))
        except OSError:  # It was the one that has listed them.
            continue
        is_nameless = stat.S_ISREG(status.st_mode) and status.st_nlink == 0
        if descriptor in own or target in HARMLESS:
            continue
        if os.path.samestat(status, output):
            found.outputs.append(descriptor)
        elif is_nameless and not target.startswith(MEMORY_MARK):
            scratch.setdefault((status.st_dev, status.st_ino), []).append(descriptor)
        else:
            kinds = [kind for mark, kind in _KINDS.items() if target.startswith(mark)]
            found.foreign.append(kinds[0] if kinds else target)
    found.scratch.extend(scratch.values())
    return found


def redirect(descriptors: List[int], target: int) -> None:
    """Let these descriptors mean what another one means, for whoever has their numbers."""
    for descriptor in descriptors:
        os.dup2(target, descriptor, inheritable=os.get_inheritable(descriptor))


def own_copies(scratch: List[List[int]]) -> None:
    """Give this process files of its own in place of those without a name, at the same places."""
    for descriptors in scratch:
        place = os.lseek(descriptors[0], 0, os.SEEK_CUR)
        with tempfile.TemporaryFile(buffering=0) as copy:
            offset = 0
            while True:
                data = os.pread(descriptors[0], COPY_BYTES, offset)
                if not data:
                    break
                offset += copy.write(data) or 0
            os.lseek(copy.fileno(), place, os.SEEK_SET)
            redirect(descriptors, copy.fileno())


def is_traced() -> bool:
    """Return whether something follows what this process runs, as a coverage tool does."""
    monitoring = getattr(sys, "monitoring", None)  # From Python 3.12 on, with six places for tools.
    is_monitored = monitoring is not None and any(map(monitoring.get_tool, range(6)))
    return sys.gettrace() is not None or sys.getprofile() is not None or is_monitored


def of_process(descriptors: Descriptors) -> List[str]:
    """Return what of this process a fork must not have, in words, with these descriptors."""
    found = [forking.other_threads()]
    found += ["open: %s" % name for name in descriptors.foreign]
    if is_traced():
        found.append("coverage is measured, or a debugger runs")
    children = len(supervise.children())
    if children:
        found.append("child processes: %d" % children)
    return [text for text in found if text]


def in_words(found: List[str]) -> str:
    """Return some hindrances as one text of bounded length."""
    more = len(found) - SHOWN_COUNT
    return "; ".join(found[:SHOWN_COUNT]) + ("; and %d more" % more if more > 0 else "")
