"""How a worker's process ended, and which of its last words help. Pure."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FATAL: Final = "Fatal Python error: "
"""How faulthandler begins to say what killed the interpreter."""

_FRAME: Final = re.compile(r'  File "(?P<path>[^"]*)", line \d+ in ')
_MACHINERY: Final = re.compile(r".*/(_pytest|pluggy)/|<remotest>/|<string>$")
"""Files whose frames stand between the interpreter's start and every test."""


def describe_end(status: int, output: str) -> str:
    """Return how a process ended with the most telling of its last words.

    That is what the interpreter says killed it, or the last line, as of a traceback. Where there
    are more words than that, they follow below, but frames of pytest.

    Args:
        status: its exit status, negative for a signal.
        output: the last that it printed.
    """
    words = list(_without_machinery(output.strip().splitlines()))
    how = _how(status)
    fatal = next((line for line in words if line.startswith(_FATAL)), None)
    if fatal is not None:
        words.remove(fatal)
        return "\n".join([f"{how}: {fatal.strip()}", *words])
    if not words:
        return how
    # pytest puts an E in front of errors of a conftest.
    first = f"{how}: {re.sub(r'^E +', '', words[-1]).strip()}"
    return "\n".join([first, *words]) if len(words) > 1 else first


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"ended by signal {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"


def _without_machinery(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a dump; for frames that are the same for every test, how many."""
    left_out = 0
    for line in lines:
        frame = _FRAME.match(line)
        if frame is not None and _MACHINERY.match(frame["path"]):
            left_out += 1
            continue
        if left_out:
            yield _left_out_line(left_out)
            left_out = 0
        yield line
    if left_out:
        yield _left_out_line(left_out)


def _left_out_line(count: int) -> str:
    return f"  ({count} frame{'' if count == 1 else 's'} of pytest)"
