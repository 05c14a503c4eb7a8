"""What the interpreters of one run are given: judged, found out, brought and told of here."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from remotest.env.choose import choose
from remotest.env.decision import Decision, choose_at_once
from remotest.env.declare import find_wanted
from remotest.env.inputs import Inputs, Memory, differences
from remotest.env.key import environment_key
from remotest.env.model import Contents, Overlay, Provisions
from remotest.env.origins import trace
from remotest.env.plugins import additions
from remotest.env.project import make_overlay
from remotest.env.project_requires import without_projects
from remotest.env.ship import Destination, ship_all
from remotest.env.target import read_target
from remotest.env.tool_table import find_excluded_plugins, find_project_mode, find_wheels_mode
from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import WheelCache
from remotest.errors import EnvError
from remotest.sync.memory import cache_root

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remotest.env.model import HostBuild, Target, Wanted, Wheel
    from remotest.env.origins import Package
    from remotest.env.project_paths import Locate
    from remotest.env.resolve import Resolved
    from remotest.env.ship import Shipped
    from remotest.environments import AgentPlan
    from remotest.settings import Settings
    from remotest.spec import GatewaySpec

KEY_SHOWN_CHARS: Final = 6
"""Of an environment's name: enough to see whether two lines mean the same one."""

PROJECTS: Final = "projects"
"""Below the controller's cache: what build backends told of projects."""


