"""Hosts and workers that exist only in virtual time, to play the real machine.

A ``World`` owns the clock. What is under way (a message on a link, a test that runs) lies in a
heap until its time comes. Every fake worker keeps the real worker's rule of looking ahead: it
begins an item only when it knows the next one, or was told that none comes.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from sim.referee import Referee

from remotest.run import commands as c
from remotest.run import events as e
from remotest.run.machine import RunMachine
from remotest.scheduling.estimates import Estimates
from remotest.scheduling.modes import make_scheduler
from remotest.scheduling.steal import StealScheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from sim.scenario import Host, Scenario

    from remotest.run.result import RunResult


TO_WORKERS = (
    c.RunItems,
    c.ReclaimItems,
    c.FinishWorker,
    c.StopWorker,
    c.InterruptWorker,
    c.KillWorker,
)


CAN_BE_LOST = (c.RunItems, c.ReclaimItems, c.FinishWorker, c.StopWorker)
"""Not KillWorker: it is the machine's last word of a worker."""


@dataclass(eq=False)
class FakeWorker:
    """A pytest process on a fake host."""

    name: str
    agent: str
    host: Host
    ids: tuple[str, ...]
    queue: deque[int] = field(default_factory=deque)
    running: int | None = None
    has_collected: bool = False
    awaits: bool = False
    told_to_finish: bool = False
    told_to_stop: bool = False
    hangs_at_end: bool = False
    is_ending: bool = False
    is_dead: bool = False
    boot: int = 0  # How often its host had been lost when it was started.


