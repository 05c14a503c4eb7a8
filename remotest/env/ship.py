"""Bringing an environment to one interpreter on a host: it is sent the wheels that it lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest.frames import encode, encode_blob
from pytest_remotest.messages import EnvDone, EnvFailed, EnvOpen, EnvWant
from remotest.errors import EnvError, ProtocolError
from remotest.sync.contents import ContentChanged, blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from remotest.env.model import Wheel

PHASE: Final = "environment"

ANSWER_TIMEOUT_S: Final = 600
"""From the last byte sent to the host's next answer. In it a host may unpack wheels of gigabytes
to a slow disk."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where an environment goes.

    Attributes:
        host: as the user wrote it, for errors.
        cache: directory on the host to keep environments in, None for the host's own choice.
        is_fresh: it is made for this run alone, and removed after it.
    """

    host: str
    cache: str | None = None
    is_fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """An environment that stands on a host.

    Attributes:
        folder: absolute path of it there; ``SpawnWorker.env_folder`` takes it.
        was_built: it was made now, and not found.
        packages: name -> version of what is in it.
        sent_bytes: size of the wheels that the host lacked.
        notes: what the host has to say, one line each.
    """

    folder: str
    was_built: bool
    packages: Mapping[str, str]
    sent_bytes: int
    notes: tuple[str, ...]


def ship(
    wheels: Sequence[Wheel],
    key: str,
    destination: Destination,
    send: Callable[[bytes], None],
    receive: Callable[[float], Any],
) -> Shipped:
    """Have an environment of these wheels on a host. Blocks; one thread for each agent.

    Args:
        wheels: all that is in it; each fits the interpreter.
        key: of the environment: the same for the same wheels on the same interpreter, lower-case
            hexadecimal digits.
        destination: the host and the place there.
        send: sends one frame; blocks while the link is full, raises HostLost where it is gone.
        receive: waits so many seconds at most for the next Env message of the host. Raises
            TimeoutError if none comes, HostLost where the link is gone.

    Raises:
        EnvError: the host could not make it, or a wheel here has changed meanwhile.
        ProtocolError: the host asked for, or said, what it may not.
        HostLost: from ``send`` and ``receive``.
    """
    conversation = _Conversation(destination.host, send, receive)
    offered = {wheel.sha256: wheel for wheel in wheels}
    rows = [[wheel.sha256, wheel.filename, wheel.size_bytes] for wheel in offered.values()]
    send(encode([EnvOpen(key, destination.cache, rows, destination.is_fresh)]))
    wanted = conversation.wanted(offered)
    for wheel in wanted:
        conversation.supply(wheel)
    done: EnvDone = conversation.next(EnvDone)
    return Shipped(
        folder=done.folder,
        was_built=done.was_built,
        packages=done.packages,
        sent_bytes=sum(wheel.size_bytes for wheel in wanted),
        notes=tuple(done.notes),
    )


@dataclass(frozen=True)
class _Conversation:
    host: str
    send: Callable[[bytes], None]
    receive: Callable[[float], Any]

    def wanted(self, offered: Mapping[str, Wheel]) -> list[Wheel]:
        """Return the wheels that the host lacks, each once."""
        want: EnvWant = self.next(EnvWant)
        for digest in want.digests:
            if digest not in offered or want.digests.count(digest) > 1:
                raise ProtocolError(
                    host=self.host,
                    phase=PHASE,
                    cause=f"the host asks for {digest!r:.80}, which is not offered",
                    remedy="this is no remotest agent, or a manipulated one: do not use it",
                )
        return [offered[digest] for digest in want.digests]

    def supply(self, wheel: Wheel) -> None:
        try:
            for blob in blobs(str(wheel.path), wheel.sha256):
                self.send(encode_blob(blob))
        except ContentChanged as error:
            raise EnvError(
                host=self.host,
                phase=PHASE,
                cause=f"{wheel.path} is no longer the wheel that was resolved: {error}",
                remedy=f"remove {wheel.path.parent} and run again",
            ) from error

    def next(self, expected: type) -> Any:
        try:
            answer = self.receive(ANSWER_TIMEOUT_S)
        except TimeoutError:
            raise EnvError(
                host=self.host,
                phase=PHASE,
                cause=f"no answer within {ANSWER_TIMEOUT_S} s",
                remedy="see whether the host's disk is very slow, or the connection is gone",
            ) from None
        if isinstance(answer, EnvFailed):
            raise EnvError(host=self.host, phase=PHASE, cause=answer.reason, remedy=answer.remedy)
        if not isinstance(answer, expected):
            raise ProtocolError(
                host=self.host,
                phase=PHASE,
                cause=f"{type(answer).__name__} came where {expected.__name__} was due",
            )
        return answer
