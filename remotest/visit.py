"""Going to every host of a run to ask something, and running nothing there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remotest.discovery import discover
from remotest.driver import Driver
from remotest.gateways.opener import GatewayOpener
from remotest.places import Places
from remotest.tidings import Answered, GatewayFailed, GatewayOpened, Unanswered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from remotest.driver import Asker
    from remotest.errors import HostError
    from remotest.settings import Settings


class Visit:
    """The agents of a run, to be asked and to be left; see ``contextlib.closing``.

    Attributes:
        places: what is known of the agents.
        errors: agent -> the first that went wrong with it.
    """

    def __init__(self, settings: Settings) -> None:
        """Take in what a run would be on, and ask hosts for interpreters where that is asked for.

        Raises:
            UsageError: the specs do not fit together.
        """
        self._opener = GatewayOpener(settings.specs, invocation_dir=settings.invocation_dir)
        settings = discover(settings, self._opener)
        self.places = Places(settings)
        self._opener.name({plan.name: plan.spec for plan in self.places.agents})
        self._driver = Driver(self._opener)
        self.errors: dict[str, HostError] = {}

    def close(self) -> None:
        """Leave every host; nothing of ours stays there."""
        self._driver.close()
        self._opener.close()

    @property
    def agents(self) -> list[str]:
        """The agents, in the order in which the specs were given."""
        return [plan.name for plan in self.places.agents]

    def dial(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Begin to dial all; return (agent, its greeting) of each that answers, as they come."""
        waiting = set(self.agents)
        self._driver.open(waiting)
        return self._greetings(waiting)

    def _greetings(self, waiting: set[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        while waiting:
            event = self._driver.receive(None)
            if isinstance(event, GatewayOpened):
                waiting.remove(event.agent)
                yield event.agent, event.info
            elif isinstance(event, GatewayFailed):
                waiting.remove(event.agent)
                self.errors[event.agent] = event.error

    def ask(self, askers: Mapping[str, Asker]) -> dict[str, Any]:
        """Have all of these conversations at once; return agent -> what it came to.

        What fails is in ``errors`` afterwards.
        """
        answers: dict[str, Any] = {}
        for agent, asker in askers.items():
            self._driver.ask(agent, asker)
        waiting = set(askers)
        while waiting:
            event = self._driver.receive(None)
            if isinstance(event, Answered):
                waiting.remove(event.agent)
                answers[event.agent] = event.answer
            elif isinstance(event, Unanswered):
                waiting.remove(event.agent)
                self.errors.setdefault(event.agent, event.error)
        return {agent: answers[agent] for agent in askers if agent in answers}
