"""What is known of a run's places: environments, their agents, interpreters and trees.

It is filled while the run starts and answers what the controller and the reports ask. Main
thread only, but for the pushers, which are handed to the driver's threads.
"""

from __future__ import annotations

import os
import platform
import posixpath
import site
import sys
import sysconfig
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_remotest.searchpath import SEARCH_PATH
from remotest.env.decision import choose_at_once
from remotest.env.model import Overlay
from remotest.environments import (
    EnvironmentPlan,
    agents_that_fork,
    host_name,
    host_of,
    plan_agents,
    plan_environments,
)
from remotest.labels import base_label, unique_labels
from remotest.launch import Place, StartUp, project_entries, spawn_message
from remotest.pathmap import PathMap
from remotest.preflight import ext_suffix
from remotest.run.plan import SLOW_START_S, Environment, RunPlan
from remotest.spec import AUTO
from remotest.sync.memory import ScanMemory, cache_root
from remotest.sync.plan import Layout, project_key
from remotest.sync.plan import Place as TreePlace
from remotest.sync.push import Destination, offer, preview, push, question
from remotest.sync.reading import Reading
from remotest.sync.scan import Request, survey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_remotest import messages
    from remotest.driver import Asker, Pusher
    from remotest.env.provision import Provision
    from remotest.env.ship import Shipped
    from remotest.environments import AgentPlan
    from remotest.preflight import Interpreter
    from remotest.settings import Settings
    from remotest.sync.plan import Manifest


ABSENT = "absent"
"""What reports say in the place of an interpreter that a host does not have."""


