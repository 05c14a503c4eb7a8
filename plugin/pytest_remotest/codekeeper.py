"""Keeping the byte code of what has travelled, for ``bytecode`` to find it, and not for ever.

Many agents may do so at once, also on several machines that share a home: names are given by
renaming, and all that come to one name have the same content.
"""

import contextlib
import marshal
import os
import sys
import time
from typing import Iterator, List, Tuple

from pytest_remotest import bytecode, cachefolder, holders, loader
from pytest_remotest.faults import Refused

PART = os.path.basename(bytecode.FOLDER)  # Of a cache.
MAX_AGE_S = 14 * 24 * 3600  # As for environments. What nobody has used for so long is out of date.
MAX_FILES = 24  # 0.7 MB each: several interpreters, and a few versions that hosts are shared by.
TOUCH_S = 24 * 3600  # Between notes of a use, so that not each run writes to the disk.
ARRIVING = b".tmp-"  # What is not whole, or never will be.


def keep() -> None:
    """Keep the code of what this process runs from, or note that it was used.

    Nobody is told where that cannot be done: only how soon an agent is there depends on it.
    """
    finder = loader.finder()
    if finder is None or sys.dont_write_bytecode:
        return
    with contextlib.suppress(OSError, Refused):  # See above.
        code = finder.remotest_code
        if code.cache is not None:
            _note_use(os.path.join(code.cache, bytecode.FOLDER, bytecode.file_name(code.key)))
            return
        folder, _ = cachefolder.find_in(code.caches, PART)
        for name in finder.remotest_bundle:
            finder.get_code(name)
        content = marshal.dumps(
            {name: marshal.dumps(compiled) for name, compiled in code.compiled.items()}
        )
        _write(folder, bytecode.file_name(code.key), content)
        sweep(folder, time.time())


def _note_use(path: bytes) -> None:
    if time.time() - os.stat(path).st_mtime > TOUCH_S:
        os.utime(path)


def _write(folder: bytes, name: bytes, content: bytes) -> None:
    arriving = os.path.join(folder, ARRIVING + holders.unique())
    try:
        holders.create(arriving, bytecode.digest(name, content) + content)
        os.rename(arriving, os.path.join(folder, name))
    except OSError:
        holders.remove(arriving)
        raise


def sweep(folder: bytes, now_s: float) -> None:
    """Remove what is old, or too much; also what a killed process has not written to its end.

    Raises:
        OSError: as the disk has it.
    """
    newest_first = sorted(files(folder), reverse=True)
    for number, (used_s, path, _) in enumerate(newest_first):
        if number >= MAX_FILES or used_s < now_s - MAX_AGE_S:
            holders.remove(path)


def files(folder: bytes) -> Iterator[Tuple[float, bytes, int]]:
    """Yield the (time of the last use, path, bytes) of each file in the folder."""
    names: List[bytes] = os.listdir(folder) if os.path.isdir(folder) else []
    for name in names:
        path = os.path.join(folder, name)
        with contextlib.suppress(FileNotFoundError):  # Removed meanwhile.
            status = os.lstat(path)
            yield status.st_mtime, path, status.st_size
