"""The plugin ``dsession``: what plugins read of a run that distributes, and how they stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pytest

    from remotest.compat.node import NodeManager, WorkerController
    from remotest.relay import Worker


class Interrupted(KeyboardInterrupt):
    """The run was ended before its end: by --maxfail, pytest.exit or a worker's Ctrl-C.

    pytest writes the whole name of the class into the line that a stopped run ends with. Tools look
    there for the place where ``xdist`` shows it.
    """

    __module__ = "xdist.dsession"


class DSession:
    """Shows the run under pytest-xdist's names. The controller keeps it up to date.

    Attributes:
        nodemanager: what all workers share.
        sched: the scheduler of a plugin, or a ``SchedulerView``; None before the run begins.
        queue: events that wait for the main thread; of use for its ``qsize()`` and ``empty()``.
        shuttingdown: whether the run is being stopped or over.
    """

    def __init__(
        self,
        config: pytest.Config,
        nodemanager: NodeManager,
        queue: Any,
        wake: Callable[[], None],
    ) -> None:
        self.config = config
        self.nodemanager = nodemanager
        self.queue = queue
        self.sched: Any = None
        self.shuttingdown = False
        self._wake = wake
        self._stop_reason: str | bool = False

    @property
    def shouldstop(self) -> str | bool:
        """Why the run shall stop, or False. May be set from any thread."""
        return self._stop_reason

    @shouldstop.setter
    def shouldstop(self, reason: str | bool) -> None:
        self._stop_reason = reason
        self._wake()


class SchedulerView:
    """``sched`` where remotest gives out the tests: to be read, not to be called."""

    def __init__(self, config: pytest.Config, numnodes: int, workers: Mapping[str, Worker]) -> None:
        self.config = config
        self.numnodes = numnodes
        self._workers = workers

    def _living(self) -> Iterable[Worker]:
        return (worker for worker in self._workers.values() if not worker.node.is_down)

    @property
    def nodes(self) -> list[WorkerController]:
        """The nodes of living workers."""
        return [worker.node for worker in self._living()]

    @property
    def collection(self) -> list[str] | None:
        """What the first worker has collected, or None while none has."""
        found = (list(worker.ids) for worker in self._workers.values() if worker.has_collected)
        return next(found, None)

    @property
    def collection_is_completed(self) -> bool:
        """Whether all living workers have collected."""
        return bool(self.nodes) and all(worker.has_collected for worker in self._living())

    def mark_test_pending(self, item: str) -> None:
        """Refuse: this is of use for the test of a crash, within its hook, alone."""
        raise RuntimeError(
            f"{item}: a test is run again only as the hook pytest_handlecrashitem asks for it"
        )


class CrashView:
    """``sched`` within ``pytest_handlecrashitem``: notes whether the test shall run again."""

    def __init__(self, sched: Any, crashed: str) -> None:
        self._sched = sched
        self._crashed = crashed
        self.runs_again = False

    def mark_test_pending(self, item: str) -> None:
        """Let the test run again whose worker has died."""
        if item == self._crashed:
            self.runs_again = True
        else:
            self._sched.mark_test_pending(item)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sched, name)
