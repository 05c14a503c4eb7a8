"""What the interpreters of one run are given: judged here, found out here, described here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from functools import partial

    from remotest.env.model import Provisions
    from remotest.env.ship import Shipped
    from remotest.environments import AgentPlan
    from remotest.errors import EnvError
    from remotest.settings import Settings


class Provision:
    """The environments of one run's agents. Main thread only, but for ``resolve``."""

    def __init__(self, settings: Settings, agents: Sequence[AgentPlan]) -> None:
        self._settings = settings
        self._specs = {plan.name: plan.spec for plan in agents}

    def judge(self, agent: str, info: Mapping[str, Any]) -> bool:
        """Take in the greeting of an agent; return whether an environment is made for it."""
        del agent, info
        return False

    def manages(self, agent: str) -> bool:
        """Return whether an environment is made for an agent that was judged."""
        del agent
        return False

    def resolve(self, agents: Sequence[str]) -> Mapping[str, Provisions | EnvError]:
        raise NotImplementedError

    def shipper(self, agent: str, provisions: Provisions) -> partial[Shipped]:
        raise NotImplementedError

    def describe(self, agent: str, provisions: Provisions, shipped: Shipped) -> str:
        raise NotImplementedError
