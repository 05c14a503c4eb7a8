"""What an environment was made from, to say at the next time what makes it another one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from remotest.env.lock import interpreter_title
from remotest.env.locks import digest
from remotest.env.wheelcache import INPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from remotest.env.model import Contents, Target, Wanted
    from remotest.env.wheelcache import WheelCache


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """All that decides which environment an agent is given.

    Attributes:
        key: of the environment.
        interpreter: as people call it.
        build: of the target.
        source: what says what is wanted.
        requirements: PEP 508 texts, with constraints and additions.
        wheels: name -> (version, sha256); the key of a build in the place of the latter.
    """

    key: str
    interpreter: str
    build: str
    source: str
    requirements: tuple[str, ...]
    wheels: Mapping[str, tuple[str, str]]

    @classmethod
    def of(
        cls,
        target: Target,
        wanted: Wanted,
        additions: Iterable[str],
        contents: Contents,
    ) -> Inputs:
        """Return what is about to become an environment."""
        return cls(
            key=contents.key,
            interpreter=interpreter_title(target),
            build=target.build,
            source=wanted.source,
            requirements=(*wanted.requirements, *wanted.constraints, *additions),
            wheels={
                **{wheel.name: (wheel.version, wheel.sha256) for wheel in contents.wheels},
                **{build.name: (build.version, build.key) for build in contents.builds},
            },
        )


def differences(before: Inputs, now: Inputs) -> tuple[str, ...]:
    """Return what makes an environment another than before, causes first; one line each.

    Nothing, where it is the same one.
    """
    return () if before.key == now.key else tuple(_differences(before, now))


def _differences(before: Inputs, now: Inputs) -> Iterator[str]:
    if before.interpreter != now.interpreter:
        yield f"the interpreter is {now.interpreter}, and was {before.interpreter}"
    elif before.build != now.build:
        yield f"the interpreter is another build of {now.interpreter}"
    if before.source != now.source:
        yield f"it is made from {now.source}, and was from {before.source}"
    then, today = _by_name(before.requirements), _by_name(now.requirements)
    for name in sorted({*then, *today}):
        yield from _change("requirement", then.get(name, ""), today.get(name, ""))
    for name in sorted({*before.wheels, *now.wheels}):
        (old, old_digest), (new, new_digest) = (
            wheels.get(name, ("", "")) for wheels in (before.wheels, now.wheels)
        )
        if old == new and old_digest != new_digest:
            yield f"wheel {name} {new} is another file"
        else:
            yield from _change("wheel", old and f"{name} {old}", new and f"{name} {new}")


def _change(kind: str, old: str, new: str) -> Iterator[str]:
    if old == new:
        return
    if not old:
        yield f"{kind} {new} is new"
    elif not new:
        yield f"{kind} {old} is gone"
    else:
        yield f"{kind} {new} was {old}"


def _by_name(requirements: Iterable[str]) -> dict[str, str]:
    """Return name -> all that is said of a package."""
    texts: dict[str, set[str]] = defaultdict(set)
    for text in requirements:
        texts[canonicalize_name(Requirement(text).name)].add(text)
    return {name: " and ".join(sorted(said)) for name, said in texts.items()}


class Memory:
    """What the environments of one project's agents were made from the last time.

    Args:
        cache: the controller's.
        base_dir: of the project.
    """

    def __init__(self, cache: WheelCache, base_dir: Path) -> None:
        self._cache = cache
        self._base_dir = base_dir

    def last(self, agent: str) -> Inputs | None:
        """Return what the environment of an agent was made from, None if that is not known."""
        record = self._cache.recall(INPUTS, self._key(agent))
        return None if record is None else _read(record.content)

    def keep(self, agent: str, inputs: Inputs) -> None:
        """Remember what the environment of an agent is made from now.

        Raises:
            Unavailable: nothing can be written.
        """
        if self.last(agent) != inputs:
            self._cache.remember(INPUTS, self._key(agent), asdict(inputs))

    def _key(self, agent: str) -> str:
        return digest(INPUTS, str(self._base_dir), agent)


def _read(content: Any) -> Inputs | None:
    """Return what was remembered; None for what another version of this module wrote."""
    try:
        return Inputs(
            **{
                **content,
                "requirements": tuple(content["requirements"]),
                "wheels": {name: (one[0], one[1]) for name, one in content["wheels"].items()},
            }
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        return None
