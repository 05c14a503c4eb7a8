"""What a host keeps for later runs: asking for it, and having some of it removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_remotest.frames import encode
from pytest_remotest.messages import AskCache, CacheFailed, CacheTold
from remotest.env.stored import Stored
from remotest.errors import EnvError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PHASE: Final = "cache"

ANSWER_TIMEOUT_S: Final = 600
"""For a host to look at every file of its trees, or to delete gigabytes, on a slow disk."""

MAX_THINGS: Final = 100_000
"""That a host lists: more is kept nowhere."""

FIELDS: Final = ("kind", "key", "name", "size_bytes", "used_s", "in_use")
ROW: Final = (str, str, str, int, float, bool)
"""What a row of ``CacheTold.things`` is made of."""


@dataclass(frozen=True, kw_only=True)
class HostCache:
    """A cache on a host: the absolute path ``place`` there, and what is in it or was removed."""

    place: str
    things: tuple[Stored, ...]


def ask_cache(
    action: Literal["list", "collect", "remove"],
    things: Iterable[Stored],
    *,
    host: str,
    cache: str | None,
    send: Callable[[bytes], None],
    receive: Callable[[float], Any],
) -> HostCache:
    """Ask a host for what it keeps, or have it remove what is too old or what is named.

    Args:
        action: see ``AskCache``.
        things: which are to be removed; those in use stay.
        host: as the user wrote it, for errors.
        cache: the directory there, None for the host's own choice.
        send: as in ``ship``.
        receive: as in ``ship``, for the next Cache message.

    Raises:
        EnvError: the host cannot.
        ProtocolError: the host said what it may not.
        HostLost: from ``send`` and ``receive``.
    """
    send(encode([AskCache(cache, action, [[thing.kind, thing.key] for thing in things])]))
    found: list[Stored] = []
    while True:
        told = _next(host, receive)
        found += [_stored(host, row) for row in told.things]
        if len(found) > MAX_THINGS or not (told.things or told.last):
            raise ProtocolError(host=host, phase=PHASE, cause="its list has no end")
        if told.last:
            return HostCache(place=told.place, things=tuple(found))


def _next(host: str, receive: Callable[[float], Any]) -> CacheTold:
    try:
        answer = receive(ANSWER_TIMEOUT_S)
    except TimeoutError:
        raise EnvError(
            host=host,
            phase=PHASE,
            cause=f"no answer within {ANSWER_TIMEOUT_S} s",
            remedy="see whether the host's disk is very slow, or the connection is gone",
        ) from None
    if isinstance(answer, CacheFailed):
        raise EnvError(host=host, phase=PHASE, cause=answer.reason, remedy=answer.remedy)
    if not isinstance(answer, CacheTold):
        raise ProtocolError(
            host=host,
            phase=PHASE,
            cause=f"{type(answer).__name__} came where CacheTold was due",
        )
    return answer


def _stored(host: str, row: list[Any]) -> Stored:
    if tuple(map(type, row)) != ROW:
        raise ProtocolError(host=host, phase=PHASE, cause=f"{row!r:.80} is nothing in a cache")
    return Stored(**dict(zip(FIELDS, row, strict=True)))
