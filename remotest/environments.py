"""From what was asked for to environments and the agents that serve them. Pure.

Specs that reach the same interpreter on the same host share one agent. Agents whose trees lie
in the same place share one tree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remotest.spec import AUTO, GatewaySpec, SshTarget, WorkerCount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.scheduling.modes import DistMode
    from remotest.settings import Settings


@dataclass(frozen=True, kw_only=True)
class AgentPlan:
    """One interpreter on one host. ``tree_key`` is None where no tree is brought there."""

    name: str
    spec: GatewaySpec
    tree_key: str | None


@dataclass(frozen=True, kw_only=True)
class EnvironmentPlan:
    """One declared environment: ``count`` workers of a spec, served by one agent.

    Under ``each`` an environment is one worker, but for ``auto``, whose number the host tells.
    """

    name: str
    agent: str
    spec: GatewaySpec
    count: WorkerCount


def plan_agents(settings: Settings) -> tuple[AgentPlan, ...]:
    """Return the agents that a run needs, in the order in which they were first asked for."""
    plans: dict[str, AgentPlan] = {}
    for request in settings.requests:
        name = agent_name(request.spec)
        if name not in plans:
            key = tree_key(request.spec, has_roots=bool(settings.roots))
            plans[name] = AgentPlan(name=name, spec=request.spec, tree_key=key)
    return tuple(plans.values())


def agents_that_fork(settings: Settings) -> frozenset[str]:
    """Return the agents whose workers will probably be forked, as far as that is known already.

    Their forks then begin as what is forked from has begun, before it is known what is there. On
    this machine nothing is gained by it: nobody waits for a network.
    """
    if settings.way == "spawn" or settings.keep_orphans:
        return frozenset()
    return frozenset(
        agent_name(request.spec)
        for request in settings.requests
        if not (request.spec.target is None and request.spec.via is None)
        and not (request.spec.env or request.spec.dont_write_bytecode)
        and request.spec.env_mode not in ("managed", "fresh")
    )


def plan_environments(settings: Settings) -> tuple[EnvironmentPlan, ...]:
    """Return the environments of a run, in the order in which they were asked for."""
    plans: list[EnvironmentPlan] = []
    for request in settings.requests:
        for count in _split(request.count, settings.mode):
            plans.append(
                EnvironmentPlan(
                    name=f"environment{len(plans)}",
                    agent=agent_name(request.spec),
                    spec=request.spec,
                    count=count,
                )
            )
    return tuple(plans)


def _split(count: WorkerCount, mode: DistMode) -> Iterable[WorkerCount]:
    if mode == "each" and count != AUTO:
        return [1] * int(count)
    return [count]


def agent_name(spec: GatewaySpec) -> str:
    """Return the name of the agent that serves a spec: its address, interpreter and environment.

    All as written: it is also how errors call the place, so it reads like a spec.
    """
    place = replace(
        GatewaySpec(),
        target=spec.target,
        via=spec.via,
        python=spec.python,
        ssh_config=spec.ssh_config,
        cache=spec.cache,
        chdir=spec.chdir,
        sync=spec.sync,
        env_mode=spec.env_mode,
        group=spec.group,
        extra=spec.extra,
        req=spec.req,
        lock=spec.lock,
        tox=spec.tox,
        project=spec.project,
        wheels=spec.wheels,
        setup=spec.setup,
        interpreters=spec.interpreters,
    )
    return str(place)


def host_of(spec: GatewaySpec) -> str:
    """Return what names the host of a spec, whichever interpreter there is meant."""
    return str(replace(GatewaySpec(), target=spec.target, via=spec.via))


def host_name(plan: EnvironmentPlan) -> str:
    """Return the short name of an environment's host."""
    target = plan.spec.target
    if target is None:
        return "local" if plan.spec.via is None else plan.spec.via
    return target.host if isinstance(target, SshTarget) else f"{target.host}:{target.port}"


def tree_key(spec: GatewaySpec, *, has_roots: bool) -> str | None:
    """Return what names the place of a spec's tree, or None where no tree is brought.

    The own machine needs none, unless directories are to be brought to a ``chdir=`` there, as
    with pytest-xdist.
    """
    default = "tree" if spec.target is not None or (spec.chdir and has_roots) else "none"
    if (spec.sync or default) == "none":
        return None
    place = replace(
        GatewaySpec(),
        target=spec.target,
        via=spec.via,
        chdir=spec.chdir,
        ssh_config=spec.ssh_config,
        hostkey=spec.hostkey,
        connect_timeout_s=spec.connect_timeout_s,
        cache=spec.cache,
        sync=spec.sync,
        dont_write_bytecode=spec.dont_write_bytecode,
    )
    return str(place)
