"""From the hosts' greetings to agents that workers can be started under.

Each usable agent gets a tree, where one is brought, and an environment, where one is made.

Main thread only. What takes time happens in the driver's threads and comes back as events, for
each of which there is a handler here.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pytest_remotest import messages
from remotest.errors import AbsentError, HostError, HostLost, SyncError
from remotest.preflight import Preflight, check_interpreter, read_interpreter
from remotest.run import events
from remotest.tidings import (
    EnvironmentFailed,
    EnvironmentShipped,
    EnvironmentsResolved,
    GatewayFailed,
    GatewayOpened,
    TreeFailed,
    TreePushed,
    TreeTravels,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remotest.compat.hooks import Nodes
    from remotest.driver import Driver
    from remotest.env.model import Provisions
    from remotest.env.provision import Provision
    from remotest.places import Places
    from remotest.reporting.terminal import TerminalReport
    from remotest.run.events import Event

Part: TypeAlias = Literal["tree", "environment", "others"]
"""What an agent may have to wait for; the others must have started or failed, as it has."""


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
        self._managed: set[str] = set()
        self._provisions: dict[str, Provisions] = {}
        self._unresolved: dict[str, HostError] = {}
        self._pushing: set[str] = set()
        self._shipping: set[str] = set()
        self._forsaken: set[str] = set()  # Their tree was being brought by one that was lost.
        self._awaiting: dict[str, set[Part]] = {}
        self._connecting: dict[str, str | None] = {}  # Again; with the reason if it has ended.
        self._is_again: set[str] = set()
        self._tree_error: SyncError | None = None
        self.handlers: dict[type, Callable[[Any], None]] = {
            GatewayOpened: self._gateway_opened,
            GatewayFailed: self._gateway_failed,
            TreePushed: self._tree_pushed,
            TreeTravels: lambda event: self._report.tree_travels(event.agent, event.progress),
            TreeFailed: self._tree_failed,
            EnvironmentsResolved: self._environments_resolved,
            EnvironmentShipped: self._environment_shipped,
            EnvironmentFailed: self._environment_failed,
        }

    @cached_property
    def _provision(self) -> Provision:
        return self._places.make_provision()

    def read_tree(self) -> None:
        """Read what travels; where that cannot be, only agents that need no tree can run."""
        try:
            self._places.begin_scan()
            for agent, frame in self._places.offers().items():
                self._driver.say_ahead(agent, frame)
            self._report.notes("sync", self._places.finish_scan())
        except SyncError as error:
            self._report.host_failed(error)
            self._tree_error = error

    def lose(self, agent: str, reason: str, *, may_return: bool) -> None:
        """Take in that an agent has ended, and whether it may be connected again."""
        self._awaiting.pop(agent, None)
        for busy in (self._pushing, self._shipping, self._forsaken):
            busy.discard(agent)
        if agent in self._connecting:  # How that went is told by the thread that connects.
            self._connecting[agent] = reason
        elif self._preflight.lose(agent, reason):
            self._report.host_lost(agent, reason)
            if self._preflight.is_complete:
                self._tell(events.AgentLost(agent=agent, reason=reason, may_return=may_return))
            else:  # Before all have started or failed, it is one that has failed.
                self._tell(events.AgentFailed(agent=agent, reason=reason))

    def connect_again(self, agent: str) -> None:
        """Begin to bring an agent that was lost as far as ``AgentReady`` once more."""
        self._connecting[agent] = None
        self._is_again.add(agent)
        self._driver.open([agent])

    # -- interpreters ----------------------------------------------------------------------

    def _gateway_opened(self, event: GatewayOpened) -> None:
        interpreter = read_interpreter(event.info)
        self._places.set_interpreter(event.agent, interpreter, event.info)
        try:
            if self._is_managed(event):
                self._managed.add(event.agent)
            else:
                check_interpreter(event.agent, interpreter)
        except HostError as error:
            self._note_start(event.agent, error)
        else:
            self._note_start(event.agent, None)

    def _is_managed(self, event: GatewayOpened) -> bool:
        if self._places.is_used_as_it_is(event.agent):
            return False  # The run of every day: nothing more is read or imported for it.
        is_own = self._places.is_controllers_own(event.agent)
        return self._provision.judge(event.agent, event.info, is_controllers_own=is_own)

    def _gateway_failed(self, event: GatewayFailed) -> None:
        if isinstance(event.error, AbsentError):
            self._places.set_absent(event.agent)
        self._note_start(event.agent, event.error)

    def _note_start(self, agent: str, error: HostError | None) -> None:
        """Go on with an agent that has started for the first time, or again, or has not."""
        if agent not in self._connecting:
            self._note_preflight(agent, error)
            return
        ended = self._connecting.pop(agent)
        if error is None and ended is not None:
            error = HostLost(host=agent, phase="start the agent", cause=ended)
        if error is None:
            self._prepare_again(agent)
        else:
            self._tell_failed(agent, error)

    def _note_preflight(self, agent: str, error: HostError | None) -> None:
        """Keep how an agent's start went; when all are known, go on or give the run up."""
        self._preflight.note(agent, error)
        if error is not None:
            self._report.host_failed(error)
        self._push_first(agent)
        if self._preflight.is_complete:
            for name, reason in self._preflight.failures().items():
                self._tell(events.AgentFailed(agent=name, reason=reason))
            if usable := self._preflight.usable():
                self._prepare(usable)

    def _prepare(self, agents: list[str]) -> None:
        """Begin to bring what these agents await; those that await nothing are ready."""
        if self._tree_error is not None:
            for agent in filter(self._places.awaits_tree, agents):
                self._tell(events.AgentFailed(agent=agent, reason=self._tree_error.cause))
            agents = [agent for agent in agents if not self._places.awaits_tree(agent)]
        managed = [agent for agent in agents if agent in self._managed]
        for agent in agents:
            parts = self._awaiting.setdefault(agent, set())
            parts.discard("others")
            if agent in managed:
                parts.add("environment")
        if managed:
            self._driver.resolve(partial(self._provision.resolve, managed))
        for agent in agents:
            self._advance(agent)

    def _push_first(self, agent: str) -> None:
        """Bring the tree to where an agent is, once all that run there have started or failed.

        No other host is waited for. Which interpreters there are says what travels.
        """
        sharing = self._places.agents_of_tree(agent)
        if self._tree_error is None and all(map(self._preflight.is_known, sharing)):
            started = [one for one in sharing if self._preflight.has_started(one)]
            for one in started:
                self._awaiting[one] = {"tree", "others"}
            for one in self._places.assign_trees(started):
                self._push(one)
            if sharing and not started:
                self._places.leave_tree()

    def _prepare_again(self, agent: str) -> None:
        """Bring an agent that was lost a tree of its own; its environment is on its host."""
        if agent in self._unresolved:
            self._tell_failed(agent, self._unresolved[agent])
            return
        parts: set[Part] = {"environment"} if agent in self._managed else set()
        self._awaiting[agent] = parts
        if self._places.awaits_tree(agent):
            parts.add("tree")
            self._push(agent)
        self._ship(agent)
        self._advance(agent)

    def _done(self, agent: str, part: Part) -> None:
        if agent in self._awaiting:
            self._awaiting[agent].discard(part)
            self._advance(agent)

    def _advance(self, agent: str) -> None:
        """Tell the machine of an agent that awaits nothing any more."""
        if not self._awaiting[agent]:
            del self._awaiting[agent]
            self._is_again.discard(agent)
            cpu_count = self._places.interpreter(agent).cpu_count
            self._tell(events.AgentReady(agent=agent, cpu_count=cpu_count))

    def _give_up(self, agent: str, error: HostError) -> None:
        """Tell the machine of an agent that will not be ready, unless it has been told already.

        Nor is it told here of one whose link has ended: ``lose`` does that.
        """
        if self._is_lost(agent, error):
            return
        if self._awaiting.pop(agent, None) is not None:
            self._tell_failed(agent, error)

    @staticmethod
    def _is_lost(agent: str, error: HostError) -> bool:
        """Return whether what went wrong is that the link of an agent has ended."""
        return isinstance(error, HostLost) and error.host == agent

    def _tell_failed(self, agent: str, error: HostError) -> None:
        self._is_again.discard(agent)
        self._tell(events.AgentFailed(agent=agent, reason=error.cause, fault=error.fault))

    def _report_failed(self, agent: str, error: HostError) -> None:
        """Write the paragraph of a host; of one that is connected again only the end is told.

        Nor is it written here that its link has ended: ``lose`` does that.
        """
        if agent not in self._is_again and not self._is_lost(agent, error):
            self._report.host_failed(error)

    def _report_notes(self, agent: str, notes: Sequence[str]) -> None:
        """Write what happened while something was brought to a host, for the first time."""
        if agent not in self._is_again:
            self._report.notes(agent, notes)

    # -- trees -----------------------------------------------------------------------------

    def _push(self, agent: str) -> None:
        """Begin to bring the tree to the host of an agent, for all that share it there."""
        self._nodes.sync_started(self._places.roots)
        self._pushing.add(agent)
        round_trip_s = partial(self._driver.round_trip_s, agent)
        self._driver.push(agent, self._places.pusher(agent, round_trip_s))

    def _tree_pushed(self, event: TreePushed) -> None:
        if event.agent not in self._is_again:
            self._report.tree_pushed(event.agent, event.pushed)
        self._nodes.sync_finished(self._places.roots)
        self._pushing.discard(event.agent)
        self._ship(event.agent)
        for agent in self._sharing(event.agent):
            self._places.set_tree(agent, event.pushed.tree)
            if agent != event.agent:
                self._driver.send(agent, [messages.HoldTree(event.pushed.tree)])
            self._done(agent, "tree")

    def _tree_failed(self, event: TreeFailed) -> None:
        self._report_failed(event.agent, event.error)
        self._pushing.discard(event.agent)
        sharing = self._sharing(event.agent)
        if self._is_lost(event.agent, event.error):  # Maybe only its own link was at fault.
            self._forsaken.update(agent for agent in sharing if agent != event.agent)
            self._push_forsaken()
            return
        for agent in sharing:
            self._give_up(agent, event.error)

    def _push_forsaken(self) -> None:
        """Bring trees whose bringers were lost through those that share them and are free."""
        for agent in self._awaiting:
            if agent in self._forsaken and agent not in self._shipping:
                self._forsaken.difference_update(self._sharing(agent))
                self._push(agent)

    def _sharing(self, agent: str) -> list[str]:
        """Return an agent and those that wait for the tree that it receives.

        Who comes again receives one of its own: others run in the first.
        """
        return [
            other
            for other in self._places.sharing_tree(agent)
            if other == agent
            or ("tree" in self._awaiting.get(other, ()) and other not in self._pushing)
        ]

    # -- environments ----------------------------------------------------------------------

    def _environments_resolved(self, event: EnvironmentsResolved) -> None:
        for agent, provisions in event.provisions.items():
            if isinstance(provisions, HostError):
                self._report.host_failed(provisions)
                self._unresolved[agent] = provisions
                self._give_up(agent, provisions)
            else:
                self._provisions[agent] = provisions
                self._ship(agent)

    def _ship(self, agent: str) -> None:
        """Bring the environment of an agent, if it is known and nothing else is under way there."""
        if agent in self._provisions and agent in self._awaiting and agent not in self._pushing:
            shipper = self._provision.shipper(agent, self._provisions[agent])
            self._shipping.add(agent)
            self._driver.ship(agent, shipper)

    def _environment_shipped(self, event: EnvironmentShipped) -> None:
        provisions = self._provisions[event.agent]
        line = self._provision.describe(event.agent, provisions, event.shipped)
        self._provision.remember(event.agent, provisions)
        self._places.set_environment(event.agent, provisions.overlay, event.shipped)
        notes = (*provisions.notes, *provisions.overlay.notes, *event.shipped.notes)
        self._report_notes(event.agent, notes)
        if event.agent not in self._is_again:
            self._report.environment_ready(event.agent, line)
        self._done(event.agent, "environment")
        self._shipping.discard(event.agent)
        self._push_forsaken()

    def _environment_failed(self, event: EnvironmentFailed) -> None:
        self._report_failed(event.agent, event.error)
        self._give_up(event.agent, event.error)
        self._shipping.discard(event.agent)
        self._push_forsaken()
