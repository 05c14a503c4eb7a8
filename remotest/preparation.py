"""From the hosts' greetings to agents that workers can be started under: interpreters and trees.

Main thread only. What takes time happens in the driver's threads and comes back as events, for
each of which there is a handler here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_remotest import messages
from remotest.driver import GatewayFailed, GatewayOpened, TreeFailed, TreePushed
from remotest.errors import EnvError, HostError, SyncError
from remotest.preflight import Preflight, check_interpreter, read_interpreter
from remotest.run import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.compat.hooks import Nodes
    from remotest.driver import Driver
    from remotest.places import Places
    from remotest.reporting.terminal import TerminalReport
    from remotest.run.events import Event


class Preparation:
    """Brings every usable agent as far as ``AgentReady``, and tells why the others are not."""

    def __init__(
        self,
        *,
        places: Places,
        driver: Driver,
        nodes: Nodes,
        report: TerminalReport,
        tell: Callable[[Event], None],
    ) -> None:
        self._places = places
        self._driver = driver
        self._nodes = nodes
        self._report = report
        self._tell = tell
        self._preflight = Preflight(len(places.agents))
        self._tree_error: SyncError | None = None
        self.handlers: dict[type, Callable[[Any], None]] = {
            GatewayOpened: self._gateway_opened,
            GatewayFailed: self._gateway_failed,
            TreePushed: self._tree_pushed,
            TreeFailed: self._tree_failed,
        }

    def read_tree(self) -> None:
        """Read what travels; where that cannot be, only agents that need no tree can run."""
        try:
            self._report.notes("sync", self._places.scan_tree())
        except SyncError as error:
            self._report.host_failed(error)
            self._tree_error = error

    def lose(self, agent: str, reason: str) -> None:
        """Take in that an agent has ended."""
        if self._preflight.lose(agent, reason):
            self._report.host_lost(agent, reason)
            self._tell(events.AgentLost(agent=agent, reason=reason))

    # -- interpreters ----------------------------------------------------------------------

    def _gateway_opened(self, event: GatewayOpened) -> None:
        interpreter = read_interpreter(event.info)
        self._places.set_interpreter(event.agent, interpreter, event.info)
        try:
            check_interpreter(event.agent, interpreter)
        except EnvError as error:
            self._note_preflight(event.agent, error)
        else:
            self._note_preflight(event.agent, None)

    def _gateway_failed(self, event: GatewayFailed) -> None:
        self._note_preflight(event.agent, event.error)

    def _note_preflight(self, agent: str, error: HostError | None) -> None:
        """Keep how an agent's start went; when all are known, go on or give the run up."""
        self._preflight.note(agent, error)
        if error is not None:
            self._report.host_failed(error)
        if self._preflight.is_complete:
            for name, reason in self._preflight.failures().items():
                self._tell(events.AgentFailed(agent=name, reason=reason))
            if usable := self._preflight.usable():
                self._bring_trees(usable)

    # -- trees -----------------------------------------------------------------------------

    def _bring_trees(self, agents: list[str]) -> None:
        """Push one tree to each place that needs one; the other agents are ready at once."""
        if self._tree_error is not None:
            for agent in filter(self._places.awaits_tree, agents):
                self._tell(events.AgentFailed(agent=agent, reason=self._tree_error.cause))
            agents = [agent for agent in agents if not self._places.awaits_tree(agent)]
        for agent in self._places.assign_trees(agents):
            self._nodes.sync_started(self._places.roots)
            self._driver.push(agent, self._places.pusher(agent))
        for agent in agents:
            if not self._places.awaits_tree(agent):
                self._agent_ready(agent)

    def _tree_pushed(self, event: TreePushed) -> None:
        self._report.notes(event.agent, event.notes)
        self._nodes.sync_finished(self._places.roots)
        for agent in self._places.set_tree(event.agent, event.tree):
            if agent != event.agent:
                self._driver.send(agent, [messages.HoldTree(event.tree)])
            self._agent_ready(agent)

    def _tree_failed(self, event: TreeFailed) -> None:
        self._report.host_failed(event.error)
        for agent in self._places.sharing_tree(event.agent):
            self._tell(events.AgentFailed(agent=agent, reason=event.error.cause))

    def _agent_ready(self, agent: str) -> None:
        cpu_count = self._places.interpreter(agent).cpu_count
        self._tell(events.AgentReady(agent=agent, cpu_count=cpu_count))
