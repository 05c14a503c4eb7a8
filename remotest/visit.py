"""Going to every host of a run to ask something, and running nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remotest.dialling import Dialling
from remotest.discovery import discover
from remotest.gateways.opener import GatewayOpener
from remotest.places import Places
from remotest.tidings import Answered, GatewayFailed, GatewayOpened, Unanswered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from remotest.driver import Asker, Driver
    from remotest.errors import HostError
    from remotest.settings import Settings
    from remotest.tidings import DriverEvent


class Visit:
    """The agents of a run, to be asked and to be left; see ``contextlib.closing``.

    Attributes:
        places: what is known of the agents.
        errors: agent -> the first that went wrong with it.
    """

    def __init__(self, settings: Settings, dialling: Dialling | None = None) -> None:
        """Take in what a run would be on, and ask hosts for interpreters where that is asked for.

        Args:
            settings: of the run.
            dialling: hosts that are being dialled already. They are left if the run has others.

        Raises:
            UsageError: the specs do not fit together.
        """
        self._opener = GatewayOpener(settings.specs, invocation_dir=settings.invocation_dir)
        settings = discover(settings, self._opener)
        self.places = Places(settings)
        self._dialling = dialling
        self._begun: list[str] = []
        self._waiting: set[str] = set()
        self._answers: dict[str, Any] = {}
        self.errors: dict[str, HostError] = {}

    def close(self, within_s: float | None = None) -> None:
        """Leave every host; nothing of ours stays there. ``within_s`` as for ``Dialling``."""
        if self.places.reading is not None:
            self.places.reading.give_up()
        if self._dialling is not None:
            self._dialling.leave(within_s)
        self._opener.close()

    @property
    def _driver(self) -> Driver:
        assert self._dialling is not None, "asked before it was dialled"
        return self._dialling.driver

    @property
    def agents(self) -> list[str]:
        """The agents, in the order in which the specs were given."""
        return [plan.name for plan in self.places.agents]

    def dial(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Begin to dial all; return (agent, its greeting) of each that answers, as they come."""
        agents = {plan.name: plan.spec for plan in self.places.agents}
        if self._dialling is None or self._dialling.agents != agents:
            if self._dialling is not None:
                self._dialling.leave()
            self._dialling = Dialling(self._opener, agents)
        return self._greetings(set(agents))

    def _greetings(self, waiting: set[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        while waiting:
            event = self._driver.receive(None)
            if isinstance(event, GatewayOpened):
                waiting.remove(event.agent)
                yield event.agent, event.info
            elif isinstance(event, GatewayFailed):
                waiting.remove(event.agent)
                self.errors[event.agent] = event.error
            else:
                self._take(event)

    def say_ahead(self, offers: Mapping[str, bytes]) -> None:
        """Say what conversations will begin with, before their agents have greeted."""
        for agent, frame in offers.items():
            self._driver.say_ahead(agent, frame)

    def round_trip_s(self, agent: str) -> float:
        """Return what ``Driver.round_trip_s`` does."""
        return self._driver.round_trip_s(agent)

    def ask(self, askers: Mapping[str, Asker]) -> dict[str, Any]:
        """Have all of these conversations at once; return agent -> what it came to.

        What fails is in ``errors`` afterwards.
        """
        for agent, asker in askers.items():
            self.begin(agent, asker)
        return self.answers()

    def begin(self, agent: str, asker: Asker) -> None:
        """Begin a conversation, maybe while other hosts are still dialled."""
        self._begun.append(agent)
        self._waiting.add(agent)
        self._driver.ask(agent, asker)

    def answers(self) -> dict[str, Any]:
        """Wait for all that have begun; return what ``ask`` does, in the order of their begin."""
        while self._waiting:
            self._take(self._driver.receive(None))
        begun, self._begun = self._begun, []
        return {agent: self._answers.pop(agent) for agent in begun if agent in self._answers}

    def _take(self, event: DriverEvent | None) -> None:
        """Take in the end of a conversation; nothing else is waited for."""
        if isinstance(event, Answered):
            self._waiting.discard(event.agent)
            self._answers[event.agent] = event.answer
        elif isinstance(event, Unanswered):
            self._waiting.discard(event.agent)
            self.errors.setdefault(event.agent, event.error)
