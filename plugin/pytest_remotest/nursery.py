"""How an agent's workers begin: each as a new process, or forked from one that they share.

They share a zygote, which has imported pytest, or a collector, which has been forked from it and
has collected. Where one cannot be had, or says that it must not be forked, workers begin in the way
before it: a new process is what a fork of a zygote is, only slower; and a fork of a zygote collects
by itself.
"""

import collections
import json
import selectors
from typing import Any, Callable, Deque, Dict, List, Optional, Set

from pytest_remotest import cpus, forking, frames, messages, processstate, turns
from pytest_remotest.entries import to_bytes
from pytest_remotest.forkparent import ForkParent, control_pair
from pytest_remotest.headstart import Headstart
from pytest_remotest.pipes import write_body
from pytest_remotest.watch import Watch
from pytest_remotest.workerprocess import NAME_VARIABLE, WorkerProcess

# For a collection on behalf of others, who may say nothing before it is done: the controller gives
# a worker five minutes to begin, of which one is left for one that begins by itself.
COLLECT_S = 240.0


class Shared:
    """A process that workers fork from, with those that wait for it; None once it is of no use.

    A collector has the ``zygote`` that it was forked from.
    """

    def __init__(self, parent: Optional[ForkParent], watch: Watch) -> None:
        self.parent = parent
        self.watch = watch
        self.zygote: Optional[Shared] = None
        self.began_s: Optional[float] = None
        self.waiting: List[WorkerProcess] = []


