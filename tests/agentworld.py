"""A real agent behind a gateway, for tests that start workers under it and hear what comes."""

from __future__ import annotations

import contextlib
import queue
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gatewayworld import Recorder, Watched
from workerworld import properties

from pytest_remotest import frames, messages, supervise, values
from pytest_remotest.brief import spell_out
from remotest.bundle import read_bundle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatewayworld import World

    from remotest.gateways.link import AgentLink

SHOWN_COUNT: Final = 8
"""Of the messages before one that has not come: enough to see what came in its place."""


class Host:
    """An agent, and what it and its workers have said; ``told`` has it, with nothing in brief."""

    def __init__(
        self,
        world: World,
        python: str | Path,
        *,
        will_fork: bool = False,
        changed: Mapping[str, str] | None = None,
    ) -> None:
        """Open it; ``changed`` has the source of modules that are other ones there."""
        self.run_uid = uuid.uuid4().hex
        self._recorder = Recorder()
        self.gateway: AgentLink = world.open(
            self._recorder,
            python=python,
            bundle={**read_bundle(), **(changed or {})},
            will_fork=will_fork,
        )
        self.told: list[tuple[str | None, Any]] = []
        self._starts: dict[str | None, messages.LogStart] = {}
        self.greeting = self.wait_for(messages.Greeting)

    def send(self, *batch: Any, worker: str | None = None) -> None:
        """Say something to the agent, or to a worker."""
        self.gateway.send(frames.encode(batch, worker))

    def spawn(
        self,
        name: str,
        directory: Path,
        *arguments: str,
        way: str = "auto",
        **environment: str,
    ) -> None:
        """Start a worker."""
        self.send(
            messages.SpawnWorker(
                worker=name,
                arguments=["-p", "no:cacheprovider", f"--rootdir={directory}", *arguments],
                directory=str(directory),
                environment={
                    "PYTEST_ADDOPTS": "",
                    "PYTEST_XDIST_TESTRUNUID": self.run_uid,
                    "PYTEST_XDIST_WORKER": name,
                    **environment,
                },
                python_path=[],
                whole_path=False,
                nice=0,
                worker_input=values.pack({"workerid": name, "testrunuid": self.run_uid}),
                env_folder=None,
                overlay=[],
                extensions_folder=None,
                way=way,
            )
        )

    def wait_for(self, kind: type, worker: str | None = None) -> Any:
        """Wait for a message of a kind; of a worker, where one is named."""
        while True:
            try:
                frame = self._recorder.frame()
            except queue.Empty:
                last = [
                    *(message for _, message in self.told[-SHOWN_COUNT:]),
                    *self._recorder.reasons,
                ]
                raise AssertionError(f"no {kind.__name__} has come, but last {last}") from None
            name, batch = frames.decode(frame)
            parts = [part for message in batch for part in self._parts(name, message)]
            self.told += [(name, part) for part in parts]
            for message in parts:
                if type(message) is kind and worker in (None, name, getattr(message, "worker", "")):
                    return message

    def _parts(self, worker: str | None, message: Any) -> list[Any]:
        """Return what a message stands for: what is said in brief is spelled out."""
        if isinstance(message, messages.LogStart):
            self._starts[worker] = message
        if isinstance(message, messages.ItemPassed):
            return spell_out(self._starts[worker], message)
        return [message]

    def run(self, name: str) -> None:
        """Let a worker run all that it collects, each item once."""
        positions = list(range(len(self.ids_of(self.wait_for(messages.Collected, name)))))
        self.send(messages.RunItems(positions), messages.Finish(), worker=name)

    def ids_of(self, collected: messages.Collected) -> list[str]:
        """Return the node ids that a message has, or the one before it that it names."""
        if collected.like:
            before = self.said(collected.like)
            collected = next(m for m in before if type(m) is messages.Collected)
        return collected.ids

    def said(self, worker: str) -> list[Any]:
        """Return what a worker has said so far."""
        return [message for name, message in self.told if name == worker]

    def printed(self, worker: str) -> str:
        """Return what came of a worker's output so far."""
        outputs = [m for _, m in self.told if isinstance(m, messages.WorkerOutput)]
        return "".join(message.text for message in outputs if message.worker == worker)

    def property(self, worker: str, name: str) -> Any:
        """Let a worker run its first item and return a property that it records."""
        self.wait_for(messages.Collected, worker)
        self.send(messages.RunItems([0, 1]), worker=worker)
        self.wait_for(messages.ItemFinished, worker)
        return properties(self.said(worker))[name]

    def zygotes(self) -> list[Watched]:
        """Return the processes of this agent that wait to fork workers."""
        agent = self.greeting.info["pid"]
        children = [pid for pid, stat in supervise.stats().items() if stat.parent == agent]
        return [Watched(pid) for pid in children if _has_socket(pid)]

    def closed(self) -> list[str]:
        """Wait for the end of the link and return what is said of it."""
        return self._recorder.closed()


def _has_socket(pid: int) -> bool:
    """Return whether a process has a socket, as workers and what a test starts do not."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        # It may close what it has just imported.
        with contextlib.suppress(FileNotFoundError):
            if str(entry.readlink()).startswith("socket:"):
                return True
    return False