class Provision:
    """The environments of one run's agents. Main thread only, but for ``resolve``."""

    def __init__(self, settings: Settings, agents: Sequence[AgentPlan], locate: Locate) -> None:
        """Take in the run; nothing is read yet.

        Args:
            settings: of the run.
            agents: of the run.
            locate: gives the place in the tree of a path here, None for one that stays here.
        """
        self._settings = settings
        self._specs = {plan.name: plan.spec for plan in agents}
        self._locate = locate
        self._targets: dict[str, Target] = {}
        self._wanted: dict[str, Wanted] = {}
        self._decisions: dict[str, Decision] = {}
        self._memory = Memory(WheelCache(cache_root()), settings.base_dir)

    def judge(self, agent: str, info: Mapping[str, Any], *, is_controllers_own: bool) -> bool:
        """Take in the greeting of an agent; return whether an environment is made for it.

        Raises:
            HostError: the greeting makes no sense, or the project excludes the interpreter.
            UsageError: the project does not say in order what it needs.
        """
        spec = self._specs[agent]
        target = read_target(info, host=agent)
        decision = choose_at_once(spec, is_own=target.is_own, is_controllers_own=is_controllers_own)
        if decision is None:
            wanted = self._find_wanted(spec)
            decision = choose(
                spec,
                target,
                wanted,
                self._additions(),
                host=agent,
                is_controllers_own=is_controllers_own,
            )
            self._targets[agent], self._wanted[agent] = target, wanted
        self._decisions[agent] = decision
        return decision.is_built

    def resolve(
        self, agents: Sequence[str], *, upgrade: bool = False
    ) -> dict[str, Provisions | EnvError]:
        """Return what these agents are given, or why there is nothing to give.

        Blocks, for minutes where much has to be downloaded or built.

        Args:
            agents: of those for which an environment is made.
            upgrade: resolve anew, though what was resolved before still stands.
        """
        # Not at the top: an interpreter that is used as it is needs none of it.
        from remotest.env.resolve import Request, resolve  # noqa: PLC0415
        from remotest.env.toolbox import find_tools  # noqa: PLC0415

        cache = WheelCache(cache_root())
        overlays = {agent: self._overlay(agent, cache) for agent in agents}
        requests = {
            agent: Request(
                target=self._targets[agent],
                wanted=_without_projects(self._wanted[agent], overlay),
                additions=without_projects(self._additions(), overlay),
                builds_there=self._builds_there(agent),
                compiled=overlay.compiled,
            )
            for agent, overlay in overlays.items()
            if isinstance(overlay, Overlay)
        }
        tools = find_tools(self._settings.base_dir, os.environ)
        resolved = resolve(requests, cache=cache, tools=tools, upgrade=upgrade)
        return {
            agent: self._provisions(agent, resolved[agent], overlay)
            if isinstance(overlay, Overlay)
            else overlay
            for agent, overlay in overlays.items()
        }

    def _builds_there(self, agent: str) -> bool:
        mode = self._specs[agent].wheels or find_wheels_mode(self._settings.base_dir)
        return mode == "remote"

    def _overlay(self, agent: str, cache: WheelCache) -> Overlay | EnvError:
        base_dir = self._settings.base_dir
        try:
            return make_overlay(
                base_dir,
                self._specs[agent].project or find_project_mode(base_dir) or "editable",
                self._targets[agent],
                cache.root / PROJECTS,
                locate=self._locate,
                builds_there=self._builds_there(agent),
            )
        except Unavailable as error:
            return EnvError(
                host=agent, phase="prepare the project", cause=error.cause, remedy=error.remedy
            )

    def _provisions(
        self, agent: str, resolved: Resolved | EnvError, overlay: Overlay
    ) -> Provisions | EnvError:
        if isinstance(resolved, EnvError):
            return resolved
        # A package that needs the project would bring another copy of it.
        others = [wheel for wheel in resolved.wheels if wheel.name not in overlay.names]
        wheels = (*others, *overlay.wheels)
        notes = [note for build in (*resolved.builds, *resolved.extensions) for note in build.notes]
        return Provisions(
            contents=self._contents(agent, wheels, resolved.builds),
            extensions=self._contents(agent, (), resolved.extensions)
            if resolved.extensions
            else None,
            overlay=overlay,
            notes=(*self._wanted[agent].notes, *resolved.notes, *notes),
        )

    def _contents(
        self, agent: str, wheels: Sequence[Wheel], builds: Sequence[HostBuild]
    ) -> Contents:
        target = self._targets[agent]
        digests = [*(wheel.sha256 for wheel in wheels), *(build.key for build in builds)]
        return Contents(
            key=environment_key(target, digests),
            wheels=tuple(wheels),
            builds=tuple(builds),
            tags=target.tags,
        )

    def shipper(self, agent: str, provisions: Provisions) -> partial[Shipped]:
        """Return what brings an agent's environment to its host; it runs in a thread."""
        destination = Destination(
            host=agent,
            cache=self._specs[agent].cache,
            is_fresh=self._decisions[agent].use == "fresh",
        )
        return partial(ship_all, provisions, destination)

    def describe(self, agent: str, provisions: Provisions, shipped: Shipped) -> str:
        """Return one line on an environment: where it comes from, what it is, what it cost."""
        contents = provisions.contents
        size = sum(wheel.size_bytes for wheel in contents.wheels)
        compiled = [build.title for build in provisions.builds]
        built_there = f", built there: {', '.join(compiled)}" if compiled else ""
        state = f"built{self._cause(agent, provisions)}" if shipped.was_built else "cached"
        return (
            f"{self._wanted[agent].source}, {len(contents.wheels)} wheels, {size / 1e6:.1f} MB, "
            f"env {contents.key[:KEY_SHOWN_CHARS]} {state}{built_there}"
        )

    # -- what is told of it ----------------------------------------------------------------

    def decision(self, agent: str) -> Decision | None:
        """Return what the workers of an agent run in; None for one that could not be judged."""
        return self._decisions.get(agent)

    def source(self, agent: str) -> str:
        """Return what says what is wanted, for an agent whose environment is made."""
        return self._wanted[agent].source

    def packages(self, agent: str, provisions: Provisions) -> tuple[Package, ...]:
        """Return what is in an environment, and who asks for it."""
        wanted, target = self._wanted[agent], self._targets[agent]
        return trace(provisions.contents, wanted, self._additions(), target)

    def changes(self, agent: str, provisions: Provisions) -> tuple[str, ...] | None:
        """Return what makes an environment another than the agent's last; None without one."""
        last = self._memory.last(agent)
        return None if last is None else differences(last, self._inputs(agent, provisions))

    def remember(self, agent: str, provisions: Provisions) -> None:
        """Let this be the agent's last environment."""
        with suppress(Unavailable):  # A cache that cannot be written still serves.
            self._memory.keep(agent, self._inputs(agent, provisions))

    def _cause(self, agent: str, provisions: Provisions) -> str:
        """Return in a few words why an environment is not that of the last time."""
        causes = self.changes(agent, provisions)
        if not causes:
            return ""
        more = f" and {len(causes) - 1} more" if len(causes) > 1 else ""
        return f": {causes[0]}{more}"

    def _inputs(self, agent: str, provisions: Provisions) -> Inputs:
        return Inputs.of(
            self._targets[agent],
            self._wanted[agent],
            self._additions(),
            provisions.contents,
        )

    def _find_wanted(self, spec: GatewaySpec) -> Wanted:
        return find_wanted(self._settings.base_dir, spec)

    def _additions(self) -> tuple[str, ...]:
        return additions(
            pytest.__version__,
            self._settings.plugins,
            exclude=find_excluded_plugins(self._settings.base_dir),
        )


def _without_projects(wanted: Wanted, overlay: Overlay) -> Wanted:
    return replace(
        wanted,
        requirements=without_projects(wanted.requirements, overlay),
        trees=tuple(sorted(overlay.names)) if wanted.lock else (),
    )
