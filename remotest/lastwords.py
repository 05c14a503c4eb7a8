"""How a worker's process ended, and which of its last words help. Pure."""

from __future__ import annotations

import re
import signal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FATAL: Final = "Fatal Python error: "
"""How faulthandler begins to say what killed the interpreter."""

_USAGE_ERROR: Final = re.compile(r"\S+: error: (?P<cause>.*)")
"""How argparse says what is wrong with a command line; pytest adds where it looked."""

_FRAME: Final = re.compile(r'  File "(?P<path>[^"]*)", line \d+ in ')
_OUR_FRAME: Final = '  File "<remotest>/'
_MACHINERY: Final = re.compile(r".*/(_pytest|pluggy)/|<remotest>/|<string>$")
"""Files whose frames stand between the interpreter's start and every test."""


def describe_end(status: int, output: str) -> str:
    """Return how a process ended with the most telling of its last words.

    That is what the interpreter says killed it, what pytest says is wrong with its command line,
    or the last line, as of a traceback. Where there are more words than that, they follow below,
    but frames of pytest.

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
    first = f"{how}: {_most_telling(words)}"
    return "\n".join([first, *words]) if len(words) > 1 else first


def describe_killed(killed: str, output: str) -> str:
    """Return why a process was killed, and below that its last words, as where it was then.

    Args:
        killed: why and how.
        output: the last that it printed.
    """
    words = _without_machinery(output.strip().splitlines())
    # That it was killed is no news.
    return "\n".join([killed, *(line for line in words if not line.startswith(_FATAL))])


def _most_telling(words: Sequence[str]) -> str:
    for line in words:
        if usage_error := _USAGE_ERROR.match(line.strip()):
            return usage_error["cause"]
    # pytest puts an E in front of errors of a conftest.
    return re.sub(r"^E +", "", words[-1]).strip()


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"ended by signal {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"


def _without_machinery(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a dump; for frames that are the same for every test, how many."""
    left_out = 0
    for line in _without_our_thread(lines):
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


def _without_our_thread(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a dump, but not those of the thread that waits for what we say."""
    is_ours = False
    for line, following in pairwise([*lines, ""]):
        if line.startswith("Thread "):
            is_ours = following.startswith(_OUR_FRAME)
        if not is_ours:
            yield line
        is_ours = is_ours and bool(line)


def _left_out_line(count: int) -> str:
    return f"  ({count} frame{'' if count == 1 else 's'} of pytest)"
