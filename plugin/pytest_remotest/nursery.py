"""How an agent's workers begin: each as a new process, or forked from one that they share.

What cannot be forked is started as a new process instead: that is the same, only slower.
"""

import json
import selectors
from typing import Callable, Dict, List, Optional, Set

from pytest_remotest import processstate
from pytest_remotest.entries import to_bytes
from pytest_remotest.forkparent import ForkParent
from pytest_remotest.watch import Watch
from pytest_remotest.workerprocess import NAME_VARIABLE, WorkerProcess

NEW_WORKER = b"W"  # The request for a worker that does everything itself.


class Shared:
    """A process that workers fork from, with those that wait for it; it may turn out unfit."""

    def __init__(self, parent: Optional[ForkParent], watch: Watch) -> None:
        self.parent = parent
        self.watch = watch
        self.waiting: List[WorkerProcess] = []


class Nursery:
    """Starts workers. All its methods are called by the agent's main thread.

    ``begun`` is called with each worker once its process is there.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        begun: Callable[[WorkerProcess], None],
        new_watch: Callable[[], Watch],
    ) -> None:
        self.can_fork = False
        self._selector = selector
        self._begun = begun
        self._new_watch = new_watch
        self._shared: Dict[str, Shared] = {}

    def start(self, worker: WorkerProcess) -> None:
        """Start a worker, now or as soon as the process is ready that it forks from."""
        if not self.can_fork or worker.way == "spawn":
            self._spawn(worker)
            return
        shared = self._shared_by(worker)
        if shared.parent is None:
            self._spawn(worker)
        elif shared.parent.is_ready:
            self._fork(shared, worker)
        else:
            shared.waiting.append(worker)

    def _shared_by(self, worker: WorkerProcess) -> Shared:
        """Return what a worker forks from: workers that would begin alike share it."""
        variables = dict(worker.environment)
        del variables[NAME_VARIABLE]
        rows = [(name.hex(), value.hex()) for name, value in sorted(variables.items())]
        key = json.dumps([str(worker.python), worker.directory, rows])
        if key not in self._shared:
            try:
                parent = ForkParent.start(worker.python, to_bytes(worker.directory), variables)
            except OSError:  # Then the worker itself finds out, and tells.
                return Shared(None, self._new_watch())
            self._shared[key] = Shared(parent, self._new_watch())
            self._selector.register(parent, selectors.EVENT_READ, self._shared[key])
        return self._shared[key]

    def _spawn(self, worker: WorkerProcess) -> None:
        try:
            worker.spawn()
        except OSError as error:
            worker.fail(error)
        else:
            self._begun(worker)

    def _fork(self, shared: Shared, worker: WorkerProcess) -> None:
        assert shared.parent is not None
        try:
            worker.adopt(shared.parent.fork(NEW_WORKER, worker.child_fds))
        except OSError as error:
            # Not spawned: it may be there after all, with the same pipes.
            worker.fail(error)
            self._drop(shared)
        else:
            self._begun(worker)

    def serve(self, shared: Shared) -> None:
        """Take in what such a process says; called when there is something."""
        assert shared.parent is not None
        if shared.parent.hear():
            self._drop(shared)
        self._start_waiting(shared)

    def _start_waiting(self, shared: Shared) -> None:
        waiting, shared.waiting = shared.waiting, []
        for worker in waiting:
            if worker.status() is None:  # else it was told to stop
                self.start(worker)

    def _drop(self, shared: Shared) -> None:
        """Use a process no more, for good."""
        assert shared.parent is not None
        self._selector.unregister(shared.parent)
        shared.parent.end()
        shared.parent = None

    def look_after(self, now_s: float) -> None:
        """End such processes that are stopped while workers wait for them.

        Args:
            now_s: a time that never goes back.
        """
        awaited = {
            shared.parent.process.pid: shared
            for shared in self._shared.values()
            if shared.parent is not None and shared.waiting
        }
        for pid, state in processstate.look_at(awaited).items():
            if awaited[pid].watch.look(now_s, state) is not None:
                self._drop(awaited[pid])
                self._start_waiting(awaited[pid])

    def pids(self) -> Set[int]:
        """Return the processes that workers fork from."""
        parents = (shared.parent for shared in self._shared.values())
        return {parent.process.pid for parent in parents if parent is not None}

    def end(self) -> None:
        """End them all. Workers that wait for one never begin."""
        for shared in self._shared.values():
            if shared.parent is not None:
                self._drop(shared)
