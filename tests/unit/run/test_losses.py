"""What becomes of the items of a host that is lost, in whole answers."""

from __future__ import annotations

import pytest
from runsteps import box, comes, ends, feed, in_doubt, plan, ready, running, start

from remotest.run.commands import (
    FinishWorker,
    ReportEnvironmentFailed,
    ReportItemMoved,
    ReportItemsInDoubt,
    ReportLostItem,
    ReportNote,
    RunItems,
)
from remotest.run.events import AgentLost, Event, ItemStarted, WorkerFinished
from remotest.run.plan import RunPlan


def test_items_of_a_lost_host_go_to_another_even_if_all_there_were_finishing() -> None:
    machine = running(
        plan(box(name="one"), box(name="two")), "gw0", "gw1", ids=("a", "b", "c", "d")
    )
    feed(machine, ItemStarted(worker="gw1", position=2))
    assert feed(machine, AgentLost(agent="two", reason="cut")) == [
        ReportEnvironmentFailed(environment="two", reason="cut"),
        ReportItemMoved(worker="gw1", environment="two", node_id="c", reason="cut"),
        in_doubt("gw1", "two", "d"),
        ReportNote(text="starting 1 more on one for items of a lost host"),
        start("gw2", "one"),
    ]
    assert feed(machine, *comes("gw2", "a", "b", "c", "d")) == [
        RunItems(worker="gw2", positions=(2, 3)),
        FinishWorker(worker="gw2"),
    ]


def test_what_takes_a_second_host_down_has_failed() -> None:
    machine = running(
        plan(box(name="one"), box(name="two"), box(name="three")), "gw0", "gw1", "gw2", ids=("a",)
    )
    feed(machine, ItemStarted(worker="gw0", position=0))
    assert feed(machine, AgentLost(agent="one", reason="cut"))[:2] == [
        ReportEnvironmentFailed(environment="one", reason="cut"),
        ReportItemMoved(worker="gw0", environment="one", node_id="a", reason="cut"),
    ]
    feed(machine, *comes("gw3", "a"), ItemStarted(worker="gw3", position=0))
    assert ReportLostItem(worker="gw3", environment="two", node_id="a", reason="cut") in feed(
        machine, AgentLost(agent="two", reason="cut")
    )


@pytest.mark.parametrize(
    ("count", "said", "doubted"),
    [
        pytest.param(12, (), "a", id="the last may not begin before its successor is known"),
        pytest.param(12, (ItemStarted(worker="gw0", position=0),), "", id="none ended yet"),
        pytest.param(4, (), "ab", id="it knows that nothing follows"),
        pytest.param(4, ends("gw0", 0), "b", id="what has ended has an outcome"),
        pytest.param(48, (ItemStarted(worker="gw0", position=1),), "acde", id="what was running"),
    ],
)
def test_what_a_lost_host_may_have_begun_is_said(
    count: int, said: tuple[Event, ...], doubted: str
) -> None:
    asked = plan(box(name="one"), box(name="two"))
    machine = running(asked, "gw0", "gw1", ids=tuple("abcdefghijklmnopqrstuvwxyz" * 2)[:count])
    feed(machine, *said)
    told = feed(machine, AgentLost(agent="one", reason="cut"))
    assert [command for command in told if isinstance(command, ReportItemsInDoubt)] == [
        in_doubt("gw0", "one", doubted) for _ in range(bool(doubted))
    ]


def test_what_is_next_when_two_hosts_are_lost_has_failed() -> None:
    hosts = ("one", "two", "three")
    machine = running(plan(*(box(name=name) for name in hosts)), "gw0", "gw1", "gw2", ids=("a",))
    assert in_doubt("gw0", "one", "a") in feed(machine, AgentLost(agent="one", reason="cut"))
    feed(machine, *comes("gw3", "a"))
    assert ReportLostItem(worker="gw3", environment="two", node_id="a", reason="cut") in feed(
        machine, AgentLost(agent="two", reason="cut")
    )


def test_what_is_next_on_a_lost_host_has_failed_where_nothing_may_run_again() -> None:
    environments = tuple(box(name=name) for name in ("one", "two"))
    asked = RunPlan(environments=environments, dist="load", requeue=False)
    machine = running(asked, "gw0", "gw1", ids=tuple("abcd"))
    assert feed(machine, AgentLost(agent="one", reason="cut")) == [
        ReportEnvironmentFailed(environment="one", reason="cut"),
        ReportLostItem(worker="gw0", environment="one", node_id="a", reason="cut"),
        in_doubt("gw0", "one", "b"),
        ReportNote(text="starting 1 more on two for items of a lost host"),
        start("gw2", "two"),
    ]


@pytest.mark.parametrize(
    ("dist", "requeue", "hosts"),
    [
        pytest.param("load", False, 2, id="nobody wants it moved"),
        pytest.param("load", True, 1, id="there is no other host"),
        pytest.param("each", True, 2, id="each host runs its own"),
    ],
)
def test_what_ran_on_a_lost_host_has_failed(dist: str, requeue: bool, hosts: int) -> None:
    names = ("box", "other")[:hosts]
    environments = tuple(box(name=name) for name in names)
    asked = RunPlan(environments=environments, dist=dist, requeue=requeue)
    machine = running(asked, *(f"gw{n}" for n in range(hosts)), ids=("a", "b", "c", "d"))
    feed(machine, ItemStarted(worker="gw0", position=0))
    assert feed(machine, AgentLost(agent="box", reason="cut"))[:2] == [
        ReportEnvironmentFailed(environment="box", reason="cut"),
        ReportLostItem(worker="gw0", environment="box", node_id="a", reason="cut"),
    ]


def test_a_lost_host_is_told_once_and_stays_lost_when_its_last_words_arrive() -> None:
    machine = running(plan(box(2), box(name="two"), dist="load"), "gw0", "gw1", "gw2", ids=("a",))
    assert feed(machine, AgentLost(agent="box", reason="cut")) == [
        ReportEnvironmentFailed(environment="box", reason="cut"),
        in_doubt("gw0", "box", "a"),
        ReportNote(text="starting 1 more on two for items of a lost host"),
        start("gw3", "two"),
    ]
    assert feed(machine, *ends("gw0", 0), WorkerFinished(worker="gw0")) == []
    assert feed(machine, AgentLost(agent="box", reason="again"), ready("box")) == []
