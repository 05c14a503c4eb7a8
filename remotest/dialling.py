"""Hosts that are dialled, and left: for commands that run no test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from remotest.driver import Driver
from remotest.environments import agent_name
from remotest.errors import UsageError
from remotest.gateways.opener import GatewayOpener
from remotest.interpreters import expand, is_open
from remotest.inventory import Inventory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remotest.spec import GatewaySpec


class Dialling:
    """Agents that are being opened.

    Attributes:
        agents: name -> how to reach it.
        driver: of them; what they say first waits there.
    """

    def __init__(self, opener: GatewayOpener, agents: Mapping[str, GatewaySpec]) -> None:
        """Begin to open all at once."""
        self.agents = dict(agents)
        self.driver = Driver(opener)
        self._opener = opener
        self._is_left = False
        opener.name(self.agents)
        self.driver.open(self.agents)
        opener.get_ready()

    def leave(self, within_s: float | None = None) -> None:
        """Leave every host; nothing of ours stays there. Whoever has left may do it again.

        A host that is not clean within this time, if it is limited, is left to become so by itself.
        """
        if not self._is_left:
            self._is_left = True
            self.driver.close(within_s)
            self._opener.close()


def dial_named(texts: Sequence[str]) -> Dialling | None:
    """Begin to dial what ``--tx`` names on a command line; None if it takes more to know that.

    Whether that is all, and whether it makes sense, is seen when pytest has read the rest.
    """
    try:
        requests = [
            one for text in texts for named in Inventory().expand(text) for one in expand(named)
        ]
    except UsageError:
        return None
    if not requests or any(is_open(one) or one.spec.via is not None for one in requests):
        return None
    agents: dict[str, GatewaySpec] = {}
    for one in requests:
        agents.setdefault(agent_name(one.spec), one.spec)
    return Dialling(GatewayOpener(agents.values(), invocation_dir=Path.cwd()), agents)
