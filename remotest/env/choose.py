"""Whether an interpreter is used as it is, or an environment is made for it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from remotest.env.decision import Decision, choose_at_once
from remotest.env.lock import interpreter_title
from remotest.errors import EnvError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remotest.env.model import Target, Wanted
    from remotest.spec import GatewaySpec

LACKING_SHOWN: Final = 3
"""Of what an interpreter lacks: enough to see why, short enough for one line."""


def choose(
    spec: GatewaySpec,
    target: Target,
    wanted: Wanted,
    additions: Iterable[str],
    *,
    host: str,
    is_controllers_own: bool,
) -> Decision:
    """Decide what the workers of one agent run in.

    Args:
        spec: the agent's.
        target: its interpreter.
        wanted: what the suite needs.
        additions: what every environment has, see ``plugins``.
        host: the agent as the user wrote it, for errors.
        is_controllers_own: it is the interpreter that runs the controller, by ``popen``.

    Raises:
        EnvError: an environment would have to be made for an interpreter that the project's
            requires-python excludes.
    """
    decision = choose_at_once(spec, is_own=target.is_own, is_controllers_own=is_controllers_own)
    if decision is not None:
        return decision
    _check_python(target, wanted, host)
    if spec.env_mode == "fresh":
        return Decision(use="fresh", reason="env=fresh")
    if spec.env_mode == "managed":
        return Decision(use="managed", reason="env=managed")
    if wanted.lock is not None:
        return Decision(use="managed", reason="a lock says what it holds")
    lacking = list(_lacking(target, wanted, additions))
    if not lacking:
        return Decision(use="as it is", reason="it has all that is wanted")
    more = len(lacking) - LACKING_SHOWN
    shown = ", ".join(lacking[:LACKING_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return Decision(use="managed", reason=f"it lacks {shown}")


def _check_python(target: Target, wanted: Wanted, host: str) -> None:
    version = target.markers["python_full_version"]
    # ``3.14.0a1+``, of a build from a checkout, is no version.
    if SpecifierSet(wanted.requires_python).contains(version.rstrip("+"), prereleases=True):
        return
    raise EnvError(
        host=host,
        phase="choose an environment",
        cause=f"{interpreter_title(target)} is none that the project allows: its requires-python"
        f" is {wanted.requires_python!r}",
        remedy="name another interpreter with python=, or use this one as it is with env=system",
    )


def _lacking(target: Target, wanted: Wanted, additions: Iterable[str]) -> Iterator[str]:
    """Yield, as people write them, the requirements that an interpreter does not satisfy.

    Only the requirements themselves are looked at, not what they need in turn.
    """
    requirements = [Requirement(text) for text in (*wanted.requirements, *additions)]
    names = {canonicalize_name(one.name) for one in requirements if _applies(one, target)}
    constraints = [Requirement(text) for text in wanted.constraints]
    for one in requirements:
        if _applies(one, target) and not _is_met(one, target):
            yield f"{one.name}{one.specifier}"
    for one in constraints:
        is_named = canonicalize_name(one.name) in names
        if is_named and _applies(one, target) and not _is_met(one, target):
            yield f"{one.name}{one.specifier}"


def _applies(requirement: Requirement, target: Target) -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({**target.markers, "extra": ""})


def _is_met(requirement: Requirement, target: Target) -> bool:
    version = target.distributions.get(canonicalize_name(requirement.name))
    # What a URL names may be any build of a version: nobody can tell from the version.
    if version is None or requirement.url is not None:
        return False
    return requirement.specifier.contains(version, prereleases=True)
