"""Whatever a reader is given, it runs nothing, calls nobody and writes to its own folder only."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

USUAL_RECURSION: Final = 1000
"""Calls in each other, as interpreters are set up."""

FORBIDDEN: Final = frozenset(
    (
        *("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn"),
        *("os.spawn", "os.kill", "os.killpg", "pty.spawn", "ctypes.dlopen", "pickle.find_class"),
        *("socket.connect", "socket.bind", "socket.getaddrinfo", "sqlite3.load_extension"),
    )
)
"""Audit events of Python that no reader of data causes."""

CHANGED_PATHS: Final = {
    **dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate"), (0,)),
    **dict.fromkeys(("os.chmod", "os.chown", "os.utime", "os.setxattr"), (0,)),
    **dict.fromkeys(("os.rename", "os.link"), (0, 1)),
    "os.symlink": (1,),
}
"""Events that change the disk, and which of their arguments are the paths."""


class EscapedError(BaseException):
    """A reader did what it must not. No ``except Exception`` of the reader hides it."""


class _Watch:
    """What is allowed now, to one thread; nothing is watched while ``thread`` is None."""

    thread: int | None = None
    folder: bytes | None = None
    escape: str = ""


@contextlib.contextmanager
def watching(folder: Path | None = None) -> Iterator[None]:
    """Refuse what a reader must not do, for the ``with`` block.

    Args:
        folder: where it may write; None is nowhere.

    Raises:
        AssertionError: it tried.
    """
    _install()
    before = sys.dont_write_bytecode, sys.getrecursionlimit()
    sys.dont_write_bytecode = True  # What is imported only now is no fault of the data.
    sys.setrecursionlimit(USUAL_RECURSION)  # Hypothesis has raised it.
    _Watch.folder = os.path.realpath(os.fsencode(folder)) if folder is not None else None
    _Watch.escape = ""
    _Watch.thread = threading.get_ident()
    try:
        with contextlib.suppress(EscapedError):
            yield
    finally:
        _Watch.thread = None
        sys.dont_write_bytecode = before[0]
        sys.setrecursionlimit(before[1])
    assert not _Watch.escape, f"a reader of data did what it must not: {_Watch.escape}"


@functools.cache
def _install() -> None:
    sys.addaudithook(_audit)  # For the rest of the process: there is no way to take it out.


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _Watch.thread != threading.get_ident():
        return
    if event == "open":
        changed = (0,) if arguments[2] is not None and arguments[2] & WRITING else ()
    else:
        changed = CHANGED_PATHS.get(event, ())
    paths = [arguments[place] for place in changed if not isinstance(arguments[place], int)]
    if event == "os.kill" and arguments[1] == 0:  # It only asks whether a process is there.
        return
    if event in FORBIDDEN or not all(map(_may_write, paths)):
        _Watch.escape = f"{event}{arguments!r:.300}"
        raise EscapedError(_Watch.escape)


def _may_write(path: str | bytes | os.PathLike[str]) -> bool:
    name = os.fsencode(path)
    if name == os.fsencode(os.devnull):
        return True
    # A link itself is changed, not what it leads to.
    parent, last = os.path.split(os.path.normpath(os.path.join(os.getcwdb(), name)))  # noqa: PTH109, PTH118  bytes
    place = os.path.realpath(parent) + b"/" + last
    return _Watch.folder is not None and (place + b"/").startswith(_Watch.folder + b"/")