class Places:
    """The environments of one run and where they are."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.mode = settings.mode
        self.roots: tuple[Path, ...] = settings.roots
        self.agents: tuple[AgentPlan, ...] = plan_agents(settings)
        self.environments: list[EnvironmentPlan] = list(plan_environments(settings))
        self._forking = agents_that_fork(settings)
        self._agents_by_name = {plan.name: plan for plan in self.agents}
        self._interpreters: dict[str, Interpreter] = {}
        self._without_interpreter: set[str] = set()
        self._greetings: dict[str, Mapping[str, Any]] = {}
        self._trees: dict[str, str] = {}
        self._pushing: dict[str, str] = {}
        self._usable: list[str] = []
        self.reading: Reading | None = None
        self._survey = survey(self._request())
        self._project = project_key(str(settings.base_dir), platform.node())
        self._labels: dict[str, str] = {}
        self._start_up = read_start_up(settings.invocation_dir)
        self._environments: dict[str, tuple[str, Overlay, str | None]] = {}

    # -- environments ----------------------------------------------------------------------

    def run_plan(self) -> RunPlan:
        """Return what the run machine is made from."""
        return RunPlan(
            environments=tuple(
                Environment(
                    name=plan.name,
                    agent=plan.agent,
                    count=plan.count,
                    worker_ids=(plan.spec.id,) if plan.spec.id is not None else (),
                    host=host_of(plan.spec),
                )
                for plan in self.environments
            ),
            dist=self.mode,
            max_worker_restart=self._settings.max_worker_restart,
            max_chunk=self._settings.max_chunk_items,
            reorder_scopes=self._settings.reorder_scopes,
            strict_collection=self._settings.strict_collection,
            requeue=self._settings.requeue,
            reconnect_s=self._settings.reconnect_s,
            min_hosts=self._settings.min_hosts,
            slow_start_s=SLOW_START_S,
        )

    def environment(self, name: str) -> EnvironmentPlan:
        """Return an environment by its name."""
        return next(plan for plan in self.environments if plan.name == name)

    def split(self, name: str, into: Sequence[str]) -> None:
        """Put the parts of an ``auto`` environment in its place."""
        index = self.environments.index(self.environment(name))
        parts = [replace(self.environments[index], name=part, count=1) for part in into]
        self.environments[index : index + 1] = parts
        self._labels.clear()

    @property
    def declared_worker_count(self) -> int:
        """How many workers are asked for, as far as that is known."""
        return sum(1 if plan.count == AUTO else int(plan.count) for plan in self.environments)

    @property
    def worker_count(self) -> int:
        """How many workers the run has, once its hosts have told their CPUs."""
        return sum(
            self.interpreter(plan.agent).cpu_count if plan.count == AUTO else int(plan.count)
            for plan in self.environments
            if plan.count != AUTO or plan.agent in self._interpreters
        )

    def _worker_count_of(self, agent: str) -> int:
        """Return how many workers the run has under an agent that has told its CPUs."""
        return sum(
            self.interpreter(agent).cpu_count if plan.count == AUTO else int(plan.count)
            for plan in self.environments
            if plan.agent == agent
        )

    @property
    def names_environments(self) -> bool:
        """Whether the result is told by environment."""
        return self.mode == "each"

    def label(self, environment: str) -> str:
        """Return what an environment is called on the screen: ``myhost-py39``. Unique."""
        if environment not in self._labels:
            self._labels = unique_labels(self.environments, self._interpreters)
        return self._labels[environment]

    def agent_label(self, agent: str) -> str:
        """Return what an agent is called on the screen: ``myhost-py39``."""
        plan = next(plan for plan in self.environments if plan.agent == agent)
        return base_label(plan, self._interpreters.get(agent))

    def facts(self, environment: str) -> dict[str, str]:
        """Return what reports say of an environment: at least ``name`` and ``host``."""
        plan = self.environment(environment)
        facts = {"name": self.label(environment), "host": host_name(plan), "spec": plan.agent}
        interpreter = self._interpreters.get(plan.agent)
        if interpreter is not None:
            facts["interpreter"] = f"{interpreter.implementation} {interpreter.version}"
            facts["executable"] = interpreter.executable
            facts["pytest"] = interpreter.pytest_version or "none"
        elif plan.agent in self._without_interpreter:
            facts["interpreter"] = ABSENT
        return facts

    # -- interpreters ----------------------------------------------------------------------

    def set_interpreter(
        self, agent: str, interpreter: Interpreter, greeting: Mapping[str, Any]
    ) -> None:
        """Take in what an agent told of itself."""
        self._interpreters[agent] = interpreter
        self._greetings[agent] = greeting
        self._labels.clear()

    def set_absent(self, agent: str) -> None:
        """Take in that an agent's host does not have its interpreter."""
        self._without_interpreter.add(agent)

    def interpreter(self, agent: str) -> Interpreter:
        """Return the interpreter of an agent that is up."""
        return self._interpreters[agent]

    def greeting(self, agent: str) -> Mapping[str, Any]:
        """Return what an agent that is up said of itself."""
        return self._greetings[agent]

    def make_provision(self) -> Provision:
        """Return what finds out, and brings, what the run's interpreters are given."""
        # Not at the top: most runs need no environment, and what makes them takes long to import.
        from remotest.env.provision import Provision  # noqa: PLC0415

        return Provision(self._settings, self.agents, self._survey.layout.locate)

    def is_controllers_own(self, agent: str) -> bool:
        """Return whether an agent that is up runs in the very interpreter of this process."""
        spec = self._agents_by_name[agent].spec
        greeting = self._greetings[agent]
        return (
            spec.target is None
            and spec.via is None
            and greeting.get("prefix") == sys.prefix
            and greeting.get("version") == sys.version
        )

    def is_used_as_it_is(self, agent: str) -> bool:
        """Return whether an agent that is up runs in its interpreter, whatever the suite needs."""
        probe = self._greetings[agent].get("probe")
        told = probe if isinstance(probe, dict) else {}
        decision = choose_at_once(
            self._agents_by_name[agent].spec,
            is_own=told.get("is_virtual") is True or told.get("is_conda") is True,
            is_controllers_own=self.is_controllers_own(agent),
        )
        return decision is not None

    def set_environment(self, agent: str, overlay: Overlay, shipped: Shipped) -> None:
        """Take in the environment that was made for an agent."""
        pytest_version = shipped.packages.get("pytest")
        self._interpreters[agent] = replace(
            self._interpreters[agent], pytest_version=pytest_version
        )
        self._environments[agent] = (shipped.folder, overlay, shipped.extensions_folder)

    # -- trees -----------------------------------------------------------------------------

    def _request(self) -> Request:
        settings = self._settings
        return Request(
            base=str(settings.base_dir),
            root_dir=str(settings.root_dir),
            invocation_dir=str(settings.invocation_dir),
            named=tuple(str(root) for root in settings.roots),
            arguments=settings.argument_paths,
            rules=settings.rules,
            python_path=SEARCH_PATH,
        )

    def begin_scan(self, *, is_brought: bool = True) -> None:
        """Begin to read the tree that travels, if any place needs one, and maybe to bring it."""
        keys = {plan.tree_key for plan in self.agents} - {None}
        if keys:
            memory = ScanMemory(cache_root(), self._project)
            count = len(keys) if is_brought else 0
            self.reading = Reading(self._request(), self._survey, memory, host_count=count)

    def finish_scan(self) -> list[str]:
        """Wait for the tree that is read, if any is; return what the user should hear.

        Raises:
            SyncError: something cannot be read.
        """
        return [] if self.reading is None else self.reading.notes()

    @property
    def manifest(self) -> Manifest | None:
        """What travels, as soon as it is read; None where nothing does. Raises as that."""
        return None if self.reading is None else self.reading.manifest()

    def assign_trees(self, agents: Sequence[str]) -> list[str]:
        """Note usable agents; return those of them that shall receive a tree, one for each place.

        Those that run in the same place are noted together.
        """
        self._usable += agents
        receiving: list[str] = []
        for agent in agents:
            key = self._agents_by_name[agent].tree_key
            if key is not None and key not in self._pushing:
                self._pushing[key] = agent
                receiving.append(agent)
        return receiving

    def leave_tree(self) -> None:
        """Note a place that will not receive the tree: all that run there have failed."""
        if self.reading is not None and self.reading.ahead is not None:
            self.reading.ahead.leave()

    def agents_of_tree(self, agent: str) -> list[str]:
        """Return the agents of the run that are in the same place as one; none without a tree."""
        key = self._agents_by_name[agent].tree_key
        return [plan.name for plan in self.agents if key is not None and plan.tree_key == key]

    def awaits_tree(self, agent: str) -> bool:
        """Return whether an agent cannot start workers before its tree is there."""
        return self._agents_by_name[agent].tree_key is not None

    def sharing_tree(self, agent: str) -> list[str]:
        """Return the usable agents whose tree is the one that ``agent`` receives."""
        key = self._agents_by_name[agent].tree_key
        return [name for name in self._usable if self._agents_by_name[name].tree_key == key]

    def set_tree(self, agent: str, tree: str) -> None:
        """Take in where the tree is that the workers of an agent run in."""
        self._trees[agent] = tree

    def offers(self, *, is_held: bool = True) -> dict[str, bytes]:
        """Return agent -> what its pusher will say first, where it is the only one in its place.

        Of several it is not known before they greet which of them receives the tree; nor which
        extension modules travel.
        """
        if self.reading is None:
            return {}
        alone = {
            one.name: self._destination(one.name, is_held=is_held)
            for one in self.agents
            if self.agents_of_tree(one.name) == [one.name]
        }
        if self.reading.ahead is not None:
            return {one: question(destination) for one, destination in alone.items()}
        manifest = self.reading.manifest()
        if manifest.for_some:
            return {}
        return {one: offer(manifest, destination) for one, destination in alone.items()}

    def pusher(
        self, agent: str, round_trip_s: Callable[[], float], *, is_held: bool = True
    ) -> Pusher:
        """Return what brings the tree to the host of an agent; it runs in a thread.

        ``is_held`` is as for ``Destination``, and ``round_trip_s`` as for ``push``.
        """
        assert self.reading is not None
        return partial(
            push,
            partial(self._manifest_for, agent),
            self._destination(agent, is_held=is_held),
            ahead=self.reading.ahead,
            round_trip_s=round_trip_s,
        )

    def previewer(self, agent: str) -> Asker:
        """Return what asks for the room there, and for what ``pusher`` would bring, if anything."""
        brings = agent in self._pushing.values()
        manifest = self._manifest_for(agent) if brings else None
        return partial(preview, manifest, self._destination(agent))

    def _manifest_for(self, agent: str) -> Manifest:
        """Return what travels to the place where an agent and others run."""
        manifest = self.manifest
        assert manifest is not None
        suffixes = [ext_suffix(self._greetings.get(name, {})) for name in self.sharing_tree(agent)]
        known = [suffix for suffix in suffixes if suffix is not None]
        return manifest.for_interpreters(known) if known == suffixes else manifest

    def _destination(self, agent: str, *, is_held: bool = True) -> Destination:
        spec = self._agents_by_name[agent].spec
        return Destination(
            host=agent,
            project=self._project,
            run_uid=self._settings.run_uid,
            cache=spec.cache,
            directory=spec.chdir,
            is_held=is_held,
        )

    # -- workers ---------------------------------------------------------------------------

    def spawn_message(
        self, worker: str, environment: EnvironmentPlan, worker_input: Mapping[str, Any]
    ) -> messages.SpawnWorker:
        """Return the message that starts a worker of an environment."""
        env_folder, overlay, extensions_folder = self._environments.get(
            environment.agent, (None, Overlay(), None)
        )
        return spawn_message(
            worker=worker,
            worker_count=self.worker_count,
            worker_input=worker_input,
            spec=environment.spec,
            place=self._place(environment),
            start_up=replace(self._start_up, variables=dict(os.environ)),
            settings=self._settings,
            env_folder=env_folder,
            overlay=overlay,
            extensions_folder=extensions_folder,
            way=self._way(environment.agent),
        )

    def _way(self, agent: str) -> str:
        """Return how the workers of an agent begin."""
        if self._worker_count_of(agent) > 1:
            return self._settings.way
        # What is forked once only is dearer than a new process, unless it is waiting already.
        return "auto" if agent in self._forking else "spawn"

    def _place(self, environment: EnvironmentPlan) -> Place:
        is_local = self.is_local(environment.name)
        base_folder = self._settings.local_base_folder() if is_local else None
        return Place(
            is_local=is_local,
            shares_interpreter=environment.agent not in self._environments
            and self.is_controllers_own(environment.agent),
            paths=self.paths(environment.name),
            base_folder=base_folder,
        )

    def is_local(self, environment: str) -> bool:
        """Return whether an environment is on this machine."""
        spec = self.environment(environment).spec
        return spec.target is None and spec.via is None

    def paths(self, name: str) -> PathMap:
        """Return how paths are called where an environment runs, once its tree is there."""
        environment = self.environment(name)
        tree = self._trees.get(environment.agent)
        if tree is not None:
            layout = self._survey.layout
            return PathMap(locate=layout.locate, origin=layout.origin, tree=tree)
        spec = environment.spec
        if spec.chdir is None or self.is_local(name):
            # It sees the files of this machine, or the same ones under the same names.
            return PathMap()
        base = str(self._settings.base_dir)
        home = str(self._greetings[environment.agent].get("home"))
        layout = Layout(places=(TreePlace(root=base, anchor=base, there="."),))
        return PathMap(
            locate=layout.locate, origin=layout.origin, tree=posixpath.join(home, spec.chdir)
        )


def read_start_up(invocation_dir: Path) -> StartUp:
    """Return what this process was when it started."""
    installation = {*sysconfig.get_paths().values(), *site.getsitepackages()}
    installation.add(site.getusersitepackages())
    return StartUp(
        search_path=SEARCH_PATH,
        project_path=project_entries(SEARCH_PATH, sorted(installation), str(invocation_dir)),
        variables=dict(os.environ),
    )
