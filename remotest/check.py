"""``remotest check``: dials every spec of a run, asks what it has, and runs no test."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from remotest.discovery import discover
from remotest.driver import Driver, GatewayFailed, GatewayOpened, TreeFailed, TreePreviewed
from remotest.errors import EnvError, SyncError
from remotest.gateways.opener import GatewayOpener
from remotest.places import Places
from remotest.preflight import check_interpreter, read_interpreter
from remotest.reporting.checktable import (
    CheckResult,
    HostFacts,
    Row,
    Tree,
    compare_plugins,
    size_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remotest.errors import HostError
    from remotest.settings import Settings


def check(settings: Settings) -> CheckResult:
    """Dial every spec at once, ask each host what it has, and hang up. Takes seconds.

    Raises:
        UsageError: the specs do not fit together.
    """
    return _Check(settings).run()


class _Check:
    """One check. All of it happens on the main thread; the driver has the others."""

    def __init__(self, settings: Settings) -> None:
        self._base_dir = settings.base_dir
        self._plugins = settings.plugins
        self._opener = GatewayOpener(settings.specs, invocation_dir=settings.invocation_dir)
        settings = discover(settings, self._opener, lambda: "")
        self._places = Places(settings)
        self._opener.name({plan.name: plan.spec for plan in self._places.agents})
        self._driver = Driver(self._opener)
        self._facts: dict[str, HostFacts] = {}
        self._errors: dict[str, HostError] = {}

    def run(self) -> CheckResult:
        try:
            self._dial()
            tree = self._scan()
            self._preview()
        finally:
            self._driver.close()
            self._opener.close()
        rows = [
            Row(spec=name, facts=self._facts.get(name), error=self._errors.get(name))
            for name in (plan.name for plan in self._places.agents)
        ]
        return CheckResult(rows=tuple(rows), tree=tree)

    def _dial(self) -> None:
        waiting = {plan.name for plan in self._places.agents}
        self._driver.open(waiting)
        while waiting:
            event = self._driver.receive(None)
            if isinstance(event, GatewayOpened):
                waiting.remove(event.agent)
                self._greeted(event)
            elif isinstance(event, GatewayFailed):
                waiting.remove(event.agent)
                self._errors[event.agent] = event.error

    def _greeted(self, event: GatewayOpened) -> None:
        interpreter = read_interpreter(event.info)
        there = event.info.get("distributions")
        self._facts[event.agent] = HostFacts(
            interpreter=interpreter,
            plugins=compare_plugins(self._plugins, there if isinstance(there, dict) else {}),
            clock_ahead_s=_clock_ahead_s(event.info, time.time()),
        )
        try:
            check_interpreter(event.agent, interpreter)
        except EnvError as error:
            self._errors[event.agent] = error

    def _scan(self) -> Tree | HostError | None:
        try:
            notes = self._places.scan_tree()
        except SyncError as error:
            return error
        manifest = self._places.manifest
        if manifest is None:
            return None
        return Tree(
            base=str(self._base_dir),
            file_count=manifest.file_count,
            byte_count=manifest.total_bytes,
            notes=tuple(notes),
        )

    def _preview(self) -> None:
        waiting = set(self._facts)
        pushed_to = self._places.assign_trees(
            [plan.name for plan in self._places.agents if plan.name in waiting]
        )
        for agent in waiting:
            shares_tree = self._places.awaits_tree(agent) and agent not in pushed_to
            self._facts[agent] = replace(self._facts[agent], shares_tree=shares_tree)
            self._driver.preview(agent, self._places.previewer(agent))
        while waiting:
            event = self._driver.receive(None)
            if isinstance(event, TreePreviewed):
                waiting.remove(event.agent)
                self._previewed(event)
            elif isinstance(event, TreeFailed):
                waiting.remove(event.agent)
                self._errors.setdefault(event.agent, event.error)

    def _previewed(self, event: TreePreviewed) -> None:
        room, lacking = event.room, event.lacking
        self._facts[event.agent] = replace(self._facts[event.agent], room=room, lacking=lacking)
        if lacking is not None and lacking.byte_count > room.free_bytes:
            error = SyncError(
                host=event.agent,
                phase="sync",
                cause=f"the disk of {room.place} has {size_text(room.free_bytes)} free, "
                f"but the tree needs {size_text(lacking.byte_count)} more",
                remedy="free some, or name a directory on another disk with cache=DIR",
            )
            self._errors.setdefault(event.agent, error)


def _clock_ahead_s(info: Mapping[str, object], now: float) -> float | None:
    """Return how far a host's clock was ahead of ours when its greeting came."""
    clock = info.get("clock")
    if not isinstance(clock, (int, float)) or not math.isfinite(clock):
        return None
    return clock - now
