"""Watches a run from outside and objects as soon as a promise is broken.

The referee sees only what passes between the machine and the world: each event that the machine
is handed, and each command that it answers with. It keeps its own books, by its own means. Each
step costs it time for what the step names, not for the size of the run.

*Work could move* to a worker when there is an item that the worker collected, that no living
worker holds, and that has not ended. After each step, once items are given out:

- a living worker that has collected, and was not told to finish, holds at least two items, or
  another one owes an answer to the order to give items back;
- where each item runs once, no worker was told to finish while work could move to it; under
  worksteal also not while another one that collected the same had more than two; in a mode with
  scopes the work may be left to a worker that has more of the scope (see ``Placement``).

So a worker is idle only while a message travels, or when nothing is left for it.

One thing it is told from behind the scenes: what workers have really begun (``really_began``),
also where no message of that came through. What had begun on a host that was lost may begin
elsewhere only once that was said of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.placement import Placement
from sim.roster import Roster

from remotest.run import commands as c
from remotest.run import events as e

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.run.plan import RunPlan
    from remotest.run.result import RunResult

Key = tuple[str, str, int]  # Environment (empty under load), node id, occurrence.


@dataclass(eq=False)
class Seat:
    """What the machine was told of a worker, and what the worker was told."""

    agent: str
    environment: str
    keys: list[Key] | None = None
    kind: int = -1
    held: dict[int, None] = field(default_factory=dict)  # In the order in which it was given them.
    begun: set[int] = field(default_factory=set)
    asked: set[int] | None = None  # What it was told to give back and has not answered.
    is_ready: bool = False
    told_to_end: bool = False


class Referee:
    """Call ``event`` before and ``commands`` after each step, and ``verdict`` at the end."""

    def __init__(self, plan: RunPlan, *, is_stealing: bool) -> None:
        self.is_each = plan.dist == "each"
        self.is_stealing = is_stealing
        self.is_strict = plan.strict_collection
        self.requeue = plan.requeue
        self.moved: set[Key] = set()
        self.begun_on: defaultdict[str, set[Key]] = defaultdict(set)  # Really, by worker.
        self.begun_on_lost: set[Key] = set()
        self.marked: set[Key] = set()
        self.placement = (
            Placement(plan.dist, lambda kind, key: kind in self.known[key])
            if plan.dist in ("loadscope", "loadfile", "loadgroup")
            else None
        )
        self.restarts_left = plan.max_worker_restart
        self.roster = Roster(plan)
        self.environments = {environment.name for environment in plan.environments}
        self.seats: dict[str, Seat] = {}
        self.names: set[str] = set()
        self.free: set[Key] = set()
        self.done: dict[Key, str | None] = {}
        self.known: dict[Key, list[int]] = {}  # The kinds of worker that collected an item.
        self.kinds: dict[tuple[str, tuple[str, ...]], int] = {}
        self.kind_of: dict[str, int] = {}  # Of every worker that ever collected.
        self.keys_by_kind: list[list[Key]] = []
        self.free_by_kind: list[int] = []
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.starving: set[str] = set()
        self.owing: set[str] = set()  # Workers that were asked to give back and did not answer.
        self.expected: set[object] = set()  # What the answer to this step must hold.
        self.is_scheduling = self.is_closed = self.is_stopped = self.is_ended = False
        self.is_refused = self.is_given_up = False
        self.end: c.EndRun | None = None

    # -- what the machine is told --------------------------------------------------------------

    def event(self, event: e.Event, now: float) -> None:
        match event:
            case e.AgentReady():
                self.roster.ready(event.agent, is_stopped=self.is_stopped)
            case e.AgentLost():
                self.agent_lost(event.agent, now)
            case e.AgentFailed():
                self.roster.failed(event, now, is_over=self.is_stopped or self.is_closed)
            case e.StopRequested():
                self.stop()
            case e.DeadlineReached() | e.ItemsAwaited() | e.ItemsTaken() | e.WorkerEnding():
                pass
            case _:
                if event.worker in self.seats:
                    self.worker_event(event.worker, self.seats[event.worker], event)

    def stop(self) -> None:
        self.is_stopped = True
        self.starving.clear()

    def agent_lost(self, agent: str, now: float) -> None:
        seats = [name for name, seat in self.seats.items() if seat.agent == agent]
        is_over = self.is_stopped or self.is_closed
        is_left = self.roster.lost(agent, now, had_workers=bool(seats), is_over=is_over)
        for name in seats:
            self.roster.cut_off.add(self.seats[name].environment)
            self.begun_on_lost |= self.begun_on[name]
            if is_left and not self.is_each and not is_over:
                self.move(name, self.seats[name])
            self.leave(name)

    def really_began(self, name: str, position: int) -> None:
        """A worker begins an item that it was given, whether anybody hears of it or not."""
        key = self.keys_by_kind[self.kind_of[name]][position]
        assert key not in self.begun_on_lost or key in self.marked, f"{key} runs twice unmarked"
        self.begun_on[name].add(key)

    def worker_event(self, name: str, seat: Seat, event: e.Event) -> None:
        match event:
            case e.WorkerReady() if not seat.is_ready:
                seat.is_ready = True
            case e.WorkerCollected() if seat.is_ready and seat.keys is None:
                self.collected(name, seat, event)
            case e.ItemStarted() if event.position in seat.held:
                seat.begun.add(event.position)
            case e.ItemFinished() if event.position in seat.held:
                self.finished(name, seat, event)
            case e.ItemsReturned() if self.owes(seat, event.positions):
                self.returned(name, seat, event.positions)
            case e.WorkerFinished() if seat.told_to_end and (self.is_stopped or not seat.held):
                for position in list(seat.held):
                    self.release(seat, position)
                self.forget(name)
            case e.WorkerFinished() | e.WorkerLost():
                self.leave(name)
            case _:
                self.expected.add(("kill", name))

    def collected(self, name: str, seat: Seat, event: e.WorkerCollected) -> None:
        ids = event.ids
        scope = seat.environment if self.is_each else ""
        seat.kind = self.kinds.setdefault((scope, ids), len(self.kinds))
        if seat.kind == len(self.keys_by_kind):
            seen: Counter[str] = Counter()
            keys: list[Key] = []
            for node_id in ids:
                keys.append((scope, node_id, seen[node_id]))
                seen[node_id] += 1
            self.keys_by_kind.append(keys)
            if self.placement is not None:
                self.placement.kind_count = len(self.kinds)
            groups = dict(event.groups)
            fresh = []
            for position, key in enumerate(keys):
                if key not in self.known:
                    self.known[key] = []
                    self.free.add(key)
                    fresh.append(key)
                    if self.placement is not None:
                        self.placement.know(key, groups.get(position))
                self.known[key].append(seat.kind)
            if self.placement is not None and self.is_scheduling:
                self.placement.put_together(fresh)
            self.free_by_kind.append(sum(key in self.free for key in keys))
        seat.keys = self.keys_by_kind[seat.kind]
        self.kind_of[name] = seat.kind
        self.weigh(name, seat)

    def finished(self, name: str, seat: Seat, event: e.ItemFinished) -> None:
        assert seat.keys is not None
        del seat.held[event.position]
        seat.begun.discard(event.position)
        if seat.asked is not None:
            seat.asked.discard(event.position)
        self.done[seat.keys[event.position]] = event.outcome
        self.begun_on[name].discard(seat.keys[event.position])
        if event.outcome is not None:
            self.counts[seat.environment][event.outcome] += 1
        self.weigh(name, seat)

    def owes(self, seat: Seat, positions: tuple[int, ...]) -> bool:
        """Whether a worker may now give these back."""
        given = set(positions)
        return (
            seat.asked is not None
            and len(given) == len(positions)
            and given <= seat.asked - seat.begun
        )

    def returned(self, name: str, seat: Seat, positions: tuple[int, ...]) -> None:
        seat.asked = None
        self.owing.remove(name)
        for position in positions:
            self.release(seat, position)
        self.weigh(name, seat)

    def move(self, name: str, seat: Seat) -> None:
        """A worker is lost with its host: what it ran may run again, and what it may have run."""
        order = list(seat.held)
        known = seat.begun.copy()
        may_run = order if seat.told_to_end else order[:-1]  # The last one waits for its successor.
        doubted = [position for position in may_run if position not in known]
        for position in sorted(known) or doubted[:1]:
            assert seat.keys is not None
            key = seat.keys[position]
            if not self.requeue or key in self.moved:
                seat.begun.add(position)
            else:
                self.moved.add(key)
                seat.begun.discard(position)
                if position in known:
                    self.marked.add(key)
                    self.expected.add(("moved item", name, key[1]))
        keys = [seat.keys[p] for p in doubted if p not in seat.begun] if seat.keys else []
        if keys:
            self.marked.update(keys)
            self.expected.add(("items in doubt", name, tuple(key[1] for key in keys)))

    def leave(self, name: str) -> None:
        """A worker is lost: what it ran must be reported, what it held is free again."""
        seat = self.seats[name]
        if self.placement is not None and seat.keys is not None:
            self.placement.put_together(seat.keys[p] for p in seat.held.keys() - seat.begun)
        for position in list(seat.held):
            if position in seat.begun:
                assert seat.keys is not None
                del seat.held[position]
                self.done[seat.keys[position]] = "failed"
                self.counts[seat.environment]["failed"] += 1
                self.expected.add(("lost item", name, seat.keys[position][1]))
            else:
                self.release(seat, position)
        self.forget(name)

    def forget(self, name: str) -> None:
        del self.seats[name]
        self.starving.discard(name)
        self.owing.discard(name)

    # -- what the machine answers --------------------------------------------------------------

    def commands(self, commands: Iterable[c.Command]) -> None:
        for command in commands:
            assert not self.is_ended, f"after the end: {command}"
            getattr(self, f"on_{type(command).__name__}")(command)
        assert not self.expected, f"unanswered: {self.expected}"
        if self.is_scheduling and not self.is_stopped and not self.owing:
            assert not self.starving, f"left with too little: {sorted(self.starving)}"

    def on_SplitEnvironment(self, command: c.SplitEnvironment) -> None:  # noqa: N802  as its class
        assert self.is_each
        self.environments.remove(command.environment)
        assert self.environments.isdisjoint(command.into)
        self.environments.update(command.into)

    def on_ConnectAgent(self, command: c.ConnectAgent) -> None:  # noqa: N802
        assert not self.is_stopped
        self.roster.connect(command)

    def on_StartWorker(self, command: c.StartWorker) -> None:  # noqa: N802
        assert not self.is_stopped
        assert command.worker not in self.names, "a name was used again"
        assert command.agent in self.roster.here, "started on a dead host"
        assert command.environment in self.environments
        self.names.add(command.worker)
        self.roster.started.add(command.agent)
        if command.replaces is not None and self.restarts_left is not None:
            self.restarts_left -= 1
            assert self.restarts_left >= 0, "replaced too many"
        self.seats[command.worker] = Seat(command.agent, command.environment)

    def on_RunItems(self, command: c.RunItems) -> None:  # noqa: N802
        assert self.is_scheduling
        assert not self.is_stopped
        assert self.is_each or not self.is_closed, "the run was to end"
        seat = self.seats[command.worker]  # KeyError: given to a dead worker.
        assert seat.keys is not None
        assert not seat.told_to_end, "given to a worker that was told to finish"
        assert command.positions
        if self.placement is not None:
            self.placement.give(command.worker, list(command.positions), self.seats)
        for position in command.positions:
            key = seat.keys[position]
            assert position >= 0
            assert key in self.free, f"{key} runs twice"
            self.free.remove(key)
            for kind in self.known[key]:
                self.free_by_kind[kind] -= 1
            seat.held[position] = None
        self.weigh(command.worker, seat)

    def on_ReclaimItems(self, command: c.ReclaimItems) -> None:  # noqa: N802
        assert self.is_stealing
        assert self.is_scheduling
        assert not self.is_stopped
        seat = self.seats[command.worker]
        assert not seat.told_to_end
        assert seat.asked is None, "asked twice at once"
        asked = set(command.positions)
        assert len(asked) == len(command.positions) > 0
        assert asked <= seat.held.keys() - seat.begun
        assert len(seat.held) - len(asked) >= 2, "left with too little"
        seat.asked = asked
        self.owing.add(command.worker)

    def on_FinishWorker(self, command: c.FinishWorker) -> None:  # noqa: N802
        seat = self.seats[command.worker]
        assert not seat.told_to_end
        seat.told_to_end = True
        self.starving.discard(command.worker)
        if not self.is_closed:
            assert self.is_scheduling
            could_move = bool(self.free_by_kind[seat.kind])
            if could_move and self.placement is not None:
                could_move = not self.placement.may_finish(command.worker, self.seats)
            if self.is_stealing:
                could_move |= any(
                    len(other.held) > 2 and other.kind == seat.kind and not other.told_to_end
                    for other in self.seats.values()
                    if other is not seat
                )
            assert not could_move, "told to finish while work could move"

    def on_StopWorker(self, command: c.StopWorker) -> None:  # noqa: N802
        assert self.is_stopped or self.is_refused
        self.seats[command.worker].told_to_end = True

    def on_InterruptWorker(self, command: c.InterruptWorker) -> None:  # noqa: N802
        assert self.seats[command.worker].told_to_end

    def on_KillWorker(self, command: c.KillWorker) -> None:  # noqa: N802
        self.expected.discard(("kill", command.worker))
        seat = self.seats[command.worker]
        if self.is_stopped and not command.reason.startswith("broken protocol"):
            for position in list(seat.held):
                self.release(seat, position)
            self.forget(command.worker)
        else:
            self.leave(command.worker)

    def on_ReportLostItem(self, command: c.ReportLostItem) -> None:  # noqa: N802
        self.expected.remove(("lost item", command.worker, command.node_id))

    def on_ReportItemMoved(self, command: c.ReportItemMoved) -> None:  # noqa: N802
        self.expected.remove(("moved item", command.worker, command.node_id))

    def on_ReportItemsInDoubt(self, command: c.ReportItemsInDoubt) -> None:  # noqa: N802
        self.expected.remove(("items in doubt", command.worker, command.node_ids))

    def on_ReportEnvironmentFailed(self, command: c.ReportEnvironmentFailed) -> None:  # noqa: N802
        assert command.environment in self.environments
        assert command.reason

    def on_ReportAgentGivenUp(self, command: c.ReportAgentGivenUp) -> None:  # noqa: N802
        # When all is over, nobody connects any more whatever was promised.
        assert command.agent in self.roster.given_up or self.is_stopped or self.is_closed
        assert command.reason

    def on_ReportTooFewHosts(self, _: c.ReportTooFewHosts) -> None:  # noqa: N802
        assert self.roster.has_too_few()
        self.is_given_up = True
        self.stop()

    def on_ReportNote(self, command: c.ReportNote) -> None:  # noqa: N802
        if "restarting disabled" in command.text or "maximum crashed" in command.text:
            self.is_closed = True

    def on_ReportSchedulingStarted(self, command: c.ReportSchedulingStarted) -> None:  # noqa: N802
        assert not self.is_scheduling
        coming_count = sum(seat.keys is None for seat in self.seats.values())
        assert command.coming_count >= coming_count
        assert coming_count < len(self.seats)
        assert not (command.coming_count and (self.is_strict or self.placement is not None))
        self.is_scheduling = True
        assert not (self.is_strict and self.gaps()), "workers differ"
        if self.placement is not None:
            self.placement.put_together(self.known)

    def on_ReportCollectionsDiffer(self, command: c.ReportCollectionsDiffer) -> None:  # noqa: N802
        assert self.is_strict
        assert self.gaps()
        assert not self.is_scheduling
        assert command.worker in self.seats or command.worker in self.names
        self.is_refused = self.is_stopped = True

    def on_EndRun(self, command: c.EndRun) -> None:  # noqa: N802
        assert not self.seats, f"ended before {sorted(self.seats)}"
        self.is_ended = True
        self.end = command

    # -- the books -----------------------------------------------------------------------------

    def gaps(self) -> bool:
        """Whether some worker has not collected everything."""
        return not self.is_each and any(len(set(k)) < len(self.known) for k in self.keys_by_kind)

    def weigh(self, name: str, seat: Seat) -> None:
        is_starving = seat.keys is not None and not seat.told_to_end and len(seat.held) < 2
        (self.starving.add if is_starving else self.starving.discard)(name)

    def release(self, seat: Seat, position: int) -> None:
        assert seat.keys is not None
        del seat.held[position]
        self.free.add(seat.keys[position])
        for kind in self.known[seat.keys[position]]:
            self.free_by_kind[kind] += 1

    def verdict(self, result: RunResult) -> None:
        """Compare the machine's own account with these books, item by item."""
        assert self.end is not None
        silent = [key for key, outcome in self.done.items() if outcome is None]
        missing = silent if self.is_stopped else [*silent, *self.free]
        assert Counter(node_id for _, node_id in result.missing) == Counter(k[1] for k in missing)
        if self.is_each:
            assert Counter(result.missing) == Counter(key[:2] for key in missing)
        assert self.end.missing == result.missing
        assert bool(result.gaps) == self.gaps()
        assert result.are_gaps_refused == self.is_refused
        assert bool(result.too_few_hosts) == self.is_given_up
        assert {trouble.agent for trouble in result.troubles} == self.roster.troubled
        assert len(self.done) + len(self.free) == len(self.known)
        assert result.not_run == (len(self.free) if self.is_stopped else 0)
        assert {env.name for env in result.environments} == self.environments
        for environment in result.environments:
            assert environment.outcomes == self.counts[environment.name]
            is_cut_off = environment.name in self.roster.cut_off
            assert not is_cut_off or environment.end in ("lost", "failed")
            assert bool(environment.reason) == (environment.end != "finished")
