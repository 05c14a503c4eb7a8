"""``remotest check``: dials every spec of a run, asks what it has, and runs no test."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from remotest.errors import HostError, SyncError
from remotest.preflight import check_interpreter, read_interpreter
from remotest.reporting.checktable import (
    CheckResult,
    HostFacts,
    Row,
    Tree,
    compare_plugins,
)
from remotest.reporting.sizes import size_text
from remotest.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_remotest.messages import Room
    from remotest.settings import Settings
    from remotest.sync.push import Lacking


def check(settings: Settings) -> CheckResult:
    """Dial every spec at once, ask each host what it has, and hang up. Takes seconds.

    Raises:
        UsageError: the specs do not fit together, or the project does not say in order what it
            needs.
    """
    return _Check(settings).run()


class _Check:
    """One check. All of it happens on the main thread; the driver has the others."""

    def __init__(self, settings: Settings) -> None:
        self._base_dir = settings.base_dir
        self._plugins = settings.plugins
        self._visit = Visit(settings)
        self._places = self._visit.places
        self._provision = self._places.make_provision()
        self._facts: dict[str, HostFacts] = {}

    def run(self) -> CheckResult:
        with closing(self._visit) as visit:
            for agent, info in visit.dial():
                self._greeted(agent, info)
            tree = self._scan()
            self._preview()
        rows = [
            Row(spec=name, facts=self._facts.get(name), error=visit.errors.get(name))
            for name in visit.agents
        ]
        return CheckResult(rows=tuple(rows), tree=tree)

    def _greeted(self, agent: str, info: Mapping[str, object]) -> None:
        interpreter = read_interpreter(info)
        self._places.set_interpreter(agent, interpreter, info)
        there = info.get("distributions")
        self._facts[agent] = HostFacts(
            interpreter=interpreter,
            plugins=compare_plugins(self._plugins, there if isinstance(there, dict) else {}),
            clock_ahead_s=_clock_ahead_s(info, time.time()),
        )
        is_own = self._places.is_controllers_own(agent)
        try:
            if self._provision.judge(agent, info, is_controllers_own=is_own):
                # What the interpreter itself has is not what tests run with.
                self._facts[agent] = replace(self._facts[agent], plugins=(), is_managed=True)
            else:
                check_interpreter(agent, interpreter)
        except HostError as error:
            self._visit.errors[agent] = error

    def _scan(self) -> Tree | HostError | None:
        try:
            self._places.begin_scan(is_brought=False)
            notes = self._places.finish_scan()
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
        agents = [agent for agent in self._visit.agents if agent in self._facts]
        pushed_to = self._places.assign_trees(agents)
        for agent in agents:
            shares_tree = self._places.awaits_tree(agent) and agent not in pushed_to
            self._facts[agent] = replace(self._facts[agent], shares_tree=shares_tree)
        askers = {agent: self._places.previewer(agent) for agent in agents}
        for agent, (room, lacking) in self._visit.ask(askers).items():
            self._previewed(agent, room, lacking)

    def _previewed(self, agent: str, room: Room, lacking: Lacking | None) -> None:
        self._facts[agent] = replace(self._facts[agent], room=room, lacking=lacking)
        if lacking is not None and lacking.byte_count > room.free_bytes:
            error = SyncError(
                host=agent,
                phase="sync",
                cause=f"the disk of {room.place} has {size_text(room.free_bytes)} free, "
                f"but the tree needs {size_text(lacking.byte_count)} more",
                remedy="free some, or name a directory on another disk with cache=DIR",
            )
            self._visit.errors.setdefault(agent, error)


def _clock_ahead_s(info: Mapping[str, object], now: float) -> float | None:
    """Return how far a host's clock was ahead of ours when its greeting came."""
    clock = info.get("clock")
    if not isinstance(clock, (int, float)) or not math.isfinite(clock):
        return None
    return clock - now
