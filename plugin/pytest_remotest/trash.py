"""Deleting what has been moved out of everybody's way, as far as there is time for it."""

import contextlib
import os
import stat
import time
from typing import Optional


def empty(folder: bytes, deadline_s: Optional[float] = None) -> bool:
    """Delete all that is in a folder. Several processes may do so at once.

    Args:
        folder: holds nothing that anybody needs.
        deadline_s: of the monotonic clock; None for as long as it takes.

    Returns:
        whether it is empty now.
    """
    for parent, directories, files in os.walk(folder, topdown=False):
        paths = [os.path.join(parent, name) for name in files + directories]
        for path in paths:
            # Another process may be at it too; what cannot be deleted now is tried another time.
            with contextlib.suppress(OSError):
                is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
                (os.rmdir if is_folder else os.unlink)(path)
        if deadline_s is not None and time.monotonic() > deadline_s:
            break
    return not os.listdir(folder)