class World:
    """Plays one scenario. ``begun`` says on which workers, in order, each (env, id) was begun."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(scenario.seed)
        scheduler = make_scheduler(
            scenario.plan.dist,
            max_chunk=scenario.plan.max_chunk,
            reorder_scopes=scenario.plan.reorder_scopes,
            estimates=self.estimates(),
        )
        self.machine = RunMachine(scenario.plan, scheduler=scheduler, chance=self.random.random)
        is_stealing = isinstance(scheduler, StealScheduler)
        self.referee = Referee(scenario.plan, is_stealing=is_stealing)
        self.now = 0.0
        self.steps = 0
        self.workers: dict[str, FakeWorker] = {}
        self.lost_agents: set[str] = set()
        self.boots: Counter[str] = Counter()
        self.back_at_s: dict[str, float] = {}
        self.bad_starts = {name: host.bad_starts for name, host in scenario.hosts.items()}
        self.faults_seen: set[str] = set()
        self._faulty: list[tuple[str, FakeWorker]] = []
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self._groups: dict[tuple[str, ...], tuple[tuple[int, str], ...]] = {}

    def estimates(self) -> Estimates | None:
        """Return what is known of how long items take: a host is a kind of worker."""
        if self.scenario.estimates is None:
            return None
        return Estimates(self.scenario.estimates, lambda name: self.workers[name].agent)

    # -- the clock -----------------------------------------------------------------------------

    def after(self, delay_s: float, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (self.now + delay_s, self._serial, action))

    def run(self) -> RunResult:
        """Play to the end, checking each step."""
        for name, host in self.scenario.hosts.items():
            self.after(host.ready_at_s, lambda name=name, host=host: self.bring_up(name, host))
            if host.lost_at_s is not None:
                self.after(host.lost_at_s, lambda name=name: self.lose_agent(name, math.inf))
            for at_s, length_s in host.outages:
                self.after(at_s, lambda name=name, s=length_s: self.lose_agent(name, s))
        if self.scenario.stop_at_s is not None:
            stop = e.StopRequested(reason="enough", grace_s=self.scenario.stop_grace_s)
            self.after(self.scenario.stop_at_s, lambda: self.tell(stop))
        self.apply(self.machine.start(self.now))
        while not self.referee.is_ended:
            self.steps += 1
            assert self.steps < self.scenario.steps_limit, "no end in sight"
            deadline = self.machine.next_deadline()
            if deadline is not None and (not self._heap or deadline < self._heap[0][0]):
                self.now = deadline
                self.tell(e.DeadlineReached())
                continue
            assert self._heap, "everybody waits for everybody"
            self.now, _, action = heapq.heappop(self._heap)
            action()
        assert self.machine.next_deadline() is None
        result = self.machine.result()
        self.referee.verdict(result)
        return result

    def tell(self, event: e.Event) -> None:
        """Hand an event to the machine and do what it answers."""
        if isinstance(event, e.StopRequested) and self.referee.is_ended:
            return
        self.referee.event(event, self.now)
        self.apply(self.machine.handle(event, self.now))

    def apply(self, commands: list[c.Command]) -> None:
        self.referee.commands(commands)
        for command in commands:
            if isinstance(command, c.StartWorker):
                self.start_worker(command)
            elif isinstance(command, c.ConnectAgent):
                self.after(self.random.random(), lambda name=command.agent: self.connect(name))
            elif isinstance(command, TO_WORKERS):
                worker = self.workers[command.worker]
                self.after(
                    worker.host.latency_s,
                    lambda worker=worker, command=command: self.obey(worker, command),
                )

    # -- hosts ---------------------------------------------------------------------------------

    def bring_up(self, agent: str, host: Host) -> None:
        if self.boots[agent]:  # Lost on the way here: it is connected again, or not.
            return
        if host.fails:
            self.faults_seen.add("agent failed")
            self.tell(e.AgentFailed(agent=agent, reason="connection refused", fault="away"))
        else:
            self.tell(e.AgentReady(agent=agent, cpu_count=host.cpu_count))

    def lose_agent(self, agent: str, length_s: float) -> None:
        self.faults_seen.add("agent lost")
        back_at_s = self.now + length_s
        self.back_at_s[agent] = max(back_at_s, self.back_at_s.get(agent, 0.0))
        if agent in self.lost_agents:
            return
        self.lost_agents.add(agent)
        self.boots[agent] += 1  # From now on nothing arrives, in either direction.
        silence_s = self.scenario.hosts[agent].silence_s
        if silence_s:
            self.after(silence_s, lambda: self.notice_loss(agent))
        else:
            self.notice_loss(agent)

    def notice_loss(self, agent: str) -> None:
        for worker in self.workers.values():
            if worker.agent == agent:
                worker.is_dead = True
        self.tell(e.AgentLost(agent=agent, reason="connection lost"))

    def connect(self, agent: str) -> None:
        """Try to connect again to a host that was lost."""
        host = self.scenario.hosts[agent]
        if self.now < self.back_at_s[agent]:
            self.tell(e.AgentFailed(agent=agent, reason="connection refused", fault="away"))
        elif host.is_changed:
            self.tell(e.AgentFailed(agent=agent, reason="another key", fault="wrong"))
        elif self.bad_starts[agent]:
            self.bad_starts[agent] -= 1
            if self.random.random() < 0.5:
                self.tell(e.AgentFailed(agent=agent, reason="no interpreter", fault="broken"))
            else:
                self.tell(e.AgentLost(agent=agent, reason="lost on the way"))
        else:
            self.lost_agents.remove(agent)
            self.tell(e.AgentReady(agent=agent, cpu_count=host.cpu_count))

    def send(self, worker: FakeWorker, event: e.Event) -> None:
        """Send an event from a worker; it is lost with its host."""

        def arrive() -> None:
            if worker.boot == self.boots[worker.agent]:
                self.tell(event)

        self.after(worker.host.latency_s, arrive)

    # -- workers -------------------------------------------------------------------------------

    def draw(self, fault: str) -> bool:
        """Return whether a fault is to happen, by its likelihood."""
        likelihood = getattr(self.scenario.faults, fault)
        return bool(likelihood) and self.random.random() < likelihood

    def happens(self, fault: str, worker: FakeWorker) -> bool:
        """Return whether a fault happens now, by its likelihood, and take a note of it."""
        happens = self.draw(fault)
        if happens:
            self.note(fault, worker)
        return happens

    def note(self, fault: str, worker: FakeWorker) -> None:
        self.faults_seen.add(fault)
        self._faulty.append((fault, worker))

    @property
    def faults_told(self) -> set[str]:
        """What went wrong, but in workers whose hosts were lost later: it is lost with them."""
        told = {fault for fault, worker in self._faulty if worker.boot == self.boots[worker.agent]}
        return told | self.faults_seen.difference(fault for fault, _ in self._faulty)

    def start_worker(self, command: c.StartWorker) -> None:
        host = self.scenario.hosts[command.agent]
        ids = host.ids
        if host.shuffles:
            ids = tuple(self.random.sample(ids, len(ids)))
        if host.drops:
            ids = tuple(node_id for node_id in ids if self.random.random() >= host.drops)
        boot = self.boots[command.agent]
        worker = FakeWorker(command.worker, command.agent, host, ids, boot=boot)
        self.workers[command.worker] = worker
        if command.agent in self.lost_agents:  # Nobody knows yet: it is never started.
            worker.boot = -1
            return
        delay_s = host.start_s * (0.5 + self.random.random())
        if self.happens("crash_at_start", worker):
            self.after(delay_s, lambda: self.die(worker))
        elif not self.happens("hang", worker):
            self.after(delay_s, lambda: self.collect(worker))

    def collect(self, worker: FakeWorker) -> None:
        if worker.is_dead:
            return
        self.send(worker, e.WorkerReady(worker=worker.name))
        if not self.happens("hang", worker):
            delay_s = worker.host.collect_s * (0.5 + self.random.random())
            self.after(delay_s, lambda: self.announce(worker))

    def announce(self, worker: FakeWorker) -> None:
        if worker.is_dead:
            return
        worker.has_collected = True
        worker.hangs_at_end = self.draw("hang")
        groups = self.groups_of(worker) if self.scenario.plan.dist == "loadgroup" else ()
        round_trip_s = 2 * worker.host.latency_s
        self.send(
            worker,
            e.WorkerCollected(
                worker=worker.name, ids=worker.ids, groups=groups, round_trip_s=round_trip_s
            ),
        )
        if self.draw("crash_anywhere"):
            delay_s = worker.host.collect_s * self.random.random()
            self.after(delay_s, lambda: self.crash_anywhere(worker))
        self.go_on(worker)

    def groups_of(self, worker: FakeWorker) -> tuple[tuple[int, str], ...]:
        """Return the groups that a worker announces; found once for all that collect alike."""
        if worker.ids not in self._groups:
            groups = worker.host.groups
            self._groups[worker.ids] = tuple(
                (position, groups[node_id])
                for position, node_id in enumerate(worker.ids)
                if node_id in groups
            )
        return self._groups[worker.ids]

    def crash_anywhere(self, worker: FakeWorker) -> None:
        if not worker.is_dead and not worker.is_ending:
            self.note("crash_anywhere", worker)
            self.die(worker)

    def die(self, worker: FakeWorker) -> None:
        if not worker.is_dead:
            worker.is_dead = True
            self.send(worker, e.WorkerLost(worker=worker.name, reason="killed by signal 11"))

    def obey(self, worker: FakeWorker, command: c.Command) -> None:
        if worker.is_dead or worker.boot != self.boots[worker.agent]:
            return
        if isinstance(command, CAN_BE_LOST) and self.happens("lost_order", worker):
            return
        if worker.awaits and isinstance(command, c.RunItems | c.FinishWorker | c.StopWorker):
            worker.awaits = False
            self.send(worker, e.ItemsTaken(worker=worker.name))
        match command:
            case c.RunItems():
                worker.queue.extend(command.positions)
            case c.ReclaimItems():
                self.give_back(worker, command.positions)
            case c.FinishWorker():
                worker.told_to_finish = True
            case c.StopWorker():
                worker.told_to_stop = True
            case c.InterruptWorker():
                worker.running = None
            case c.KillWorker():
                self.die(worker)
        self.go_on(worker)

    def give_back(self, worker: FakeWorker, positions: tuple[int, ...]) -> None:
        """Return what is asked for, but for the next item: the worker has prepared for that."""
        returned = [position for position in list(worker.queue)[1:] if position in positions]
        for position in returned:
            worker.queue.remove(position)
        if not worker.is_ending and not self.happens("lost_order", worker):
            self.send(worker, e.ItemsReturned(worker=worker.name, positions=tuple(returned)))
            if worker.awaits:  # Said again, behind what another thread has said.
                self.send(worker, e.ItemsAwaited(worker=worker.name))

    def go_on(self, worker: FakeWorker) -> None:
        """Begin the next item, or end the session, if the worker may."""
        if worker.is_dead or worker.is_ending or not worker.has_collected:
            return
        if worker.running is not None:
            return
        is_early = bool(worker.queue) and self.happens("early_end", worker)
        if worker.told_to_stop or (worker.told_to_finish and not worker.queue) or is_early:
            worker.is_ending = True
            self.send(worker, e.WorkerEnding(worker=worker.name))
            if worker.hangs_at_end and not is_early:
                self.note("hang", worker)
            else:
                self.send(worker, e.WorkerFinished(worker=worker.name))
        elif len(worker.queue) >= (1 if worker.told_to_finish else 2):
            self.begin(worker)
        elif not worker.awaits:
            worker.awaits = True
            self.send(worker, e.ItemsAwaited(worker=worker.name))

    def begin(self, worker: FakeWorker) -> None:
        if self.happens("crash_between_items", worker):
            self.die(worker)
            return
        if self.happens("hostile", worker):
            self.send(worker, self.nonsense(worker))
        position = worker.running = worker.queue.popleft()
        self.referee.really_began(worker.name, position)
        self.send(worker, e.ItemStarted(worker=worker.name, position=position))
        duration_s = self.draw_duration_s(worker.ids[position], worker.host)
        if self.happens("crash_in_item", worker):
            self.after(duration_s / 2, lambda: self.die(worker))
        else:
            self.after(duration_s, lambda: self.finish(worker, position, duration_s))

    def draw_duration_s(self, node_id: str, host: Host) -> float:  # noqa: ARG002  for subclasses
        """Return how long an item takes."""
        duration_s = host.item_s * (0.5 + self.random.random())
        return duration_s * 100 if self.random.random() < host.slow_item_share else duration_s

    def finish(self, worker: FakeWorker, position: int, duration_s: float) -> None:
        if worker.is_dead or worker.running != position:  # Killed, or interrupted.
            return
        worker.running = None
        outcome = None if self.happens("no_outcome", worker) else "passed"
        self.send(
            worker,
            e.ItemFinished(
                worker=worker.name, position=position, outcome=outcome, duration_s=duration_s
            ),
        )
        self.go_on(worker)

    def nonsense(self, worker: FakeWorker) -> e.Event:
        position = self.random.randrange(-2, len(worker.ids) + 2)
        # Not of one that hangs before it has collected: nobody would ever wait for it in vain.
        names = [name for name, other in self.workers.items() if other.has_collected]
        name = self.random.choice([*names, "nobody"])
        return self.random.choice(
            [
                e.ItemFinished(worker=name, position=position, outcome="failed", duration_s=0.0),
                e.ItemStarted(worker=name, position=position),
                e.ItemsReturned(worker=name, positions=(position,)),
                e.WorkerReady(worker=name),
                e.WorkerCollected(worker=name, ids=worker.ids[:2]),
                e.WorkerFinished(worker=name),
                e.WorkerLost(worker=name, reason="so it says"),
            ]
        )
