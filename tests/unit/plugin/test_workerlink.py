"""What a worker says of having nothing to run, on a pipe."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from pytest_remotest import frames, messages
from pytest_remotest.pipes import read_body
from pytest_remotest.workerlink import ENDING, PAUSED, WorkerLink


def said(read_fd: int) -> list[Any]:
    """Return all that can be read up to the end of a pipe."""
    told: list[Any] = []
    with contextlib.suppress(EOFError):
        while True:
            told += frames.decode_body(read_body(read_fd))
    os.close(read_fd)
    return told


def test_why_a_worker_is_idle_is_said_again_until_it_is_over() -> None:
    read_fd, write_fd = os.pipe()
    link = WorkerLink(write_fd)
    word = messages.ItemsReturned([])
    link.set_idle(PAUSED)
    link.send(word, flush=True)
    link.set_idle(None)
    link.send(word, flush=False)
    link.set_awaiting(True)
    link.send(word, flush=True)
    link.set_awaiting(False)
    link.send(word, flush=True)
    link.set_idle(ENDING)
    link.send(word, flush=True)
    os.close(write_fd)

    paused, awaiting, ending = (messages.Idle(state) for state in messages.IDLE_STATES)
    assert said(read_fd) == [
        *(paused, word, paused),
        *(word, awaiting, word, awaiting, messages.Busy()),
        word,
        *(ending, word, ending),
    ]
