"""What the machine does where items move, belong together or are not collected everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runsteps import box, comes, ends, feed, in_doubt, new_machine, plan, ready, running, start

from remotest.run.commands import (
    Command,
    EndRun,
    FinishWorker,
    KillWorker,
    ReclaimItems,
    ReportCollectionsDiffer,
    ReportEnvironmentFailed,
    ReportLostItem,
    ReportNote,
    ReportSchedulingStarted,
    RunItems,
    StopWorker,
)
from remotest.run.events import (
    AgentLost,
    ItemsReturned,
    ItemStarted,
    WorkerCollected,
    WorkerFinished,
    WorkerReady,
)
from remotest.run.plan import RunPlan
from remotest.run.result import CollectionGap
from remotest.run.verdict import exit_code

if TYPE_CHECKING:
    from remotest.run.machine import RunMachine


def test_a_worker_gives_back_only_what_it_was_asked_for_and_has_not_begun() -> None:
    machine = running(plan(box(2), dist="worksteal"), "gw0", "gw1", ids=tuple("abcdefgh"))
    feed(machine, *ends("gw0", 0), *ends("gw0", 1))
    assert feed(machine, *ends("gw0", 2)) == [ReclaimItems(worker="gw1", positions=(6, 7))]
    assert feed(machine, ItemsReturned(worker="gw1", positions=(6, 7))) == [
        RunItems(worker="gw0", positions=(6, 7))
    ]
    feed(machine, *ends("gw1", 4), *ends("gw0", 3))
    assert feed(machine, ItemsReturned(worker="gw1", positions=())) == [
        KillWorker(
            worker="gw1",
            reason="broken protocol: it returned items that it was not asked for",
        ),
        ReportNote(text="replacing crashed worker gw1"),
        start("gw2", replaces="gw1"),
        RunItems(worker="gw0", positions=(5,)),
    ]


def test_a_running_item_cannot_be_given_back() -> None:
    machine = running(plan(box(2), dist="worksteal"), "gw0", "gw1", ids=tuple("abcdefgh"))
    feed(machine, *ends("gw0", 0), *ends("gw0", 1), *ends("gw0", 2))
    feed(machine, ItemStarted(worker="gw1", position=6))
    reason = "broken protocol: it returned items that it was not asked for"
    assert feed(machine, ItemsReturned(worker="gw1", positions=(6, 7)))[:2] == [
        KillWorker(worker="gw1", reason=reason),
        ReportLostItem(worker="gw1", environment="box", node_id="g", reason=reason),
    ]


def test_idle_workers_get_what_a_lost_host_left_and_its_own_get_nothing() -> None:
    machine = running(
        plan(box(2, name="goes"), box(name="stays"), dist="worksteal"),
        "gw0",
        "gw1",
        "gw2",
        ids=tuple("abcdefghijkl"),
    )
    feed(machine, *(event for position in (8, 9, 10) for event in ends("gw2", position)))
    assert feed(machine, AgentLost(agent="goes", reason="cut")) == [
        ReportEnvironmentFailed(environment="goes", reason="cut"),
        in_doubt("gw0", "goes", "abc"),
        in_doubt("gw1", "goes", "efg"),
        RunItems(worker="gw2", positions=tuple(range(8))),
    ]


def test_groups_keep_items_together() -> None:
    machine = running(plan(box(2), dist="loadgroup"), ids=())
    for worker in ("gw0", "gw1"):
        collected = WorkerCollected(
            worker=worker, ids=tuple("abcd"), groups=((0, "database"), (3, "database"))
        )
        commands = feed(machine, WorkerReady(worker=worker), collected)
    assert commands == [
        ReportSchedulingStarted(),
        RunItems(worker="gw0", positions=(0, 3)),
        RunItems(worker="gw1", positions=(1,)),
        RunItems(worker="gw1", positions=(2,)),
        FinishWorker(worker="gw0"),
        FinishWorker(worker="gw1"),
    ]


def differing(*, strict: bool) -> tuple[RunMachine, list[Command]]:
    machine = new_machine(
        RunPlan(environments=(box(3),), dist="load", strict_collection=strict),
    )
    machine.start(0.0)
    feed(machine, ready(), *comes("gw0", "a", "b", "c"), *comes("gw1", "c", "b", "a"))
    return machine, feed(machine, *comes("gw2", "d", "b"))


def test_where_workers_differ_each_item_runs_on_one_that_has_it() -> None:
    machine, commands = differing(strict=False)
    assert commands == [
        ReportNote(
            text="workers collected different tests, 4 in all: gw0+gw1 without 1, gw2 without 2; "
            "each test runs on a worker that has it"
        ),
        ReportSchedulingStarted(),
        RunItems(worker="gw0", positions=(0,)),
        RunItems(worker="gw1", positions=(0,)),
        RunItems(worker="gw2", positions=(0,)),
        RunItems(worker="gw0", positions=(1,)),
        FinishWorker(worker="gw0"),
        FinishWorker(worker="gw1"),
        FinishWorker(worker="gw2"),
    ]
    assert machine.result().gaps == (
        CollectionGap(environment="box", workers=("gw0", "gw1"), node_ids=("d",)),
        CollectionGap(environment="box", workers=("gw2",), node_ids=("a", "c")),
    )


def test_a_strict_run_ends_where_workers_differ_and_runs_nothing() -> None:
    machine, commands = differing(strict=True)
    text = (
        "Different tests were collected between gw0 and gw2.\n"
        "The difference is:\n--- gw0\n+++ gw2\n-a\n-c\n+d"
    )
    reason = "workers collected different tests"
    assert commands == [
        ReportCollectionsDiffer(worker="gw2", text=text),
        *(StopWorker(worker=worker, reason=reason) for worker in ("gw0", "gw1", "gw2")),
    ]
    ended = [WorkerFinished(worker=worker) for worker in ("gw0", "gw1", "gw2")]
    assert feed(machine, *ended) == [EndRun()]
    result = machine.result()
    assert (result.missing, result.not_run, result.stopped_reason) == ((), 4, None)
    assert exit_code(result, tests_failed=False) == 1


def test_another_order_is_no_difference() -> None:
    machine = new_machine(RunPlan(environments=(box(2),), dist="load", strict_collection=True))
    machine.start(0.0)
    feed(machine, ready(), *comes("gw0", "a", "b", "a"))
    assert feed(machine, *comes("gw1", "b", "a", "a"))[0] == ReportSchedulingStarted()
    assert machine.result().gaps == ()
