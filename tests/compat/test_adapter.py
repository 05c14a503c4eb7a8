"""Schedulers in pytest-xdist's protocol lose and double nothing, whatever happens to workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sim.scenario import Faults, Host, Scenario
from sim.world import World

from remotest.compat.adapter import AdaptedScheduler, BadScheduleError
from remotest.compat.node import InterpreterInfo, NodeGateway, NodeManager, WorkerController
from remotest.compat.scheduling import EachScheduling, LoadScheduling, WorkStealingScheduling
from remotest.compat.scopes import LoadFileScheduling, LoadGroupScheduling, LoadScopeScheduling
from remotest.run.commands import FinishWorker, ReclaimItems, RunItems
from remotest.run.machine import RunMachine
from remotest.run.plan import Environment, RunPlan
from remotest.scheduling.catalogue import Catalogue

IDS = tuple(f"test_{number // 7}.py::test_{number}" for number in range(210))
WORKER_COUNT = 6

CRASHES = Faults(crash_in_item=0.02, crash_between_items=0.01)
TROUBLE = Faults(crash_in_item=0.02, crash_anywhere=0.2, crash_at_start=0.1, hostile=0.02)


class Ids(LoadScopeScheduling):
    """Subclassed as most in the wild are."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid[-1]


class DuckTyped:
    """Shares nothing with pytest-xdist's classes: one test after the other for each node."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.waiting: list[str] = []
        self.held: dict[WorkerController, list[int]] = {}
        self.ids: dict[WorkerController, list[str]] = {}
        self.began = False

    @property
    def nodes(self) -> list[WorkerController]:
        return list(self.held)

    @property
    def collection_is_completed(self) -> bool:
        return True

    @property
    def tests_finished(self) -> bool:
        return self.began and not self.waiting

    @property
    def has_pending(self) -> bool:
        return bool(self.waiting) or any(self.held.values())

    def add_node(self, node: WorkerController) -> None:
        self.held[node] = []

    def add_node_collection(self, node: WorkerController, collection: list[str]) -> None:
        self.ids[node] = collection

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        del duration
        self.held[node].remove(item_index)
        self.fill(node)

    def mark_test_pending(self, item: str) -> None:
        self.waiting.append(item)
        self.schedule()

    def remove_node(self, node: WorkerController) -> str | None:
        names = [self.ids[node][position] for position in self.held.pop(node)]
        self.waiting += names[1:]
        self.schedule()
        return names[0] if names else None

    def fill(self, node: WorkerController) -> None:
        while self.waiting and len(self.held[node]) < 2 and not node.shutting_down:
            position = self.ids[node].index(self.waiting.pop())
            self.held[node].append(position)
            node.send_runtest_some([position])

    def schedule(self) -> None:
        if not self.began:
            self.began = True
            self.waiting = list(next(iter(self.ids.values())))
        for node in self.nodes:
            self.fill(node)


def fake_config() -> Any:
    """Return what schedulers read of pytest's config."""
    option = SimpleNamespace(tx=["popen"], maxschedchunk=None, loadscopereorder=True, debug=False)
    return SimpleNamespace(option=option, getoption=lambda name: getattr(option, name))


