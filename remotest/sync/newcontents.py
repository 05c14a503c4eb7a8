"""Contents that are new since the last manifest, and so little that nobody need ask for them.

Who changes a few files and runs the tests again is the usual case. A host that has the last
manifest lacks just these, and is given them along with what has changed in it: to hear which of
them it lacks would take a round trip.
"""

from __future__ import annotations

import re
from typing import Final

NEW_BYTES: Final = 256 * 1024
"""Of all of them. More is better asked for: not every host has the last manifest."""

_DIGEST: Final = re.compile(rb'"([0-9a-f]{64})"')


class NewContents:
    """Takes in what was read, and keeps what is new.

    Attributes:
        former: text of the last manifest, empty without one.
        contents: by digest. None if there is no last manifest, or more than ``NEW_BYTES``.
    """

    def __init__(self, former: bytes) -> None:
        self.former = former
        self.contents: dict[str, bytes] = {}
        self._known: frozenset[bytes] | None = None
        self._room_bytes = NEW_BYTES if former else -1

    def add(self, digest: str, content: bytes) -> None:
        """Take in a file that was read: it may have changed."""
        if self._room_bytes < 0 or digest in self.contents:
            return
        if self._known is None:
            self._known = frozenset(_DIGEST.findall(self.former))
        if digest.encode() in self._known:
            return
        self._room_bytes -= len(content)
        if self._room_bytes < 0:
            self.contents.clear()
        else:
            self.contents[digest] = content
