"""Seeing the moment in which another process opens a file, by inotify."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IN_OPEN: Final = 0x20  # From <sys/inotify.h>.


@contextlib.contextmanager
def when_opened(path: Path, action: Callable[[], None]) -> Iterator[None]:
    """Do something, once, when a file is opened for the first time in a ``with`` block.

    Args:
        path: of the file.
        action: called in a thread of its own.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init()
    assert handle >= 0, os.strerror(ctypes.get_errno())
    watch = libc.inotify_add_watch(handle, os.fsencode(path), IN_OPEN)
    assert watch >= 0, os.strerror(ctypes.get_errno())
    waking, wake = os.pipe()

    def look() -> None:
        readable, _, _ = select.select([handle, waking], [], [])
        if handle in readable:
            action()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        os.write(wake, b"x")
        thread.join()
        for one in (handle, waking, wake):
            os.close(one)
