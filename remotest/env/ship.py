"""Bringing an environment to one interpreter on a host: it is sent the wheels that it lacks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest.frames import encode, encode_blobs
from pytest_remotest.messages import MAX_BUILD_S, BuildFailed, EnvDone, EnvFailed, EnvOpen, EnvWant
from remotest.errors import EnvError, ProtocolError
from remotest.sync.contents import ContentChanged, blobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from remotest.env.model import Contents, HostBuild, Provisions, Source, Wheel

PHASE: Final = "environment"
BUILD_PHASE: Final = "build"

ANSWER_TIMEOUT_S: Final = 600
"""From the last byte sent to the host's next answer. In it a host may unpack wheels of gigabytes
to a slow disk. What is to be built has its own time."""

BUILD_REMEDY: Final = (
    "see that a compiler, the headers of this Python and the libraries that it needs are there and "
    "found (setup= can see to that); or require a version that has a wheel for this interpreter"
)


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
        sent_bytes: size of the files that the host lacked.
        notes: what the host has to say, one line each.
        extensions_folder: of another one with what was compiled of the project, for
            ``SpawnWorker.extensions_folder``; None where nothing was.
    """

    folder: str
    was_built: bool
    packages: Mapping[str, str]
    sent_bytes: int
    notes: tuple[str, ...]
    extensions_folder: str | None = None


def ship_all(
    provisions: Provisions,
    destination: Destination,
    send: Callable[[bytes], None],
    receive: Callable[[float], Any],
) -> Shipped:
    """Have all on a host that an agent's workers are given; else as ``ship``."""
    shipped = ship(provisions.contents, destination, send, receive)
    if provisions.extensions is None:
        return shipped
    compiled = ship(provisions.extensions, destination, send, receive)
    return replace(
        shipped,
        extensions_folder=compiled.folder,
        sent_bytes=shipped.sent_bytes + compiled.sent_bytes,
    )


def ship(
    contents: Contents,
    destination: Destination,
    send: Callable[[bytes], None],
    receive: Callable[[float], Any],
) -> Shipped:
    """Have an environment on a host. Blocks; one thread for each agent.

    Args:
        contents: all that is in it.
        destination: the host and the place there.
        send: sends one frame; blocks while the link is full, raises HostLost where it is gone.
        receive: waits so many seconds at most for the next Env message of the host. Raises
            TimeoutError if none comes, HostLost where the link is gone.

    Raises:
        EnvError: the host could not make it, or a file here has changed meanwhile.
        ProtocolError: the host asked for, or said, what it may not.
        HostLost: from ``send`` and ``receive``.
    """
    builds = {build.key: build for build in contents.builds}
    conversation = _Conversation(destination.host, builds, send, receive)
    offered = {file.sha256: file for file in _files(contents)}
    send(
        encode(
            [
                EnvOpen(
                    key=contents.key,
                    cache=destination.cache,
                    wheels=[_row(wheel) for wheel in dict.fromkeys(contents.wheels)],
                    fresh=destination.is_fresh,
                    builds=[_build_row(build) for build in builds.values()],
                    tags=[str(tag) for tag in contents.tags] if builds else [],
                )
            ]
        )
    )
    wanted = conversation.wanted(offered)
    for file in wanted:
        conversation.supply(file)
    done: EnvDone = conversation.next(EnvDone)
    return Shipped(
        folder=done.folder,
        was_built=done.was_built,
        packages=done.packages,
        sent_bytes=sum(file.size_bytes for file in wanted),
        notes=tuple(done.notes),
    )


def _files(contents: Contents) -> Iterator[Wheel | Source]:
    yield from contents.wheels
    for build in contents.builds:
        yield build.source
        yield from build.requires


def _row(file: Wheel | Source) -> list[Any]:
    return [file.sha256, file.filename, file.size_bytes]


def _build_row(build: HostBuild) -> list[Any]:
    return [
        build.key,
        build.name,
        build.version if build.is_exact else "",
        _row(build.source),
        build.backend,
        list(build.backend_path),
        dict(build.variables),
        [_row(wheel) for wheel in build.requires],
    ]


@dataclass(frozen=True)
class _Conversation:
    host: str
    builds: Mapping[str, HostBuild]
    send: Callable[[bytes], None]
    receive: Callable[[float], Any]

    def wanted(self, offered: Mapping[str, Wheel | Source]) -> list[Wheel | Source]:
        """Return the files that the host lacks, each once."""
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

    def supply(self, file: Wheel | Source) -> None:
        try:
            for blob in blobs(str(file.path), file.sha256):
                self.send(encode_blobs([blob]))
        except ContentChanged as error:
            raise EnvError(
                host=self.host,
                phase=PHASE,
                cause=f"{file.path} is no longer the file that was resolved: {error}",
                remedy=f"remove {file.path.parent} and run again",
            ) from error

    def next(self, expected: type) -> Any:
        timeout_s = ANSWER_TIMEOUT_S + MAX_BUILD_S * len(self.builds)
        try:
            answer = self.receive(timeout_s)
        except TimeoutError:
            raise EnvError(
                host=self.host,
                phase=PHASE,
                cause=f"no answer within {timeout_s} s",
                remedy="see whether the host's disk is very slow, or the connection is gone",
            ) from None
        if isinstance(answer, EnvFailed):
            raise EnvError(host=self.host, phase=PHASE, cause=answer.reason, remedy=answer.remedy)
        if isinstance(answer, BuildFailed) and answer.key in self.builds:
            raise EnvError(
                host=self.host,
                phase=BUILD_PHASE,
                cause=f"{self.builds[answer.key].title}: {answer.reason}",
                remedy=BUILD_REMEDY,
                stderr=answer.log,
            )
        if not isinstance(answer, expected):
            raise ProtocolError(
                host=self.host,
                phase=PHASE,
                cause=f"{type(answer).__name__} came where {expected.__name__} was due",
            )
        return answer
