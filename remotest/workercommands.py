"""Does what the run machine commands of workers: messages to them, and pytest-xdist's hooks.

Main thread only. For each command there is a handler here.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from pytest_remotest import messages
from remotest.relay import Worker
from remotest.run import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.compat.hooks import Nodes
    from remotest.driver import Driver
    from remotest.places import Places
    from remotest.reporting.terminal import TerminalReport


class WorkerCommands:
    """Starts, feeds and ends workers; those it has started are in ``workers``, by name."""

    def __init__(
        self,
        workers: dict[str, Worker],
        *,
        places: Places,
        driver: Driver,
        nodes: Nodes,
        report: TerminalReport,
        keep_orphans: bool,
    ) -> None:
        self._workers = workers
        self._places = places
        self._driver = driver
        self._nodes = nodes
        self._report = report
        self._keep_orphans = keep_orphans
        self.handlers: dict[type, Callable[[Any], None]] = {
            commands.StartWorker: self._start_worker,
            commands.RunItems: self._run_items,
            commands.ReclaimItems: self._reclaim_items,
            commands.FinishWorker: self._finish_worker,
            commands.StopWorker: self._stop_worker,
            commands.InterruptWorker: self._interrupt_worker,
            commands.KillWorker: self._kill_worker,
        }

    def _start_worker(self, command: commands.StartWorker) -> None:
        environment = self._places.environment(command.environment)
        node = self._nodes.make(
            worker=command.worker,
            environment=command.environment,
            spec=environment.spec,
            greeting=self._places.greeting(command.agent),
            worker_count=self._places.worker_count,
            finish=lambda: self._send(command.worker, messages.Finish()),
            is_replacement=command.replaces is not None,
        )
        worker = Worker(
            name=command.worker,
            agent=command.agent,
            environment=command.environment,
            node=node,
        )
        self._workers[worker.name] = worker
        self._nodes.configure(node)
        self._report.worker_started(worker.name, command.replaces)
        start = self._places.spawn_message(worker.name, environment, node.workerinput)
        keep = [messages.KeepOrphans()] if self._keep_orphans else []
        self._driver.send(worker.agent, [*keep, start])

    def _send(self, worker: str, message: Any) -> None:
        self._driver.send(self._workers[worker].agent, [message], worker)

    def _run_items(self, command: commands.RunItems) -> None:
        positions = list(command.positions)
        for start in range(0, len(positions), messages.MAX_BATCH_ITEMS):
            part = positions[start : start + messages.MAX_BATCH_ITEMS]
            self._send(command.worker, messages.RunItems(part))

    def _reclaim_items(self, command: commands.ReclaimItems) -> None:
        self._send(command.worker, messages.ReclaimItems(list(command.positions)))

    def _finish_worker(self, command: commands.FinishWorker) -> None:
        node = self._workers[command.worker].node
        if not node.is_down:
            node.finish()

    def _stop_worker(self, command: commands.StopWorker) -> None:
        self._send(command.worker, messages.StopSession(command.reason))

    def _interrupt_worker(self, command: commands.InterruptWorker) -> None:
        worker = self._workers[command.worker]
        self._driver.send(worker.agent, [messages.StopWorker(worker.name, signal.SIGINT)])

    def _kill_worker(self, command: commands.KillWorker) -> None:
        worker = self._workers[command.worker]
        worker.has_exited = True
        self._driver.send(worker.agent, [messages.StopWorker(worker.name, signal.SIGKILL)])
        self._nodes.down(worker.node, command.reason)
