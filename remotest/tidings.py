"""What the driver's threads tell the main thread, as frozen values in the past tense."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.env.model import Provisions
    from remotest.env.ship import Shipped
    from remotest.errors import EnvError, HostError
    from remotest.sync.push import Progress, Pushed


@dataclass(frozen=True, kw_only=True)
class GatewayOpened:
    """An agent is up; ``info`` is its greeting, as it came from the host."""

    agent: str
    info: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class GatewayFailed:
    """An agent could not be started."""

    agent: str
    error: HostError


@dataclass(frozen=True, kw_only=True)
class GatewayClosed:
    """An agent that was up is gone; ``may_return`` unless it broke the protocol."""

    agent: str
    reason: str
    may_return: bool = True


@dataclass(frozen=True, kw_only=True)
class TreePushed:
    """The tree is on the host of an agent."""

    agent: str
    pushed: Pushed


@dataclass(frozen=True, kw_only=True)
class TreeTravels:
    """Contents of the tree have left for the host of an agent."""

    agent: str
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What was asked of the host of an agent is known."""

    agent: str
    answer: Any


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """What was asked of the host of an agent cannot be known."""

    agent: str
    error: HostError


@dataclass(frozen=True, kw_only=True)
class TreeFailed:
    """The tree could not be brought to the host of an agent."""

    agent: str
    error: HostError


@dataclass(frozen=True, kw_only=True)
class EnvironmentsResolved:
    """What the environments of these agents consist of is known; agent -> that, or why not."""

    provisions: Mapping[str, Provisions | EnvError]


@dataclass(frozen=True, kw_only=True)
class EnvironmentShipped:
    """The environment of an agent stands on its host."""

    agent: str
    shipped: Shipped


@dataclass(frozen=True, kw_only=True)
class EnvironmentFailed:
    """The environment of an agent could not be made on its host."""

    agent: str
    error: HostError


@dataclass(frozen=True, kw_only=True)
class MessagesCame:
    """An agent, or one of its workers, said something, in a frame of so many bytes."""

    agent: str
    worker: str | None
    messages: tuple[Any, ...]
    size_bytes: int = field(default=0, compare=False)


DriverEvent: TypeAlias = (
    GatewayOpened
    | GatewayFailed
    | GatewayClosed
    | TreePushed
    | TreeTravels
    | Answered
    | Unanswered
    | TreeFailed
    | EnvironmentsResolved
    | EnvironmentShipped
    | EnvironmentFailed
    | MessagesCame
)
