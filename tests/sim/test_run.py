"""The run machine and its schedulers against simulated hosts, checked after each step."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sim.scenario import Faults, Host, Scenario
from sim.world import World

from remotest.run.agents import FAULTS_TO_QUARANTINE
from remotest.run.deadlines import ORDER_TIMEOUT_S
from remotest.run.plan import Environment, RunPlan
from remotest.run.verdict import exit_code

CALM = Faults()
CRASHES = Faults(crash_in_item=0.01, crash_between_items=0.001)


MODES = ("load", "loadscope", "loadfile", "loadgroup", "worksteal")
BY_DURATION = "load by duration"


def node_ids(count: int) -> tuple[str, ...]:
    """Return ids in files of up to 79, every third one of them in a class."""
    return tuple(
        f"tests/test_{number * number // 250 % 500}.py"
        f"{'::TestIt' if number % 3 == 0 else ''}::test_{number}"
        for number in range(count)
    )


def groups_of(ids: tuple[str, ...]) -> dict[str, str]:
    """Return an ``xdist_group`` for every fourth id."""
    return {node_id: f"g{number % 28}" for number, node_id in enumerate(ids) if number % 4 == 0}


def durations_of(ids: tuple[str, ...]) -> dict[str, float]:
    """Return what all but every seventh id took before: up to 5 s, most of them far less."""
    return {node_id: 0.005 * n**3 / 1000 for n, node_id in zip(cycle(range(100)), ids) if n % 7}


def one_host(
    worker_count: int,
    item_count: int,
    *,
    dist: str = "load",
    faults: Faults = CALM,
    seed: int = 0,
) -> Scenario:
    if dist != "each":
        environments = (Environment(name="box", agent="box", count=worker_count),)
    else:
        environments = tuple(
            Environment(name=f"box-{number}", agent="box") for number in range(worker_count)
        )
    ids = node_ids(item_count)
    return Scenario(
        plan=RunPlan(environments=environments, dist=dist.removesuffix(" by duration")),
        hosts={"box": Host(ids=ids, groups=groups_of(ids))},
        faults=faults,
        seed=seed,
        estimates={"box": durations_of(ids)} if dist == BY_DURATION else None,
        steps_limit=20 * item_count * (1 if dist != "each" else worker_count) + 1000 * worker_count,
    )


@pytest.mark.parametrize("dist", [*MODES, BY_DURATION])
@pytest.mark.parametrize("faults", [CALM, CRASHES], ids=["calm", "crashes"])
def test_500_workers_run_20000_items(faults: Faults, dist: str) -> None:
    world = World(one_host(500, 20_000, dist=dist, faults=faults))
    result = world.run()
    assert result.missing == ()
    assert len(world.referee.done) == 20_000


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("dist", [*MODES, BY_DURATION])
@pytest.mark.parametrize("faults", [CALM, CRASHES], ids=["calm", "crashes"])
def test_5000_workers_run_200000_items(faults: Faults, dist: str) -> None:
    world = World(one_host(5_000, 200_000, dist=dist, faults=faults))
    result = world.run()
    assert result.missing == ()
    assert len(world.referee.done) == 200_000


def test_each_of_50_environments_runs_2000_items() -> None:
    world = World(one_host(50, 2_000, dist="each", faults=Faults(crash_in_item=0.001)))
    result = world.run()
    assert result.missing == ()
    assert [sum(env.outcomes.values()) for env in result.environments] == [2_000] * 50


@pytest.mark.parametrize("dist", [*MODES, BY_DURATION])
@pytest.mark.parametrize("lost_at_s", [3.0 + number / 10 for number in range(40)])
def test_a_host_may_be_lost_at_any_time(lost_at_s: float, dist: str) -> None:
    host = Host(ids=node_ids(40), item_s=0.1, slow_item_share=0.0)
    scenario = Scenario(
        plan=RunPlan(
            environments=tuple(Environment(name=a, agent=a, count=4) for a in ("stays", "goes")),
            dist=dist.removesuffix(" by duration"),
        ),
        hosts={"stays": host, "goes": replace(host, lost_at_s=lost_at_s, item_s=0.2)},
        estimates={"stays": durations_of(host.ids)} if dist == BY_DURATION else None,
    )
    assert World(scenario).run().missing == ()


@pytest.mark.parametrize("dist", MODES)
@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("lost_at_s", [0.5 + number / 4 for number in range(24)])
def test_a_host_that_comes_back_leaves_no_trace(lost_at_s: float, others: int, dist: str) -> None:
    host = Host(ids=node_ids(40), item_s=0.1, slow_item_share=0.0, outages=((lost_at_s, 2.0),))
    names = ("goes", "stays")[: 1 + others]
    scenario = Scenario(
        plan=RunPlan(
            environments=tuple(Environment(name=a, agent=a, count=2) for a in names),
            dist=dist,
            reconnect_s=20.0,
        ),
        hosts={"goes": host, "stays": replace(host, outages=(), item_s=2.0)},
    )
    if not others:
        del scenario.hosts["stays"]
    world = World(scenario)
    result = world.run()
    assert result.missing == ()
    assert set(world.referee.done.values()) == {"passed"}
    assert exit_code(result, tests_failed=False) == 0


@pytest.mark.parametrize("dist", [*MODES, "each"])
@pytest.mark.parametrize(
    "host",
    [
        pytest.param(Host(lost_at_s=4.0), id="gone for good"),
        pytest.param(Host(outages=((4.0, 1.0),), is_changed=True), id="back as another"),
        pytest.param(Host(outages=((4.0, 1.0),), bad_starts=9), id="back and broken"),
        pytest.param(Host(outages=tuple((at_s, 0.1) for at_s in range(4, 400, 8))), id="flapping"),
    ],
)
def test_a_host_that_does_not_come_back_is_waited_for_and_no_longer(host: Host, dist: str) -> None:
    ids = node_ids(200)
    scenario = Scenario(
        plan=RunPlan(
            environments=(Environment(name="box", agent="box"),), dist=dist, reconnect_s=60.0
        ),
        hosts={"box": replace(host, ids=ids, item_s=2.0, slow_item_share=0.0)},
    )
    world = World(scenario)
    result = world.run()
    assert result.missing
    assert exit_code(result, tests_failed=False) == 6
    assert world.now < 4.0 + FAULTS_TO_QUARANTINE * 60.0


@pytest.mark.parametrize("dist", [*MODES, BY_DURATION, "each"])
@pytest.mark.parametrize("likelihood", [0.2, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_orders_that_are_lost_cost_their_workers_and_no_item(
    seed: int, likelihood: float, dist: str
) -> None:
    scenario = one_host(4, 200, dist=dist, faults=Faults(lost_order=likelihood), seed=seed)
    world = World(replace(scenario, plan=replace(scenario.plan, max_worker_restart=1000)))
    result = world.run()
    assert result.missing == ()
    assert set(world.referee.done.values()) == {"passed"}
    assert "lost_order" in world.faults_seen
    words = (f"told {ORDER_TIMEOUT_S:g} s ago what to do, ", "it ended its session with ")
    assert all(loss.reason.startswith(words) for loss in result.losses)
    assert exit_code(result, tests_failed=False) == (6 if result.losses else 0)


SMALL_IDS = tuple(
    f"test_{number % 4}.py{'::TestIt' if number % 8 < 4 else ''}::test_{number}"
    for number in range(16)
)
GROUPS = groups_of(SMALL_IDS)
durations = st.dictionaries(st.sampled_from(SMALL_IDS), st.sampled_from([0.0, 0.001, 0.3, 30.0]))
estimates = st.none() | st.dictionaries(st.sampled_from(["host0", "host1", "elsewhere"]), durations)
likelihoods = st.sampled_from([0.0, 0.02, 0.2, 0.7])
hosts = st.builds(
    Host,
    cpu_count=st.integers(1, 4),
    latency_s=st.sampled_from([0.0, 0.01, 1.0]),
    ready_at_s=st.sampled_from([0.0, 1.0, 5.0]),
    fails=st.sampled_from([False] * 7 + [True]),
    lost_at_s=st.sampled_from([None] * 2 + [0.5, 3.0, 4.5, 10.0, 30.0]),
    outages=st.lists(
        st.tuples(
            st.integers(0, 80).map(lambda half_s: half_s / 2),
            st.sampled_from([0.0, 0.7, 3.0, 30.0]),
        ),
        max_size=6,
    ).map(tuple),
    bad_starts=st.sampled_from([0, 0, 0, 1, 5]),
    is_changed=st.sampled_from([False] * 5 + [True]),
    ids=st.lists(st.sampled_from(SMALL_IDS), max_size=40).map(tuple),
    silence_s=st.sampled_from([0.0, 0.0, 1.0, 30.0]),
    shuffles=st.booleans(),
    drops=st.sampled_from([0.0, 0.0, 0.3]),
    start_s=st.sampled_from([0.0, 1.0, 20.0]),
    item_s=st.sampled_from([0.001, 0.3]),
)
fault_mixes = st.one_of(
    st.just(CALM),
    st.builds(Faults, crash_in_item=likelihoods, crash_between_items=likelihoods),
    st.builds(Faults, lost_order=likelihoods, crash_in_item=likelihoods, hang=likelihoods),
    st.builds(
        Faults,
        crash_in_item=likelihoods,
        crash_between_items=likelihoods,
        crash_at_start=likelihoods,
        crash_anywhere=likelihoods,
        hang=likelihoods,
        early_end=likelihoods,
        no_outcome=likelihoods,
        hostile=likelihoods,
    ),
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Up to 3 hosts with up to 2 environments each, all with collections of their own."""
    dist = draw(st.sampled_from([*MODES, "each"]))
    by_agent = {f"host{n}": draw(hosts) for n in range(draw(st.integers(1, 3)))}
    if draw(st.booleans()):  # The usual case: the same code everywhere.
        ids = node_ids(draw(st.integers(0, 40)))
        by_agent = {name: replace(host, ids=ids) for name, host in by_agent.items()}
    by_agent = {name: replace(host, groups=GROUPS) for name, host in by_agent.items()}
    counts = st.just("auto") | (st.integers(1, 4) if dist != "each" else st.just(1))
    environments = tuple(
        Environment(name=f"{agent}/{n}", agent=agent, count=draw(counts))
        for agent in by_agent
        for n in range(draw(st.integers(1, 2)))
    )
    return Scenario(
        plan=RunPlan(
            environments=environments,
            dist=dist,
            max_worker_restart=draw(st.sampled_from([None, None, 0, 1, 3])),
            max_chunk=draw(st.sampled_from([None, None, 1, 3])),
            reorder_scopes=draw(st.booleans()),
            strict_collection=draw(st.sampled_from([False] * 5 + [True])),
            requeue=draw(st.booleans()),
            reconnect_s=draw(st.sampled_from([0.0, 2.0, 60.0])),
            min_hosts=draw(st.sampled_from([None, None, 1, 2])),
            slow_start_s=draw(st.sampled_from([None, 2.0])),
        ),
        hosts=by_agent,
        faults=draw(fault_mixes),
        seed=draw(st.integers(0, 2**32)),
        stop_at_s=draw(st.none() | st.integers(1, 40)),
        stop_grace_s=draw(st.sampled_from([None, 0.0, 5.0])),
        estimates=draw(estimates),
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(scenarios())
def test_the_promises_hold_whatever_happens(scenario: Scenario) -> None:
    world = World(scenario)
    result = world.run()
    is_red = exit_code(result, tests_failed="failed" in world.referee.done.values()) != 0
    # A host may go after its work is done, or with a worker; and some nonsense makes sense.
    troubles = world.faults_told - {"agent lost", "lost_order", "hostile"}
    if scenario.plan.min_hosts is not None and scenario.plan.dist != "each":
        troubles.discard("agent failed")  # The user may be able to do without.
    if result.too_few_hosts:
        assert is_red
    if troubles or result.missing or not world.referee.known:
        assert is_red
    if not world.faults_seen and scenario.stop_at_s is None:
        assert result.missing == ()
        assert is_red == (not world.referee.known or result.are_gaps_refused)
    crashes_only = {"crash_in_item", "crash_between_items", "crash_anywhere", "lost_order"}
    keep_all = not any(host.drops for host in scenario.hosts.values())
    if world.faults_seen <= crashes_only and keep_all and not world.referee.is_closed:
        assert result.missing == ()
    if world.faults_seen <= crashes_only | {"agent failed", "agent lost"} and can_lose_a_host(
        world
    ):
        assert result.missing == ()


def can_lose_a_host(world: World) -> bool:
    """Whether another host was there to the end that could run everything."""
    hosts = world.scenario.hosts.values()
    return (
        world.scenario.plan.dist != "each"
        and not world.referee.is_closed
        and not world.referee.is_given_up
        and len({host.ids for host in hosts}) == 1
        and not any(host.drops for host in hosts)
        and any(not host.fails and host.lost_at_s is None and not host.outages for host in hosts)
    )