class Nodes:
    """Makes the node of a worker when it is first asked for."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.manager = NodeManager(config=config, testrunuid="run")
        self.made: dict[str, WorkerController] = {}

    def __call__(self, name: str) -> WorkerController:
        if name not in self.made:
            info = InterpreterInfo(
                executable="python", version_info=(3, 11), platform="linux", cwd="/", pid=1
            )
            self.made[name] = WorkerController(
                config=self.config,
                gateway=NodeGateway(id=name, spec="popen", info=info),
                nodemanager=self.manager,
                workerinput={},
                environment=name,
                finish=lambda: None,
            )
        return self.made[name]


def adapted(scheduler: type[Any], *, is_each: bool = False) -> tuple[AdaptedScheduler, Any]:
    config = fake_config()
    theirs = scheduler(config)
    return AdaptedScheduler(theirs, node_of=Nodes(config), is_each=is_each), theirs


def play(scheduler: type[Any], faults: Faults, seed: int) -> World:
    """Play a whole run, in which 40 workers may be replaced."""
    plan = RunPlan(
        environments=(Environment(name="box", agent="box", count=WORKER_COUNT),),
        dist="worksteal" if scheduler is WorkStealingScheduling else "load",
        max_worker_restart=40,
    )
    world = World(Scenario(plan=plan, hosts={"box": Host(ids=IDS)}, faults=faults, seed=seed))
    ours, _ = adapted(scheduler)
    world.machine = RunMachine(plan, scheduler=ours)
    world.run()
    return world


SHARING = [LoadScheduling, LoadScopeScheduling, LoadFileScheduling, Ids, WorkStealingScheduling]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("scheduler", [*SHARING, DuckTyped])
def test_every_item_runs_once_although_workers_crash(scheduler: type[Any], seed: int) -> None:
    world = play(scheduler, CRASHES, seed)
    assert world.machine.result().missing == ()
    assert len(world.referee.done) == len(IDS)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("scheduler", [*SHARING, DuckTyped])
def test_there_is_an_end_whatever_workers_do(scheduler: type[Any], seed: int) -> None:
    """The referee checks each step; a missing item is a red run, and a hang fails."""
    play(scheduler, TROUBLE, seed)


def test_scopes_stay_on_one_worker_without_crashes() -> None:
    ours, theirs = adapted(LoadFileScheduling)
    collection = Catalogue().enter(("a.py::x", "b.py::x", "a.py::y", "b.py::y"))
    ours.add_worker("gw0", collection)
    ours.add_worker("gw1", collection)
    assert ours.start() == [
        RunItems(worker="gw0", positions=(0, 2)),
        RunItems(worker="gw1", positions=(1, 3)),
        FinishWorker(worker="gw0"),
        FinishWorker(worker="gw1"),
    ]
    assert [list(work) for work in theirs.assigned_work.values()] == [["a.py"], ["b.py"]]


def test_a_steal_becomes_a_request_and_its_answer_moves_items() -> None:
    ours, _ = adapted(WorkStealingScheduling)
    collection = Catalogue().enter(tuple(f"t.py::t{number}" for number in range(12)))
    ours.add_worker("gw0", collection)
    ours.add_worker("gw1", collection)
    assert ours.start() == [
        RunItems(worker="gw0", positions=(0, 1, 2, 3, 4, 5)),
        RunItems(worker="gw1", positions=(6, 7, 8, 9, 10, 11)),
    ]
    commands = [
        command
        for position in range(5)
        for command in ours.finish_item("gw0", position, duration_s=0.1)
    ]
    assert commands == [ReclaimItems(worker="gw1", positions=(9, 10, 11))]
    assert ours.has_asked("gw1", (10, 11))
    assert ours.return_items("gw1", (10, 11)) == [RunItems(worker="gw0", positions=(10, 11))]
    assert not ours.has_asked("gw1", ())


def test_each_gives_every_item_to_every_worker() -> None:
    ours, _ = adapted(EachScheduling, is_each=True)
    collection = Catalogue().enter(("a", "b"))
    ours.add_worker("gw0", collection)
    ours.add_worker("gw1", collection)
    assert ours.start() == [
        RunItems(worker="gw0", positions=(0, 1)),
        FinishWorker(worker="gw0"),
        RunItems(worker="gw1", positions=(0, 1)),
        FinishWorker(worker="gw1"),
    ]


def test_groups_are_told_as_pytest_xdist_tells_them() -> None:
    ours, theirs = adapted(LoadGroupScheduling)
    collection = Catalogue().enter(("t.py::a", "t.py::b", "t.py::c"), ((0, "g"), (2, "g")))
    ours.add_worker("gw0", collection)
    ours.add_worker("gw1", collection)
    assert ours.start()[:2] == [
        RunItems(worker="gw0", positions=(0, 2)),
        RunItems(worker="gw1", positions=(1,)),
    ]
    assert theirs.collection == ["t.py::a@g", "t.py::b", "t.py::c@g"]


class Stingy(DuckTyped):
    def fill(self, node: WorkerController) -> None:
        """Give nobody anything."""


def test_a_scheduler_that_gives_nothing_does_not_let_workers_wait() -> None:
    ours, _ = adapted(Stingy)
    ours.add_worker("gw0", Catalogue().enter(("a", "b")))
    assert ours.start() == [FinishWorker(worker="gw0")]


class Lavish(DuckTyped):
    def fill(self, node: WorkerController) -> None:
        """Give everybody everything."""
        node.send_runtest_all()


def test_an_item_given_twice_is_refused_with_what_to_write() -> None:
    ours, _ = adapted(Lavish)
    collection = Catalogue().enter(("a.py::x", "a.py::y"))
    ours.add_worker("gw0", collection)
    ours.add_worker("gw1", collection)
    with pytest.raises(BadScheduleError) as refusal:
        ours.start()
    assert str(refusal.value) == (
        "the scheduler Lavish is wrong: a.py::x goes to gw1 and was given out before "
        "(to run every test on every worker use --dist=each)"
    )


def test_a_position_that_is_not_there_is_refused() -> None:
    ours, theirs = adapted(LoadScheduling)
    ours.add_worker("gw0", Catalogue().enter(("a", "b", "c")))
    ours.start()
    with pytest.raises(BadScheduleError, match="gw0 has not collected an item 3"):
        theirs.nodes[0].send_runtest_some([3])


def test_an_item_that_shall_run_again_goes_to_another_worker() -> None:
    """As when a plugin asks for it: it is then none of those that have begun for good."""
    ours, _ = adapted(LoadScheduling)
    collection = Catalogue().enter(tuple("abcdefgh"))
    ours.add_worker("gw0", collection)
    ours.add_worker("gw1", collection)
    assert ours.start() == [
        RunItems(worker="gw0", positions=(0, 1)),
        RunItems(worker="gw1", positions=(2, 3)),
    ]
    ours.remove_worker("gw0", begun=frozenset())
    ran: list[int] = []
    position = 2
    while ours.held_count("gw1"):
        for command in ours.finish_item("gw1", position, duration_s=0.0):
            ran += command.positions if isinstance(command, RunItems) else ()
        held = [place for place in range(8) if ours.holds("gw1", place)]
        position = held[0] if held else -1
    assert sorted(ran) == [0, 1, 4, 5, 6, 7]
