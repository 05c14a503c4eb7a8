"""How a run begins leaves this process as it was, and what it may leave at the end."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from remotest.garbage import without_collections
from remotest.start import is_spent

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[True, False])
def collects(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Let this process collect garbage, or not; return which."""
    if not request.param:
        gc.disable()
    yield request.param
    gc.enable()


def test_garbage_is_collected_afterwards_as_before(collects: bool) -> None:
    with without_collections():
        assert not gc.isenabled()
    assert gc.isenabled() is collects


def test_what_has_ended_has_nothing_left_to_do() -> None:
    ours, theirs = socket.socketpair()
    with subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as process:
        before = list(map(is_spent, (ours, theirs, process, object())))
        theirs.close()
        process.communicate(b"\n")
        assert before == [False, False, False, False]
        assert list(map(is_spent, (ours, theirs, process))) == [False, True, True]
    ours.close()
