"""A control group whose processes can be frozen, where this machine has such."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from gatewayworld import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS: Final = Path("/sys/fs/cgroup/freezer")


@contextlib.contextmanager
def group() -> Iterator[Path]:
    """Make a group for the time of a ``with`` block, in the end of which its processes must end.

    Who writes its process id to ``cgroup.procs`` is in it; who writes ``FROZEN`` or ``THAWED`` to
    ``freezer.state`` freezes it or lets it go on.
    """
    path = GROUPS / f"remotest-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield path
    finally:
        frozen = [Watched(int(pid)) for pid in (path / "cgroup.procs").read_text().split()]
        (path / "freezer.state").write_text("THAWED")
        assert all(process.has_ended() for process in frozen)
        path.rmdir()
