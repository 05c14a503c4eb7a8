"""What compile() made of what has travelled, found again in a file of this host's cache.

It is a memory and nothing else: where there is no such file, or anything is amiss with it, all is
compiled, which is the same 50 ms later. ``codekeeper`` writes it.

    remotest/v1/code/KEY.TAG    KEY names all that has travelled, TAG what reads byte code alike

The file begins with a sha256 of its name and of what follows, so it is not another one's, and
whole. ``marshal``, which must not be given anything else, then makes of it the byte code of each
module by name, marshalled in turn: only what is imported is unpacked further.

This module is also run alone, in front of everything else: it imports nothing of ours.
"""

import hashlib
import importlib.util
import marshal
import os
import stat
import sys
from typing import Any, Dict, List, Optional

FOLDER = b"remotest/v1/code"  # In a cache.
MAX_BYTES = 8 * 1024 * 1024  # Of a file: ten times what all modules take.
DIGEST_BYTES = hashlib.sha256().digest_size
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ByteCode:
    """The code of what has travelled, by the names of modules.

    Attributes:
        caches: where it may be kept, the best first.
        key: the sha256 of all that has travelled, in hexadecimal.
        cache: where it was; None where it was nowhere.
        compiled: what had to be compiled so far.
    """

    def __init__(self, caches: List[bytes], key: str) -> None:
        self.caches = caches
        self.key = key
        self.cache: Optional[bytes] = None
        self.compiled: Dict[str, Any] = {}
        self._kept: Dict[str, bytes] = {}
        for cache in caches:
            kept = read(os.path.join(cache, FOLDER, file_name(key)))
            if kept:
                self.cache, self._kept = cache, kept
                break

    def get(self, name: str, source: str, filename: str) -> Any:
        """Return the code of a module, for ``exec``.

        Args:
            name: of the module.
            source: its text.
            filename: what tracebacks show.
        """
        if name in self._kept:
            return marshal.loads(self._kept[name])  # noqa: S302  see above
        if name not in self.compiled:
            self.compiled[name] = compile(source, filename, "exec", dont_inherit=True)
        return self.compiled[name]


def file_name(key: str) -> bytes:
    """Return the name of the file that this interpreter can use, for a key."""
    tag = "%s-%s-%d" % (
        sys.implementation.cache_tag,
        importlib.util.MAGIC_NUMBER.hex(),
        sys.flags.optimize,
    )
    return ("%s.%s" % (key, tag)).encode("ascii")


def read(path: bytes) -> Dict[str, bytes]:
    """Return marshalled code by module name; nothing where the file cannot be trusted in full."""
    try:
        data = _read_own(path)
    except OSError:
        return {}
    content = memoryview(data)[DIGEST_BYTES:]
    if data[:DIGEST_BYTES] != digest(os.path.basename(path), content):
        return {}
    kept: Dict[str, bytes] = marshal.loads(content)  # noqa: S302  see above
    return kept


def _read_own(path: bytes) -> bytes:
    """Return the content of a file; nothing of one that somebody else can have written."""
    # What else may lie there is not followed, and not waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        is_own = status.st_uid == os.geteuid() and not status.st_mode & OTHERS_MAY_WRITE
        if not is_own or not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return b""
        return os.read(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def digest(name: bytes, content: Any) -> bytes:
    """Return what stands in front of the content of a file of this name."""
    whole = hashlib.sha256(name + b"\n")
    whole.update(content)
    return whole.digest()
