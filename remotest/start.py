"""The beginning of a distributed run: hosts are dialled while the rest of it is still imported."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_remotest import quickend
from pytest_remotest.unbroken import Unbroken
from remotest.discovery import discover
from remotest.driver import Driver
from remotest.environments import agents_that_fork, plan_agents
from remotest.errors import UsageError
from remotest.faultywire import FaultyOpener
from remotest.garbage import without_collections
from remotest.gateways.link import prepare
from remotest.gateways.opener import GatewayOpener
from remotest.hosttext import HostText, secrets_of
from remotest.settings import read_settings

if TYPE_CHECKING:
    from remotest.controller import Controller
    from remotest.settings import Settings


class Dialled:
    """The hosts of one run, which are being opened.

    Attributes:
        opener: opens them.
        host_text: what of their words is shown.
        driver: has begun to open every agent.
    """

    def __init__(self, settings: Settings, opener: GatewayOpener) -> None:
        self.opener = opener
        agents = {plan.name: plan.spec for plan in plan_agents(settings)}
        opener.name(agents, agents_that_fork(settings))
        self.host_text = HostText(secrets_of(settings.variables, os.environ), os.environ)
        self.driver = Driver(
            FaultyOpener(opener, settings.faults) if settings.faults else opener,
            self.host_text,
            worker_timeout_s=settings.worker_timeout_s,
        )
        self.driver.open(agents)
        opener.get_ready()

    def part(self, within_s: float | None = None) -> None:
        """Begin to leave, and hear what hosts say last; ``within_s`` as in ``Driver.part``."""
        self.opener.abort()
        self.driver.part(within_s)

    def leave(self) -> None:
        """End every process of the run on every host, and wait for it."""
        self.opener.abort()
        self.driver.close()
        self.opener.close()


def is_spent(each: Any) -> bool:
    """Return whether an object of ours has nothing left to do when it is freed, at the end."""
    # Nobody has imported here what a run has not needed.
    process, connection, channel = (
        getattr(sys.modules.get(module), name, None)
        for module, name in (
            ("subprocess", "Popen"),
            ("socket", "socket"),
            ("execnet.gateway_base", "Channel"),
        )
    )
    if type(each) is process:
        return each.returncode is not None
    if type(each) is connection:
        return bool(each.fileno() < 0)
    return type(each) is channel and bool(each.isclosed())


def make_controller(config: pytest.Config) -> Controller:
    """Return the controller of the run that the options ask for; its hosts are being dialled.

    Raises:
        pytest.UsageError: what is asked for cannot be.
    """
    with without_collections():
        return _make_controller(config)


def _make_controller(config: pytest.Config) -> Controller:
    quickend.prepare(is_spent)
    try:
        settings = read_settings(config)
        opener = GatewayOpener(settings.specs, invocation_dir=settings.invocation_dir)
        settings = discover(settings, opener)
        dialled: Dialled | None = None
        try:
            with Unbroken():
                dialled = Dialled(settings, opener)
                # Not at the top: what takes longest to import is imported while hosts answer.
                from remotest.controller import Controller  # noqa: PLC0415

                controller = Controller(config, settings, dialled)
                prepare()
        except BaseException:  # Also Ctrl-C: nothing may be left running.
            if dialled is not None:
                dialled.leave()
            raise
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    return controller
