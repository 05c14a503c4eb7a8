"""What there is in a directory that is to equal a manifest: one walk, which reads no file."""

import os
import stat
from typing import Dict, Iterator, List, Tuple

from pytest_remotest.entries import DIRECTORY, TOP_NAMES, Entry, to_text

SEARCHABLE = 0o500
BYTECODE = "__pycache__"


class Look:
    """What was found. Links are never followed.

    Attributes:
        statuses: of what is at the places of the manifest, as ``lstat`` has it.
        extras: places of what is there, and in no manifest.
        closed: directories of the manifest that we cannot enter. Nothing in them was found.
        bytecode: for each directory of the manifest that holds bytecode the names in there, and
            whether each is a regular file.
    """

    def __init__(self) -> None:
        self.statuses: Dict[str, os.stat_result] = {}
        self.extras: List[str] = []
        self.closed: List[str] = []
        self.bytecode: Dict[str, List[Tuple[str, bool]]] = {}


def look(top: bytes, entries: Dict[str, Entry]) -> Look:
    """Return what is in a directory.

    Args:
        top: holds ``TOP_NAMES``; what else is in it is not looked at.
        entries: of the manifest, by place.

    Raises:
        OSError: as the disk has it.
    """
    found = Look()
    waiting = [("", top)]
    while waiting:
        directory, path = waiting.pop()
        for name, item, status in _children(path):
            place = directory + "/" + name if directory else name
            entry = entries.get(place)
            is_directory = stat.S_ISDIR(status.st_mode)
            if not directory and name not in TOP_NAMES:
                continue
            if entry is not None and (entry.kind == DIRECTORY or not is_directory):
                found.statuses[place] = status
                if is_directory and status.st_mode & SEARCHABLE == SEARCHABLE:
                    waiting.append((place, item))
                elif is_directory:
                    found.closed.append(place)
            elif is_directory and name == BYTECODE and directory:
                found.bytecode[directory] = [
                    (name, stat.S_ISREG(status.st_mode)) for name, _, status in _children(item)
                ]
            else:
                found.extras.append(place)
    return found


def _children(path: bytes) -> Iterator[Tuple[str, bytes, os.stat_result]]:
    """Yield (name, path, status) of what is in a directory, but for what goes meanwhile."""
    with os.scandir(path) as items:
        for item in items:
            try:
                status = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield to_text(item.name), item.path, status
