"""What the user hears while a host holds the start of a run up."""

from __future__ import annotations

from dataclasses import replace

from runsteps import box, comes, feed, new_machine, plan, ready

from remotest.run.commands import ReportNote
from remotest.run.events import AgentFailed, DeadlineReached, WorkerCollected, WorkerReady


def test_whom_a_run_waits_for_is_told_until_tests_are_given_out() -> None:
    machine = new_machine(replace(plan(box(6), box(name="slow")), slow_start_s=30.0))
    machine.start(0.0)
    feed(machine, ready(), *(e for n in range(5) for e in comes(f"gw{n}", "a", "b")), now=1.0)
    assert machine.next_deadline() == 30.0
    assert feed(machine, DeadlineReached(), now=30.0) == [
        ReportNote(text="still waiting for slow, which is not ready; box (gw5 starting)")
    ]
    feed(machine, WorkerReady(worker="gw5"), now=40.0)
    assert machine.next_deadline() == 90.0
    assert feed(machine, DeadlineReached(), now=90.0) == [
        ReportNote(text="still waiting for slow, which is not ready; box (gw5 collecting)")
    ]
    feed(machine, AgentFailed(agent="slow", reason="refused"), now=100.0)
    feed(machine, WorkerCollected(worker="gw5", ids=("a", "b")), now=100.0)
    assert feed(machine, DeadlineReached(), now=210.0) == []
