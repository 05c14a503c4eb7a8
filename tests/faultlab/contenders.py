"""Who runs the sample project: remotest, and pytest-xdist in an environment of its own."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import interpreters
import xdistworld

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A program under test.

    Attributes:
        name: as in the table.
        controller: returns the python that the run is started with.
        host_python: returns the one that its hosts have if a fault does not say another.
        arguments: options that make it bring the project to a host.
        spec_keys: whether it knows the keys of specs that only remotest has.
        deadline_s: a run that takes longer hangs.
    """

    name: str
    controller: Callable[[], Path]
    host_python: Callable[[], Path]
    arguments: tuple[str, ...]
    is_remotest: bool
    deadline_s: float


def _peer_python() -> Path:
    return xdistworld.environment(xdistworld.REAL_XDIST, with_remotest=False) / "python"


REMOTEST: Final = Contender(
    name="remotest",
    controller=lambda: Path(sys.executable),
    host_python=functools.partial(interpreters.with_pytest, "3.11"),
    arguments=(),
    is_remotest=True,
    deadline_s=240.0,
)

PEER: Final = Contender(
    name="pytest-xdist",
    controller=_peer_python,
    host_python=_peer_python,
    arguments=("--rsyncdir=.",),
    is_remotest=False,
    deadline_s=60.0,
)
"""It has no limits of its own, and what it does within a minute it does for ever."""
