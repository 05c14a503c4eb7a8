"""What the machine answers to each event, in whole answers. The simulator tries the mixtures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from runsteps import box, comes, ends, feed, new_machine, plan, ready, running, start

from remotest.run.commands import (
    EndRun,
    FinishWorker,
    InterruptWorker,
    KillWorker,
    ReportEnvironmentFailed,
    ReportLostItem,
    ReportNote,
    ReportSchedulingStarted,
    RunItems,
    SplitEnvironment,
    StopWorker,
)
from remotest.run.deadlines import COLLECT_TIMEOUT_S, FINISH_TIMEOUT_S, WORKER_START_TIMEOUT_S
from remotest.run.events import (
    AgentFailed,
    AgentLost,
    DeadlineReached,
    Event,
    ItemFinished,
    ItemsReturned,
    ItemStarted,
    StopRequested,
    WorkerCollected,
    WorkerFinished,
    WorkerLost,
    WorkerReady,
)
from remotest.run.restarts import RESTARTS_PER_WORKER
from remotest.run.result import EnvironmentResult, RunResult, WorkerLoss


def test_one_worker_runs_two_items_to_the_end() -> None:
    machine = new_machine(plan(box()))
    assert machine.start(0.0) == []
    assert machine.handle(ready(), 1.0) == [start("gw0")]
    assert machine.next_deadline() == 1.0 + WORKER_START_TIMEOUT_S
    assert machine.handle(WorkerReady(worker="gw0"), 2.0) == []
    assert machine.next_deadline() == 2.0 + COLLECT_TIMEOUT_S
    assert machine.handle(WorkerCollected(worker="gw0", ids=("a", "b")), 3.0) == [
        ReportSchedulingStarted(),
        RunItems(worker="gw0", positions=(0, 1)),
        FinishWorker(worker="gw0"),
    ]
    assert machine.next_deadline() is None
    assert feed(machine, *ends("gw0", 0), *ends("gw0", 1, "skipped"), now=4.0) == []
    assert machine.next_deadline() == 4.0 + FINISH_TIMEOUT_S
    assert machine.handle(WorkerFinished(worker="gw0"), 5.0) == [EndRun()]
    assert machine.next_deadline() is None
    assert machine.result() == RunResult(
        environments=(
            EnvironmentResult(
                name="box", end="finished", collected=2, outcomes={"passed": 1, "skipped": 1}
            ),
        )
    )
    assert machine.handle(AgentLost(agent="box", reason="closed"), 6.0) == []


def test_without_environments_or_items_the_run_ends_cleanly() -> None:
    assert new_machine(plan()).start(0.0) == [EndRun()]
    machine = new_machine(plan(box()))
    machine.start(0.0)
    assert feed(machine, ready(), *comes("gw0")) == [
        ReportSchedulingStarted(),
        FinishWorker(worker="gw0"),
    ]
    assert feed(machine, WorkerFinished(worker="gw0")) == [EndRun()]


def test_workers_are_named_in_declared_order_and_ids_of_specs_are_kept() -> None:
    machine = new_machine(
        plan(box(2, name="one", ids=("gw1",)), box("auto", name="many"), box(2, name="two"))
    )
    machine.start(0.0)
    assert feed(machine, ready("two")) == [start("gw2", "two"), start("gw3", "two")]
    assert feed(machine, ready("many", 2)) == [start("gw4", "many"), start("gw5", "many")]
    assert feed(machine, ready("one")) == [start("gw1", "one"), start("gw0", "one")]


def test_under_each_auto_becomes_one_environment_for_each_cpu() -> None:
    machine = new_machine(plan(box("auto"), dist="each"))
    machine.start(0.0)
    assert feed(machine, ready(cpu_count=2)) == [
        SplitEnvironment(environment="box", into=("box#1", "box#2")),
        start("gw0", "box#1"),
        start("gw1", "box#2"),
    ]
    single = new_machine(plan(box("auto"), dist="each"))
    single.start(0.0)
    assert feed(single, ready(cpu_count=1)) == [start("gw0", "box")]


def test_a_host_with_an_impossible_number_of_cpus_is_not_believed() -> None:
    machine = new_machine(plan(box("auto")))
    machine.start(0.0)
    reason = "its host claims to have 1000000 CPUs"
    assert feed(machine, ready(cpu_count=1_000_000)) == [
        ReportEnvironmentFailed(environment="box", reason=reason),
        EndRun(),
    ]


MANY = tuple(f"test_{number}" for number in range(40))


@pytest.mark.parametrize(
    ("dist", "first", "second"), [("load", range(5), range(5, 13)), ("worksteal", range(20), None)]
)
def test_who_is_ready_first_begins_with_its_own_share(
    dist: str, first: range, second: range | None
) -> None:
    machine = new_machine(plan(box(), box(name="slow"), dist=dist))
    machine.start(0.0)
    assert feed(machine, ready(), *comes("gw0", *MANY)) == [
        ReportSchedulingStarted(coming_count=1),
        RunItems(worker="gw0", positions=tuple(first)),
    ]
    positions = tuple(second or range(20, 40))
    assert feed(machine, ready("slow"), *comes("gw1", *MANY)) == [
        RunItems(worker="gw1", positions=positions)
    ]


@pytest.mark.parametrize("dist", ["load", "worksteal"])
def test_who_is_ready_runs_the_share_of_a_host_that_fails(dist: str) -> None:
    machine = new_machine(plan(box(), box(name="bad"), dist=dist))
    machine.start(0.0)
    feed(machine, ready(), *comes("gw0", *MANY))
    feed(machine, AgentFailed(agent="bad", reason="refused"))
    for position in range(40):
        feed(machine, *ends("gw0", position))
    assert feed(machine, WorkerFinished(worker="gw0"))[-1] == EndRun()
    assert machine.result().environments[0].outcomes == {"passed": 40}


@pytest.mark.parametrize(
    ("item_count", "options"),
    [(15, {}), (16, {"dist": "loadfile"}), (16, {"count": "auto"}), (16, {"strict": True})],
)
def test_all_wait_where_the_first_could_take_what_others_need(
    item_count: int, options: dict[str, Any]
) -> None:
    """Few items; whole scopes; workers that nobody has counted; who wants none if they differ."""
    slow = box(options.get("count", 1), name="slow")
    strict = options.get("strict", False)
    run_plan = replace(
        plan(box(), slow, dist=options.get("dist", "load")), strict_collection=strict
    )
    machine = new_machine(run_plan)
    machine.start(0.0)
    assert feed(machine, ready(), *comes("gw0", *MANY[:item_count])) == []


def test_an_agent_that_fails_takes_only_its_environments_with_it() -> None:
    machine = new_machine(plan(box(), box(name="bad"), dist="each"))
    machine.start(0.0)
    # Under each nobody waits for anybody.
    assert feed(machine, ready(), *comes("gw0", "a")) == [
        ReportSchedulingStarted(coming_count=1),
        RunItems(worker="gw0", positions=(0,)),
        FinishWorker(worker="gw0"),
    ]
    assert feed(machine, AgentFailed(agent="bad", reason="refused")) == [
        ReportEnvironmentFailed(environment="bad", reason="refused"),
    ]
    assert feed(machine, *ends("gw0", 0), WorkerFinished(worker="gw0")) == [EndRun()]
    assert [(env.name, env.end, env.reason) for env in machine.result().environments] == [
        ("box", "finished", ""),
        ("bad", "failed", "refused"),
    ]


@pytest.mark.parametrize("is_ready", [False, True])
def test_a_worker_that_never_collected_is_not_started_again(is_ready: bool) -> None:
    machine = new_machine(plan(box()))
    machine.start(0.0)
    feed(machine, ready(), *([WorkerReady(worker="gw0")] if is_ready else []))
    assert feed(machine, WorkerLost(worker="gw0", reason="exit status 4")) == [
        ReportEnvironmentFailed(
            environment="box", reason="worker gw0 was lost before it had collected: exit status 4"
        ),
        EndRun(),
    ]


def test_a_crash_blames_the_item_that_ran_and_the_worker_is_replaced() -> None:
    machine = running(plan(box(), dist="each"), "gw0", ids=("a", "b", "c"))
    feed(machine, *ends("gw0", 0), ItemStarted(worker="gw0", position=1))
    assert feed(machine, WorkerLost(worker="gw0", reason="killed by signal 11")) == [
        ReportLostItem(worker="gw0", environment="box", node_id="b", reason="killed by signal 11"),
        ReportNote(text="replacing crashed worker gw0"),
        start("gw1", replaces="gw0"),
    ]
    assert feed(machine, *comes("gw1", "a", "b", "c")) == [
        RunItems(worker="gw1", positions=(2,)),
        FinishWorker(worker="gw1"),
    ]
    assert feed(machine, *ends("gw1", 2), WorkerFinished(worker="gw1")) == [EndRun()]
    assert machine.result() == RunResult(
        environments=(
            EnvironmentResult(
                name="box",
                end="finished",
                collected=3,
                outcomes={"passed": 2, "failed": 1},
                restarts=1,
            ),
        ),
        losses=(
            WorkerLoss(
                worker="gw0",
                environment="box",
                reason="killed by signal 11",
                node_ids=("b",),
            ),
        ),
    )


@pytest.mark.parametrize("dist", ["load", "loadscope", "worksteal", "each"])
def test_a_crash_that_leaves_nothing_to_run_starts_no_worker(dist: str) -> None:
    machine = running(plan(box(), dist=dist), "gw0", ids=("a", "b"))
    feed(machine, *ends("gw0", 0), ItemStarted(worker="gw0", position=1))
    assert feed(machine, WorkerLost(worker="gw0", reason="gone")) == [
        ReportLostItem(worker="gw0", environment="box", node_id="b", reason="gone"),
        EndRun(),
    ]


def test_a_crash_over_the_limit_is_told_although_it_leaves_nothing_to_run() -> None:
    machine = running(plan(box(), restarts=0), "gw0", ids=("a",))
    feed(machine, ItemStarted(worker="gw0", position=0))
    text = "worker gw0 crashed and worker restarting disabled"
    assert feed(machine, WorkerLost(worker="gw0", reason="gone")) == [
        ReportLostItem(worker="gw0", environment="box", node_id="a", reason="gone"),
        ReportNote(text=text),
        EndRun(summary=text),
    ]


def test_a_crash_that_leaves_nothing_still_starts_one_who_can_take_over_from_others() -> None:
    machine = running(plan(box(2), dist="worksteal"), "gw0", "gw1", ids=tuple("abcdefgh"))
    feed(machine, *(event for position in range(4, 7) for event in ends("gw1", position)))
    feed(machine, ItemsReturned(worker="gw0", positions=()))
    feed(machine, ItemStarted(worker="gw1", position=7))
    assert feed(machine, WorkerLost(worker="gw1", reason="gone")) == [
        ReportLostItem(worker="gw1", environment="box", node_id="h", reason="gone"),
        ReportNote(text="replacing crashed worker gw1"),
        start("gw2", replaces="gw1"),
    ]


def test_with_restarting_disabled_a_crash_ends_the_run_and_names_what_is_missing() -> None:
    machine = running(plan(box(2), restarts=0), "gw0", "gw1", ids=tuple("abcdefgh"))
    feed(machine, ItemStarted(worker="gw0", position=0))
    text = "worker gw0 crashed and worker restarting disabled"
    assert feed(machine, WorkerLost(worker="gw0", reason="gone")) == [
        ReportLostItem(worker="gw0", environment="box", node_id="a", reason="gone"),
        ReportNote(text=text),
        FinishWorker(worker="gw1"),
    ]
    missing = tuple(("box", node_id) for node_id in "befgh")
    assert feed(machine, *ends("gw1", 2), *ends("gw1", 3), WorkerFinished(worker="gw1")) == [
        ReportEnvironmentFailed(environment="box", reason="items without an outcome: 5"),
        EndRun(missing=missing, summary=text),
    ]


@pytest.mark.parametrize(("restarts", "limit"), [(2, 2), (None, RESTARTS_PER_WORKER)])
def test_so_many_crashed_workers_are_replaced_and_no_more(restarts: int | None, limit: int) -> None:
    machine = running(plan(box(), restarts=restarts), "gw0", ids=("a", "b"))
    for number in range(limit):
        feed(machine, WorkerLost(worker=f"gw{number}", reason="gone"))
        feed(machine, *comes(f"gw{number + 1}", "a", "b"))
    text = f"maximum crashed workers reached: {limit}"
    assert feed(machine, WorkerLost(worker=f"gw{limit}", reason="gone")) == [
        ReportNote(text=text),
        ReportEnvironmentFailed(environment="box", reason="items without an outcome: 2"),
        EndRun(missing=(("box", "a"), ("box", "b")), summary=text),
    ]


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (
            ItemFinished(worker="gw0", position=7, outcome="passed", duration_s=0.0),
            "it spoke of item 7, which it does not hold",
        ),
        (ItemStarted(worker="gw0", position=-1), "it spoke of item -1, which it does not hold"),
        (
            ItemFinished(worker="gw0", position=0, outcome="passed", duration_s=0.0),
            "it spoke of item 0, which it does not hold",
        ),
        (ItemsReturned(worker="gw0", positions=()), "it returned items that it was not asked for"),
        (WorkerReady(worker="gw0"), "it announced its start twice"),
        (
            WorkerCollected(worker="gw0", ids=()),
            "it announced a collection at the wrong time",
        ),
    ],
)
def test_a_worker_that_breaks_the_protocol_is_killed_and_replaced(event: Event, what: str) -> None:
    machine = running(plan(box()), "gw0", ids=("a", "b", "c"))
    feed(machine, *ends("gw0", 0))
    assert feed(machine, event) == [
        KillWorker(worker="gw0", reason=f"broken protocol: {what}"),
        ReportNote(text="replacing crashed worker gw0"),
        start("gw1", replaces="gw0"),
    ]
    assert feed(machine, WorkerLost(worker="gw0", reason="killed")) == []


def test_items_before_the_collection_are_a_broken_protocol() -> None:
    machine = new_machine(plan(box()))
    machine.start(0.0)
    feed(machine, ready())
    what = "broken protocol: it spoke of item 0, which it does not hold"
    assert feed(machine, ItemStarted(worker="gw0", position=0)) == [
        KillWorker(worker="gw0", reason=what),
        ReportEnvironmentFailed(
            environment="box", reason=f"worker gw0 was lost before it had collected: {what}"
        ),
        EndRun(),
    ]


def test_an_item_without_an_outcome_is_missing() -> None:
    machine = running(plan(box()), "gw0", ids=("a",))
    assert feed(machine, *ends("gw0", 0, None), WorkerFinished(worker="gw0")) == [
        ReportEnvironmentFailed(environment="box", reason="items without an outcome: 1"),
        EndRun(missing=(("box", "a"),)),
    ]


def test_a_session_that_ends_too_early_is_a_loss() -> None:
    machine = running(plan(box(), dist="each"), "gw0", ids=("a", "b"))
    feed(machine, *ends("gw0", 0))
    assert feed(machine, WorkerFinished(worker="gw0")) == [
        ReportNote(text="replacing crashed worker gw0"),
        start("gw1", replaces="gw0"),
    ]


@pytest.mark.parametrize(
    ("events", "timeout_s", "what", "told"),
    [
        ((), WORKER_START_TIMEOUT_S, "no sign of life within 300 s", "before it had collected"),
        (
            (WorkerReady(worker="gw0"),),
            COLLECT_TIMEOUT_S,
            "it was still collecting after 1800 s",
            "before it had collected",
        ),
        (
            (*comes("gw0"),),
            FINISH_TIMEOUT_S,
            "its session did not end within 300 s",
            "at the end of its session",
        ),
    ],
)
def test_every_wait_has_a_deadline(
    events: tuple[Event, ...], timeout_s: float, what: str, told: str
) -> None:
    machine = new_machine(plan(box()))
    machine.start(0.0)
    feed(machine, ready(), *events)
    assert machine.next_deadline() == timeout_s
    assert feed(machine, DeadlineReached(), now=timeout_s - 1) == []
    assert feed(machine, DeadlineReached(), now=timeout_s) == [
        KillWorker(worker="gw0", reason=what),
        ReportEnvironmentFailed(environment="box", reason=f"worker gw0 was lost {told}: {what}"),
        EndRun(),
    ]


def test_stopping_lets_what_runs_end_and_begins_nothing() -> None:
    machine = running(plan(box(2), box(name="slow")), "gw0", ids=("a", "b", "c"))
    feed(machine, *comes("gw1", "a", "b", "c"), WorkerReady(worker="gw2"))
    feed(machine, *comes("gw2", "a", "b", "c")[1:])
    feed(machine, ItemStarted(worker="gw0", position=0))
    assert feed(machine, StopRequested(reason="stopping after 1 failures"), now=5.0) == [
        StopWorker(worker="gw0", reason="stopping after 1 failures"),
        StopWorker(worker="gw1", reason="stopping after 1 failures"),
        StopWorker(worker="gw2", reason="stopping after 1 failures"),
    ]
    assert machine.next_deadline() == 5.0 + FINISH_TIMEOUT_S
    assert feed(machine, WorkerFinished(worker="gw1"), WorkerFinished(worker="gw2")) == []
    assert machine.next_deadline() is None  # A running item has no limit.
    assert feed(machine, *ends("gw0", 0)[1:], WorkerFinished(worker="gw0")) == [EndRun()]
    result = machine.result()
    assert (result.not_run, result.missing) == (2, ())
    assert result.stopped_reason == "stopping after 1 failures"
    assert [env.end for env in result.environments] == ["stopped", "stopped"]


def test_a_stop_does_not_wait_for_hosts_and_kills_who_is_still_collecting() -> None:
    machine = new_machine(plan(box(), box(name="slow")))
    machine.start(0.0)
    feed(machine, ready())
    assert feed(machine, StopRequested(reason="Ctrl-C")) == [
        KillWorker(worker="gw0", reason="Ctrl-C"),
        EndRun(),
    ]


def test_a_second_stop_without_grace_kills_what_still_runs() -> None:
    machine = running(plan(box()), "gw0", ids=("a", "b"))
    feed(machine, ItemStarted(worker="gw0", position=0))
    assert feed(machine, StopRequested(reason="Ctrl-C", grace_s=10.0), now=1.0) == [
        StopWorker(worker="gw0", reason="Ctrl-C"),
        InterruptWorker(worker="gw0"),
    ]
    assert machine.next_deadline() == 11.0
    assert feed(machine, StopRequested(reason="Ctrl-C again", grace_s=0.0), now=2.0) == [
        KillWorker(worker="gw0", reason="Ctrl-C"),
        EndRun(),
    ]
    assert machine.result().not_run == 2


def test_an_environment_fails_for_its_first_reason() -> None:
    machine = new_machine(plan(box(2)))
    machine.start(0.0)
    feed(machine, ready(), WorkerLost(worker="gw0", reason="first"))
    assert feed(machine, WorkerLost(worker="gw1", reason="second")) == [EndRun()]
    [environment] = machine.result().environments
    assert environment.reason == "worker gw0 was lost before it had collected: first"
