"""Short names for the events of a run, and machines that have come so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from remotest.run.commands import (
    Command,
    ReportItemsInDoubt,
    StartWorker,
)
from remotest.run.events import (
    AgentReady,
    Event,
    ItemFinished,
    ItemStarted,
    WorkerCollected,
    WorkerReady,
)
from remotest.run.machine import RunMachine
from remotest.run.plan import Environment, RunPlan
from remotest.scheduling.modes import make_scheduler

if TYPE_CHECKING:
    from collections.abc import Iterable


def plan(*environments: Environment, dist: str = "load", restarts: int | None = None) -> RunPlan:
    return RunPlan(environments=environments, dist=dist, max_worker_restart=restarts)


def new_machine(run_plan: RunPlan, **options: Any) -> RunMachine:
    """Return a machine that gives items out as the plan says; ``options`` are those it has."""
    scheduler = make_scheduler(
        run_plan.dist, max_chunk=run_plan.max_chunk, reorder_scopes=run_plan.reorder_scopes
    )
    return RunMachine(run_plan, scheduler=scheduler, **options)


def box(count: int | str = 1, *, name: str = "box", ids: tuple[str, ...] = ()) -> Environment:
    return Environment(name=name, agent=name, count=count, worker_ids=ids)


def feed(machine: RunMachine, *events: Event, now: float = 0.0) -> list[Command]:
    """Hand in events and return what the last one was answered with."""
    commands: list[Command] = []
    for event in events:
        commands = machine.handle(event, now)
    return commands


def ready(agent: str = "box", cpu_count: int = 1) -> AgentReady:
    return AgentReady(agent=agent, cpu_count=cpu_count)


def comes(worker: str, *ids: str) -> tuple[Event, ...]:
    return WorkerReady(worker=worker), WorkerCollected(worker=worker, ids=ids)


def ends(worker: str, position: int, outcome: str | None = "passed") -> tuple[Event, ...]:
    return (
        ItemStarted(worker=worker, position=position),
        ItemFinished(worker=worker, position=position, outcome=outcome, duration_s=0.0),
    )


def start(worker: str, environment: str = "box", *, replaces: str | None = None) -> StartWorker:
    agent = environment.partition("#")[0]
    return StartWorker(worker=worker, agent=agent, environment=environment, replaces=replaces)


def in_doubt(worker: str, environment: str, ids: Iterable[str]) -> ReportItemsInDoubt:
    return ReportItemsInDoubt(
        worker=worker, environment=environment, node_ids=tuple(ids), reason="cut"
    )


def running(run_plan: RunPlan, *workers: str, ids: tuple[str, ...]) -> RunMachine:
    """Return a machine whose agents are ready and whose workers have collected."""
    machine = new_machine(run_plan)
    machine.start(0.0)
    feed(machine, *(ready(environment.agent) for environment in run_plan.environments))
    for worker in workers:
        feed(machine, *comes(worker, *ids))
    return machine
