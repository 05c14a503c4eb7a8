"""The process that workers fork from, begun before the rest of its agent is there.

It imports pytest while the agent is still imported, and brings the tree. What is not known by then
is what variables workers will have. It begins with those of the host; the rest is told to each fork
where that makes no difference, and where it may make one it is of no use (``Headstart.fits``).
"""

import os
import sys
from typing import Dict, Optional

from pytest_remotest import leftovers, supervise
from pytest_remotest.forkparent import ForkParent
from pytest_remotest.variables import host_variables
from pytest_remotest.workerstart import LATE_PREFIX


class Headstart:
    """Such a process, ``parent``; and what it began with, ``variables``."""

    def __init__(self, parent: ForkParent, variables: Dict[bytes, bytes]) -> None:
        self.parent = parent
        self._early = _early(variables)

    def fits(self, directory: bytes, variables: Dict[bytes, bytes]) -> bool:
        """Return whether its forks are what those of one would be that begins with all this."""
        # Where there is no such directory, whoever begins there tells of it.
        return _early(variables) == self._early and os.path.isdir(directory)


def begin() -> Optional[Headstart]:
    """Begin it, for the interpreter that runs this; None where nothing is to be forked."""
    variables = host_variables({leftovers.VARIABLE: leftovers.Leftovers().cookie()})
    if hindrance_of_host(supervise.become_subreaper()) or not _has_whole_path(variables):
        return None
    try:
        return Headstart(ForkParent.start(None, os.getcwdb(), variables), variables)
    except OSError:  # Whoever needs it later tells.
        return None


def hindrance_of_host(is_subreaper: bool) -> str:
    """Return why nothing is to be forked on this host, in words; empty where that can be.

    Args:
        is_subreaper: whether orphans become children of this process.
    """
    if not is_subreaper:
        return "on this system nobody can be given the children of another process"
    if sys.implementation.name != "cpython":
        # It moves what it has in memory, so there is little to share.
        return "%s saves nothing by it" % sys.implementation.name
    return ""


def _early(variables: Dict[bytes, bytes]) -> Dict[bytes, bytes]:
    """Return the variables that may matter as soon as an interpreter begins."""
    return {
        name: value
        for name, value in variables.items()
        if not name.startswith(LATE_PREFIX.encode())
    }


def _has_whole_path(variables: Dict[bytes, bytes]) -> bool:
    """Return whether sys.path does not depend on the directory that an interpreter begins in."""
    path = variables.get(b"PYTHONPATH", b"")
    return not path or all(entry.startswith(b"/") for entry in path.split(os.pathsep.encode()))
