"""A process ends sooner where Python need not look for what is only reachable in cycles.

Python frees each object at its end, one by one, though the system takes all memory at once. With
a framework of 8,000 classes that takes a fifth of what its import does. Nobody can tell whether it
was done but by a ``__del__``: of somebody's class, of a file that is flushed, of a generator in a
``try``. What modules refer to, and nothing in a cycle, is freed as ever.
"""

import atexit
import contextlib
import gc
import io
import os
import sys
import threading
from itertools import compress
from typing import Any, Callable, Dict, List

from pytest_remotest.silentterminal import Nowhere

MEMORY_FILES = (io.StringIO, io.BytesIO, Nowhere)
FILES = (io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)


def prepare(is_spent: Callable[[Any], bool] = lambda _: False) -> None:
    """Let this process end so; called before anything of a user is, so that it happens last.

    Args:
        is_spent: whether an object whose class has a ``__del__`` would do nothing by it any more.
    """
    if hasattr(gc, "freeze"):  # From Python 3.7 on; and PyPy frees nothing at its end.
        atexit.register(leave_cycles, is_spent)


def leave_cycles(is_spent: Callable[[Any], bool]) -> None:
    """Let Python free no cycles from now on, unless there is an object that would do something."""
    if all(map(is_spent, telling_objects())):
        gc.freeze()


def leave(status: int) -> None:
    """End this process as Python does, but for what it does only to free memory.

    That would look at each object once more: it takes time, and what a fork shares so far it would
    have alone.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  joins threads, as Python
    # Up to Python 3.9 it raises the last error again that it has printed; Python forgets that.
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001  there is no public way either
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # A test may have left anything there, or nothing.
            stream.flush()
    os._exit(status)


def telling_objects() -> List[Any]:
    """Return the objects whose class has a ``__del__``, but for files that would do nothing."""
    kinds = set(filter(_has_finalizer, _classes())).difference(MEMORY_FILES)
    found = gc.get_objects()
    # Each object is looked at once, and by no bytecode: there may be a million.
    telling = compress(found, map(kinds.__contains__, map(type, found)))
    own = {id(part) for part in _standard_streams()}
    return [each for each in telling if id(each) not in own and not _is_closed(each)]


def _classes() -> List[type]:
    """Return all classes of this process."""
    # By their ids, and not asked themselves: a metaclass of somebody may answer.
    known: Dict[int, type] = {}
    waiting: List[type] = [object]
    while waiting:
        kind = waiting.pop()
        if id(kind) not in known:
            known[id(kind)] = kind
            waiting += type.__subclasses__(kind)
    return list(known.values())


def _has_finalizer(kind: type) -> bool:
    # Not by hasattr(): a metaclass of somebody may answer it.
    return any("__del__" in base.__dict__ for base in kind.__mro__)


def _is_closed(each: Any) -> bool:
    try:
        return type(each) in FILES and bool(each.closed)
    except Exception:  # noqa: BLE001  below it there may be anything of a user
        return False


def _standard_streams() -> List[Any]:
    """Return the files of this process that Python flushes itself, with what they consist of."""
    streams = [sys.__stdin__, sys.__stdout__, sys.__stderr__]
    buffers = [getattr(stream, "buffer", None) for stream in streams]
    return [*streams, *buffers, *(getattr(buffer, "raw", None) for buffer in buffers)]
