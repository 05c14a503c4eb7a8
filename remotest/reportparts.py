"""One object for what is equal in many reports: pytest keeps each of them until the end.

The reports of one item tell its name, its place and its keywords three times, and those of its
neighbours tell much of it again. As they come from a worker each has texts of its own.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

_OF_ITEM: Final = ("_id", "nodeid", "location")
"""What never changes, neither from phase to phase nor in itself; 9.2 has ``_id`` for ``nodeid``."""

_WORDS: Final = ("outcome", "when", "$report_type")
"""What is one of a few words."""


def share_parts(report: pytest.TestReport, former: pytest.TestReport | None) -> None:
    """Put into a report what an earlier one of the same worker has as well.

    A dict that plugins may change stays its own; its keys do not.
    """
    own = vars(report)
    for name in _WORDS:
        if type(own.get(name)) is str:
            own[name] = intern(own[name])
    if former is None:
        return
    theirs = vars(former)
    for name in _OF_ITEM:
        if name in own and own[name] == theirs.get(name):
            own[name] = theirs[name]
    keywords, before = own["keywords"], theirs["keywords"]
    if keywords == before:
        own["keywords"] = before.copy()
    else:
        known = {key: key for key in before}
        own["keywords"] = {known.get(key, key): value for key, value in keywords.items()}
