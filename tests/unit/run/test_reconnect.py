"""Hosts that are lost and come again, or do not, or are not asked for any more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from runsteps import box, comes, ends, feed, in_doubt, new_machine, plan, ready, start

from remotest.run.agents import FAULTS_TO_QUARANTINE
from remotest.run.commands import (
    ConnectAgent,
    EndRun,
    FinishWorker,
    ReportAgentGivenUp,
    ReportEnvironmentFailed,
    ReportItemMoved,
    ReportLostItem,
    ReportNote,
    ReportSchedulingStarted,
    ReportTooFewHosts,
    RunItems,
    StopWorker,
)
from remotest.run.events import (
    AgentFailed,
    AgentLost,
    DeadlineReached,
    ItemStarted,
    StopRequested,
    WorkerFinished,
    WorkerLost,
)
from remotest.run.result import HostTrouble
from remotest.run.verdict import exit_code

if TYPE_CHECKING:
    from remotest.run.machine import RunMachine
    from remotest.run.plan import Environment, RunPlan

CUT = AgentLost(agent="box", reason="cut")
REFUSED = AgentFailed(agent="box", reason="refused", fault="away")
AGAIN = ReportNote(text="box: connecting again, for up to 60 s")
CONNECT = ConnectAgent(agent="box")


def asked(*environments: Environment, min_hosts: int | None = None, dist: str = "load") -> RunPlan:
    return replace(plan(*environments, dist=dist), reconnect_s=60.0, min_hosts=min_hosts)


def begun(run_plan: RunPlan, *workers: str, ids: tuple[str, ...] = ("a", "b")) -> RunMachine:
    """Return a machine at time 0 whose workers have collected."""
    machine = new_machine(run_plan)
    machine.start(0.0)
    feed(machine, *(ready(environment.agent) for environment in run_plan.environments))
    for worker in workers:
        feed(machine, *comes(worker, *ids))
    return machine


def test_the_only_host_is_waited_for_and_goes_on() -> None:
    machine = begun(asked(box(2)), "gw0", "gw1", ids=("a", "b", "c", "d"))
    feed(machine, *ends("gw0", 0), ItemStarted(worker="gw0", position=1))
    assert feed(machine, CUT, now=10.0) == [
        AGAIN,
        ReportItemMoved(worker="gw0", environment="box", node_id="b", reason="cut"),
        in_doubt("gw1", "box", "cd"),
    ]
    assert machine.next_deadline() == 11.0
    assert feed(machine, DeadlineReached(), now=11.0) == [CONNECT]
    assert machine.next_deadline() is None
    assert feed(machine, ready(), now=13.0) == [
        ReportNote(text="box: connected again, 3 s after it was lost"),
        start("gw2"),
        start("gw3"),
    ]
    assert feed(machine, *comes("gw2", "a", "b", "c", "d")) == [
        RunItems(worker="gw2", positions=(1, 2)),
    ]
    feed(machine, *comes("gw3", "a", "b", "c", "d"), *ends("gw3", 3))
    feed(machine, WorkerFinished(worker="gw3"), *ends("gw2", 1), *ends("gw2", 2))
    assert feed(machine, WorkerFinished(worker="gw2")) == [EndRun()]
    result = machine.result()
    assert result.environments[0].end == "finished"
    assert result.troubles == (
        HostTrouble(agent="box", loss_count=1, is_back=True, is_quarantined=False, reason="cut"),
    )
    assert exit_code(result, tests_failed=False) == 0


def test_a_host_that_broke_the_protocol_is_not_connected_again() -> None:
    machine = begun(asked(box()), "gw0")
    broken = AgentLost(agent="box", reason="said too much", may_return=False)
    assert feed(machine, broken, now=10.0) == [
        ReportEnvironmentFailed(environment="box", reason="said too much"),
        EndRun(missing=(("box", "a"), ("box", "b"))),
    ]
    assert machine.next_deadline() is None


@pytest.mark.parametrize(
    ("chance", "delays_s"),
    [
        (0.0, [0.5, 1.0, 2.0, 4.0, 7.5, 7.5, 7.5, 7.5, 7.5, 7.5]),
        (0.5, [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]),
    ],
)
def test_attempts_get_rarer_and_the_last_is_made_at_the_limit(
    chance: float, delays_s: list[float]
) -> None:
    machine = new_machine(asked(box()), chance=lambda: chance)
    machine.start(0.0)
    feed(machine, ready(), *comes("gw0", "a", "b"), CUT)
    now, delays = 0.0, []
    while (deadline := machine.next_deadline()) is not None:
        delays.append(deadline - now)
        now = deadline
        assert feed(machine, DeadlineReached(), now=now) == [CONNECT]
        commands = feed(machine, REFUSED, now=now)
    assert now == 60.0
    assert delays[:-1] == delays_s
    reason = f"not back 60 s after it was lost, tried {len(delays)} times; the last time: refused"
    assert commands == [
        ReportAgentGivenUp(agent="box", reason=reason),
        ReportEnvironmentFailed(environment="box", reason=reason),
        EndRun(missing=(("box", "a"), ("box", "b"))),
    ]
    assert exit_code(machine.result(), tests_failed=False) == 6


def test_what_waiting_does_not_change_is_not_tried_again() -> None:
    machine = begun(asked(box()), "gw0")
    feed(machine, CUT)
    feed(machine, DeadlineReached(), now=1.0)
    failed = AgentFailed(agent="box", reason="another host key", fault="wrong")
    assert feed(machine, failed, now=1.0)[:1] == [
        ReportAgentGivenUp(agent="box", reason="cut; then: another host key")
    ]


def test_a_host_that_is_lost_again_and_again_is_quarantined() -> None:
    machine = begun(asked(box(), box(name="other")), "gw0", "gw1", ids=tuple("abcdefgh"))
    feed(machine, ItemStarted(worker="gw1", position=2))
    for number in range(FAULTS_TO_QUARANTINE - 1):
        feed(machine, CUT, now=100.0 * number)
        feed(machine, DeadlineReached(), now=100.0 * number + 1)
        feed(machine, ready(), now=100.0 * number + 1)
    reason = "quarantined: lost or not started 4 times; the last time: cut"
    assert feed(machine, CUT, now=500.0)[:2] == [
        ReportAgentGivenUp(agent="box", reason=reason),
        ReportEnvironmentFailed(environment="box", reason=reason),
    ]
    assert feed(machine, ready(), now=501.0) == []
    assert machine.next_deadline() is None
    (trouble,) = machine.result().troubles
    assert (trouble.loss_count, trouble.is_back, trouble.is_quarantined) == (4, False, True)


def test_a_host_that_comes_back_and_does_not_start_is_quarantined() -> None:
    machine = begun(asked(box()), "gw0")
    feed(machine, CUT)
    broken = AgentFailed(agent="box", reason="no space left", fault="broken")
    commands = []
    while (deadline := machine.next_deadline()) is not None:
        commands = feed(machine, DeadlineReached(), broken, now=deadline)
    reason = "quarantined: lost or not started 4 times; the last time: no space left"
    assert commands[0] == ReportAgentGivenUp(agent="box", reason=reason)


def test_an_item_that_is_lost_with_its_host_twice_has_failed() -> None:
    machine = begun(asked(box()), "gw0", ids=("a",))
    feed(machine, ItemStarted(worker="gw0", position=0), CUT)
    feed(machine, DeadlineReached(), ready(), now=1.0)
    feed(machine, *comes("gw1", "a"), ItemStarted(worker="gw1", position=0))
    assert feed(machine, CUT, now=2.0) == [
        ReportNote(text="box: connecting again, for up to 60 s"),
        ReportLostItem(worker="gw1", environment="box", node_id="a", reason="cut"),
        ReportEnvironmentFailed(environment="box", reason="cut; not back when the run ended"),
        EndRun(),
    ]


def test_a_run_does_not_wait_for_a_host_that_it_does_not_need() -> None:
    machine = begun(asked(box(), box(name="other")), "gw0", "gw1", ids=("a", "b", "c", "d"))
    feed(machine, CUT)
    feed(machine, *comes("gw2", "a", "b", "c", "d"))
    feed(machine, *ends("gw1", 2), *ends("gw1", 3), WorkerFinished(worker="gw1"))
    assert feed(machine, *ends("gw2", 0), *ends("gw2", 1), WorkerFinished(worker="gw2")) == [
        ReportEnvironmentFailed(environment="box", reason="cut; not back when the run ended"),
        EndRun(),
    ]
    assert exit_code(machine.result(), tests_failed=False) == 6


def test_a_host_that_is_lost_before_it_is_ready_may_come_yet() -> None:
    machine = new_machine(asked(box("auto")))
    machine.start(0.0)
    assert feed(machine, CUT) == [AGAIN]
    assert feed(machine, DeadlineReached(), now=1.0) == [CONNECT]
    assert feed(machine, ready(cpu_count=2), now=2.0)[1:] == [start("gw0"), start("gw1")]
    assert feed(machine, *comes("gw0", "a"), *comes("gw1", "a")) == [
        ReportSchedulingStarted(),
        RunItems(worker="gw0", positions=(0,)),
        FinishWorker(worker="gw0"),
        FinishWorker(worker="gw1"),
    ]


def test_a_host_that_is_lost_on_its_way_back_is_tried_again_until_the_limit() -> None:
    machine = begun(asked(box()), "gw0")
    feed(machine, CUT)
    feed(machine, DeadlineReached(), now=1.0)
    assert feed(machine, CUT, now=2.0) == []
    assert machine.next_deadline() == 4.0


def test_a_host_is_not_missed_once_the_run_is_stopped() -> None:
    machine = begun(asked(box()), "gw0")
    feed(machine, CUT)
    assert feed(machine, StopRequested(reason="Ctrl-C", grace_s=10.0)) == [
        ReportEnvironmentFailed(environment="box", reason="cut; not back when the run ended"),
        EndRun(),
    ]
    assert machine.next_deadline() is None


def test_a_host_is_not_missed_once_nothing_is_given_out_any_more() -> None:
    run_plan = replace(asked(box(2)), max_worker_restart=0)
    machine = begun(run_plan, "gw0", "gw1", ids=tuple("abcdefgh"))
    feed(machine, WorkerLost(worker="gw0", reason="crash"))
    assert feed(machine, CUT)[:1] == [ReportEnvironmentFailed(environment="box", reason="cut")]


def test_under_each_a_host_is_not_connected_again() -> None:
    machine = begun(asked(box(), dist="each"), "gw0")
    assert feed(machine, CUT) == [
        ReportEnvironmentFailed(environment="box", reason="cut"),
        EndRun(missing=(("box", "a"), ("box", "b"))),
    ]


@pytest.mark.parametrize("min_hosts", [None, 1])
def test_a_host_that_the_user_can_do_without_is_no_fault(min_hosts: int | None) -> None:
    machine = new_machine(asked(box(), box(name="other"), min_hosts=min_hosts))
    machine.start(0.0)
    feed(machine, REFUSED, ready("other"), *comes("gw1", "a"))
    assert feed(machine, *ends("gw1", 0), WorkerFinished(worker="gw1")) == [EndRun()]
    result = machine.result()
    assert [(e.end, e.is_missed) for e in result.environments] == [
        ("failed", min_hosts is None),
        ("finished", True),
    ]
    assert exit_code(result, tests_failed=False) == (6 if min_hosts is None else 0)
    assert exit_code(result, tests_failed=True) == 1


def test_an_interpreter_that_is_missing_on_a_host_that_is_there_is_a_fault() -> None:
    hosts = (replace(box(name="py1"), host="box"), replace(box(name="py2"), host="box"))
    machine = new_machine(asked(*hosts, min_hosts=1))
    machine.start(0.0)
    feed(machine, AgentFailed(agent="py1", reason="not found"), ready("py2"), *comes("gw1", "a"))
    feed(machine, *ends("gw1", 0), WorkerFinished(worker="gw1"))
    result = machine.result()
    assert [(e.end, e.is_missed) for e in result.environments] == [
        ("failed", True),
        ("finished", True),
    ]
    assert exit_code(result, tests_failed=False) == 6


def test_with_fewer_hosts_than_asked_for_the_run_is_given_up() -> None:
    hosts = (box(name="one"), box(name="two"), replace(box(name="three"), host="two"))
    machine = begun(asked(*hosts, min_hosts=2), "gw0", "gw1", "gw2", ids=tuple("abcdefgh"))
    wrong = AgentFailed(agent="two", reason="no key is let in", fault="wrong")
    feed(machine, AgentLost(agent="two", reason="cut"))
    feed(machine, DeadlineReached(), wrong, now=1.0)  # One agent of the host is left.
    feed(machine, AgentLost(agent="three", reason="cut"), now=2.0)
    feed(machine, DeadlineReached(), now=3.0)
    text = "the run is given up: 1 of 2 hosts are left, and it asks for 2 (--min-hosts)"
    commands = feed(machine, replace(wrong, agent="three"), now=3.0)
    assert commands[-2:] == [
        ReportTooFewHosts(text=f"{text}\n  missing: two: cut; then: no key is let in"),
        StopWorker(worker="gw0", reason=text),
    ]
    assert feed(machine, WorkerFinished(worker="gw0")) == [EndRun()]
    result = machine.result()
    assert result.stopped_reason is None
    assert result.not_run == 8
    assert exit_code(result, tests_failed=False) == 6


def test_too_few_hosts_from_the_start_run_nothing() -> None:
    machine = new_machine(asked(box(), box(name="other"), min_hosts=2))
    machine.start(0.0)
    text = "the run is given up: 1 of 2 hosts are left, and it asks for 2 (--min-hosts)"
    assert feed(machine, REFUSED) == [
        ReportEnvironmentFailed(environment="box", reason="refused"),
        ReportTooFewHosts(text=f"{text}\n  missing: box: refused"),
        EndRun(),
    ]
    assert feed(machine, ready("other")) == []