class Nursery:
    """Starts workers. All its methods are called by the agent's main thread.

    Attributes:
        hindrance: why nothing is to be forked on this host; empty where that can be.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        begun: Callable[[WorkerProcess], None],
        say: Callable[[WorkerProcess, Any], None],
        new_watch: Callable[[], Watch],
        headstart: Optional[Headstart] = None,
    ) -> None:
        """Start nothing yet.

        Args:
            selector: has its sockets, with a ``Shared`` as data: then ``serve`` is to be called.
            begun: is called with each worker once its process is there.
            say: tells the controller something in the name of a worker.
            new_watch: returns what finds out that a process is stopped.
            headstart: what has begun already for the first that it fits.
        """
        self.hindrance = ""
        self._selector = selector
        self._begun = begun
        self._say = say
        self._new_watch = new_watch
        self._zygotes: Dict[str, Shared] = {}
        self._collectors: Dict[str, Shared] = {}
        self._told: Set[str] = set()
        self._next: Deque[WorkerProcess] = collections.deque()
        self._turns = turns.Turns(cpus.usable_count())
        self._next_hold_s = 0.0
        self._headstart = headstart
        self._early: Optional[Shared] = None
        if headstart is not None:
            self._early = Shared(headstart.parent, new_watch())
            self._selector.register(headstart.parent, selectors.EVENT_READ, self._early)

    def idle_s(self) -> Optional[float]:
        """Return for how long ``start_next`` has nothing to do; None where that is not known."""
        if not self._next:
            return None
        return 0.0 if self._turns.is_free else turns.LOOK_S

    def has_collected(self, worker: WorkerProcess) -> None:
        """Take note of a worker that needs a CPU no more than others do."""
        self._turns.give_back(worker.name)

    def start(self, worker: WorkerProcess) -> None:
        """Take in a worker that is to begin."""
        self._next.append(worker)

    def start_next(self, now_s: float) -> None:
        """Let one worker begin, now or as soon as the process is ready that it forks from.

        One at a time: each takes some 10 ms, and what the first says shall not wait for the last.

        Args:
            now_s: a time that never goes back.
        """
        if self._next and not self._turns.is_free and now_s >= self._next_hold_s:
            self._next_hold_s = now_s + turns.LOOK_S
            self._turns.hold(now_s)
        if self._next and self._turns.is_free:
            worker = self._next.popleft()
            if worker.status() is None:  # else it was told to stop
                self._start(worker)
        if not self._next:
            self._turns.nobody_waits()

    def _start(self, worker: WorkerProcess) -> None:
        if self.hindrance:
            self._tell([worker], self.hindrance)
        if self.hindrance or worker.start.way == "spawn":
            self._spawn(worker)
            return
        collects = worker.start.way == "auto"
        self._join(self._zygote_for(worker) if collects else self._collector_for(worker), worker)

    def _join(self, shared: Shared, worker: WorkerProcess) -> None:
        if shared.parent is None:
            self._spawn(worker)
        elif shared.parent.is_ready:
            self._fork(shared, worker)
        else:
            shared.waiting.append(worker)

    def _zygote_for(self, worker: WorkerProcess) -> Shared:
        """Return what workers share that begin alike."""
        variables = _common_variables(worker)
        key = _key(worker, [])
        if key not in self._zygotes:
            directory = to_bytes(worker.start.directory)
            early = self._take_early(worker, directory, variables)
            if early is not None:
                self._zygotes[key] = early
                return early
            zygote = Shared(None, self._new_watch())
            try:
                zygote.parent = ForkParent.start(worker.python, directory, variables)
            except OSError:  # Then the worker itself finds out, and tells.
                return zygote
            self._zygotes[key] = zygote
            self._selector.register(zygote.parent, selectors.EVENT_READ, zygote)
        return self._zygotes[key]

    def _take_early(
        self, worker: WorkerProcess, directory: bytes, variables: Dict[bytes, bytes]
    ) -> Optional[Shared]:
        """Return what has begun before anybody asked, if it fits who asks first; else end it."""
        early, self._early = self._early, None
        if early is None or self._headstart is None:
            return None
        if worker.python is None and self._headstart.fits(directory, variables):
            early.watch = self._new_watch()  # By now it is known what for.
            return early
        if early.parent is not None:
            self._drop(early)
        return None

    def _collector_for(self, worker: WorkerProcess) -> Shared:
        """Return what workers share that collect alike, or the zygote that has to come before it.

        Or comes in its place, where it was given up.
        """
        start = worker.start
        arguments = [text for text in start.arguments if not text.startswith("--basetemp=")]
        key = _key(worker, [arguments, start.python_path, start.whole_path, start.nice])
        collector = self._collectors.get(key)
        if collector is not None and collector.parent is not None:
            return collector
        zygote = self._zygote_for(worker)
        if collector is None and zygote.parent is not None and zygote.parent.is_ready:
            collector = self._collectors[key] = Shared(None, self._new_watch())
            self._fork_collector(worker, collector, zygote)
        return zygote if collector is None or collector.parent is None else collector

    def _fork_collector(self, worker: WorkerProcess, collector: Shared, zygote: Shared) -> None:
        """Fork a collector that begins, and prints, as one of its workers."""
        assert zygote.parent is not None
        control, its_end = control_pair()
        try:
            descriptors = [its_end.fileno(), its_end.fileno(), worker.child_fds[-1]]
            process = zygote.parent.fork(forking.COLLECTOR, descriptors)
            write_body(control.fileno(), frames.encode_body([worker.start]))
        except OSError:
            control.close()
            self._drop(zygote)
        else:
            collector.parent = ForkParent(process, control)
            collector.zygote = zygote
            self._selector.register(collector.parent, selectors.EVENT_READ, collector)
        finally:
            its_end.close()

    def _spawn(self, worker: WorkerProcess) -> None:
        try:
            worker.spawn()
        except OSError as error:
            worker.fail(error)
        else:
            self._begin(worker)

    def _begin(self, worker: WorkerProcess) -> None:
        """Take note of a worker that has a process, and collects by itself."""
        assert worker.pid is not None
        self._turns.take(worker.name, worker.pid)
        self._begun(worker)

    def _fork(self, shared: Shared, worker: WorkerProcess) -> None:
        assert shared.parent is not None
        try:
            worker.adopt(shared.parent.fork(forking.NEW_WORKER, worker.child_fds))
        except BrokenPipeError:  # It was gone before it was asked, and we had not heard yet.
            self._drop(shared)
            self._start(worker)
        except OSError as error:
            # Not spawned: it may be there after all, with the same pipes.
            worker.fail(error)
            self._drop(shared)
        else:
            if shared.zygote is None:
                self._begin(worker)
            else:
                self._begun(worker)

    def serve(self, shared: Shared) -> None:
        """Take in what such a process says; called when there is something."""
        if shared.parent is None:  # Given up for what another one has said in the same moment.
            return
        reason = shared.parent.hear()
        if reason:
            self._give_up(shared, reason)
            return
        self._start_waiting(shared)
        if shared.zygote is not None:
            self._retire(shared.zygote)

    def _retire(self, zygote: Shared) -> None:
        """End a zygote that nobody is going to need; where that is wrong another one is started.

        What it shares with a collector is in memory twice as soon as the one changes it.
        """
        if zygote.parent is not None and not zygote.waiting:
            self._drop(zygote)
            self._zygotes = {key: one for key, one in self._zygotes.items() if one is not zygote}

    def _give_up(self, shared: Shared, reason: str) -> None:
        """Use a process no more; whoever waits for it begins in another way, and the user hears."""
        self._drop(shared)
        self._tell(shared.waiting, reason)
        self._start_waiting(shared)

    def _tell(self, workers: List[WorkerProcess], reason: str) -> None:
        """Tell once why workers that were to be forked after collection are not."""
        asked_for = [worker for worker in workers if worker.start.way == "fork"]
        if asked_for and reason not in self._told:
            self._told.add(reason)
            self._say(asked_for[0], _warning(reason))

    def _start_waiting(self, shared: Shared) -> None:
        self._next.extend(shared.waiting)
        shared.waiting = []

    def _drop(self, shared: Shared) -> None:
        assert shared.parent is not None
        self._selector.unregister(shared.parent)
        shared.parent.end()
        shared.parent = None

    def look_after(self, now_s: float) -> None:
        """Give up processes that are stopped, or too slow, while workers wait for them.

        Args:
            now_s: a time that never goes back.
        """
        awaited = {
            shared.parent.process.pid: shared
            for shared in self._all()
            if shared.parent is not None and shared.waiting
        }
        for pid, state in processstate.look_at(awaited).items():
            shared = awaited[pid]
            if shared.began_s is None:
                shared.began_s = now_s
            verdict = shared.watch.look(now_s, state)
            if verdict is not None:
                self._give_up(shared, "the process %s" % verdict.words)
            elif now_s > shared.began_s + COLLECT_S:
                self._give_up(shared, "the collection took longer than %d s" % COLLECT_S)

    def _all(self) -> List[Shared]:
        early = [] if self._early is None else [self._early]
        return [*early, *self._zygotes.values(), *self._collectors.values()]

    def pids(self) -> Set[int]:
        """Return the processes that workers fork from."""
        parents = (shared.parent for shared in self._all())
        return {parent.process.pid for parent in parents if parent is not None}

    def end(self) -> None:
        """End them all. Workers that wait for one never begin."""
        for shared in self._all():
            if shared.parent is not None:
                self._drop(shared)


def _common_variables(worker: WorkerProcess) -> Dict[bytes, bytes]:
    """Return the variables of a worker without those that no other one has."""
    variables = dict(worker.environment)
    variables.pop(NAME_VARIABLE, None)
    return variables


def _key(worker: WorkerProcess, more: List[Any]) -> str:
    """Return what is the same for workers that begin alike, and differs for others."""
    variables = sorted(_common_variables(worker).items())
    rows = [(name.hex(), value.hex()) for name, value in variables]
    return json.dumps([str(worker.python), worker.start.directory, rows, *more])


def _warning(reason: str) -> messages.WarningRecorded:
    """Return what the user hears where ``--workers=fork`` was asked for and cannot be."""
    return messages.WarningRecorded(
        category="RuntimeWarning",
        category_module="builtins",
        text="--workers=fork: each worker collects by itself, as a fork would share what it must "
        "not: %s" % reason,
        filename="remotest",
        line=0,
        when="collect",
        node_id="",
        location=None,
    )
