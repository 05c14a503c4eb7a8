"""``REMOTEST_FAULTS``: what shall go wrong between the controller and its hosts. Pure.

A fault is ``KIND:N:ACTION``, several are separated by commas: with ``report:3:drop`` the third
report of a test that comes from any host of the run is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pytest_remotest.messages import MESSAGES
from remotest.errors import UsageError

VARIABLE: Final = "REMOTEST_FAULTS"

MAX_DELAY_S: Final = 3600.0
"""Longer than anybody is waited for."""

_SAID_BY_WORKERS: Final = frozenset(
    (
        *("SessionStarted", "ItemGroups", "Collected", "LogStart", "LogFinish", "TestReport"),
        *("CollectReport", "WarningRecorded", "ItemFinished", "ItemPassed", "ItemsReturned"),
        *("Idle", "Busy", "InternalError", "SessionOutput", "SessionFinished"),
    )
)
_TOLD_TO_WORKERS: Final = frozenset(("RunItems", "ReclaimItems", "Finish", "StopSession"))

_KINDS: Final = {
    **{message.__name__: frozenset((message.__name__,)) for message in MESSAGES},
    "report": frozenset(("TestReport",)),
    "command": _TOLD_TO_WORKERS,
    "any": _SAID_BY_WORKERS,
}
_ACTIONS: Final = ("drop", "double", "delay=SECONDS", "cut", "corrupt", "kill")

_BEFORE_OPEN: Final = frozenset(("Greeting",))
"""What comes before there is a connection that could be cut."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to the ``nth`` message (from 1) of the run that is of one of these ``kinds``.

    Attributes:
        kinds: names of messages.
        nth: which of them.
        action: ``drop``, ``double``, ``delay``, ``cut``, ``corrupt`` or ``kill``.
        delay_s: for how long to delay.
    """

    kinds: frozenset[str]
    nth: int
    action: str
    delay_s: float = 0.0


def parse_faults(text: str) -> tuple[Fault, ...]:
    """Return the faults that a user asks for; none for an empty text.

    Raises:
        UsageError: the text is none that can be done.
    """
    return tuple(_parse_fault(part.strip()) for part in text.split(",")) if text.strip() else ()


def _parse_fault(text: str) -> Fault:
    kind, _, rest = text.partition(":")
    nth, _, what = rest.partition(":")
    action, _, argument = what.partition("=")
    if kind not in _KINDS:
        raise _error(text, f"no message is called {kind!r}, and no group; groups are {_groups()}")
    if not nth.isascii() or not nth.isdigit() or int(nth) == 0:
        raise _error(text, f"{nth!r} is none of 1, 2, 3...")
    if action not in [name.partition("=")[0] for name in _ACTIONS]:
        raise _error(text, f"{action!r} is none of {', '.join(_ACTIONS)}")
    if (action == "delay") != bool(argument):
        raise _error(text, "seconds belong to delay, as delay=5, and to nothing else")
    fault = Fault(
        kinds=_KINDS[kind],
        nth=int(nth),
        action=action,
        delay_s=_parse_delay(text, argument) if argument else 0.0,
    )
    _refuse_what_cannot_be(fault, text)
    return fault


def _parse_delay(text: str, argument: str) -> float:
    try:
        delay_s = float(argument)
    except ValueError:
        delay_s = -1.0
    if not 0 < delay_s <= MAX_DELAY_S:
        raise _error(text, f"a delay is a number of seconds, up to {MAX_DELAY_S:g}")
    return delay_s


def _refuse_what_cannot_be(fault: Fault, text: str) -> None:
    if fault.action == "kill" and not fault.kinds <= _SAID_BY_WORKERS | _TOLD_TO_WORKERS:
        raise _error(text, "kill ends a worker, and this is not said by one, or to one")
    if fault.action in ("cut", "kill") and fault.kinds & _BEFORE_OPEN:
        raise _error(text, "it comes before there is a connection to cut")


def _groups() -> str:
    names = {message.__name__ for message in MESSAGES}
    return ", ".join(name for name in _KINDS if name not in names)


def _error(text: str, what: str) -> UsageError:
    return UsageError(f"{VARIABLE}: {text!r}: {what}; write KIND:N:ACTION, as report:3:drop")
