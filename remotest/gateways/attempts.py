"""Retries of a connection: which errors are retried, how often, and how this is reported."""

from __future__ import annotations

import errno
import random
import socket
import time
from typing import TYPE_CHECKING, Final, TypeVar

from remotest.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.errors import Fault

REFUSED_ATTEMPTS: Final = 4
"""How often a connection that is refused, reset or has no way is tried, in about two seconds: a
server that is being restarted is back within one. A host that boots takes longer, but so long
would everybody wait who has mistyped a port."""

DROPPED_ATTEMPTS: Final = 6
"""How often a log-in that the server drops is tried: MaxStartups lets one in within seconds."""

NAME_ATTEMPTS: Final = 2
"""How often a name is looked up that no server answers for just now: the resolver itself has asked
more than once."""

RETRY_DELAY_S: Final = 0.25
"""The first delay between attempts; each further one is twice as long. Six take about 8 s."""

PASSING_ERRORS: Final = frozenset(
    {errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH}
)
"""What a network or a server that is about to come up answers."""

T = TypeVar("T")


class DialError(ConnectError):
    """A connection could not be made.

    Attributes:
        attempts: how often to try in all; 1 where trying again at once cannot help.
    """

    fault: Fault = "away"
    attempts = 1

    def told_after(self, attempt_count: int, spent_s: float) -> DialError:
        """Return the same error, which says how often and how long it was tried."""
        if attempt_count == 1:
            return self
        told = DialError(
            host=self.host,
            phase=self.phase,
            cause=f"{self.cause}; tried {attempt_count} times in {spent_s:.1f} s",
            remedy=self.remedy,
            stderr=self.stderr,
        )
        told.fault = self.fault
        return told


class SessionRefused(ConnectError):  # noqa: N818  what the server did, not a fault
    """The server opens no further session on this connection (MaxSessions)."""


def attempts_after(errors: list[OSError]) -> int:
    """Return how often to try to connect where the addresses of a host fail like this."""
    return REFUSED_ATTEMPTS if all(error.errno in PASSING_ERRORS for error in errors) else 1


def is_passing_name_error(error: Exception) -> bool:
    """Return whether a name could not be looked up just now, which says nothing of the name."""
    return isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN


def persist(
    once: Callable[[], T],
    *,
    limit_s: float,
    chance: Callable[[], float] = random.random,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Return what ``once`` returns, called again while it raises what may pass.

    Args:
        once: makes one attempt.
        limit_s: no attempt begins later than this after the first.
        chance: a number from 0 up to 1, which spreads the delays of those that failed together.
        sleep: waits for so many seconds.
        clock: seconds since some moment.

    Raises:
        DialError: the last one, which says how often and how long it was tried.
    """
    started_s = clock()
    attempt = 1
    while True:
        try:
            return once()
        except DialError as error:
            delay_s = RETRY_DELAY_S * 2.0 ** (attempt - 1) * (0.5 + chance())
            spent_s = clock() - started_s
            if attempt >= error.attempts or spent_s + delay_s > limit_s:
                raise error.told_after(attempt, spent_s) from error
        sleep(delay_s)
        attempt += 1
