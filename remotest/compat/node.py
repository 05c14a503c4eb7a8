"""The object that plugins know as a *node*: one worker as pytest-xdist shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pytest


@dataclass(frozen=True, kw_only=True)
class InterpreterInfo:
    """What ``gateway._rinfo()`` answers, with execnet's field names."""

    executable: str
    version_info: tuple[int | str, ...]
    platform: str
    cwd: str
    pid: int


def interpreter_info(greeting: Mapping[str, Any]) -> InterpreterInfo:
    """Return what an agent's greeting says of its interpreter, forced to the right types."""
    numbers, pid = greeting.get("version_info"), greeting.get("pid")
    return InterpreterInfo(
        executable=str(greeting.get("executable")),
        version_info=tuple(
            part if isinstance(part, int) else str(part)
            for part in (numbers if isinstance(numbers, list) else ())
        ),
        platform=str(greeting.get("sysplatform")),
        cwd=str(greeting.get("cwd")),
        pid=pid if isinstance(pid, int) else 0,
    )


@dataclass(eq=False)
class NodeGateway:
    """``node.gateway``: the id, the spec as execnet's XSpec, the interpreter."""

    id: str
    spec: Any
    info: InterpreterInfo

    def _rinfo(self, update: bool = False) -> InterpreterInfo:  # noqa: ARG002  execnet's signature
        return self.info

    def __repr__(self) -> str:
        return f"<Gateway id={self.id!r}>"


@dataclass(eq=False)
class NodeManager:
    """``node.nodemanager``: what all workers of the run share."""

    EXIT_TIMEOUT: ClassVar[float] = 10
    """Seconds from the end of a worker's session to the end of its process. Plugins change it."""

    config: pytest.Config
    testrunuid: str
    roots: list[Path] = field(default_factory=list)
    specs: list[Any] = field(default_factory=list)


class WorkerInfo(TypedDict):
    """``node.workerinfo``."""

    version: str
    version_info: tuple[int, int, int, str, int]
    sysplatform: str
    platform: str
    executable: str
    cwd: str
    id: str
    spec: Any


class Orders(Protocol):
    """Takes what a scheduler of somebody else commands a node to do."""

    def run(self, worker: str, positions: Sequence[int]) -> None:
        """Let a worker run items of its collection after those that it holds."""

    def run_all(self, worker: str) -> None:
        """Let a worker run its whole collection."""

    def steal(self, worker: str, positions: Sequence[int]) -> None:
        """Ask a worker to give up items that it has not begun."""

    def finish(self, worker: str) -> None:
        """Let a worker run what it holds and end."""


class WorkerController:
    """``node``: one worker, in every hook that has one.

    ``workerinput`` may be filled until the worker starts; ``workerinfo`` is there once it is
    ready; ``workeroutput`` once it has ended in order, and absent after a crash. ``orders`` are
    there where a scheduler of a plugin gives out the tests.
    """

    workerinfo: dict[str, Any]
    workeroutput: dict[str, Any]

    def __init__(
        self,
        *,
        config: pytest.Config,
        gateway: NodeGateway,
        nodemanager: NodeManager,
        workerinput: dict[str, Any],
        environment: str,
        finish: Callable[[], None],
    ) -> None:
        self.config = config
        self.gateway = gateway
        self.nodemanager = nodemanager
        self.workerinput = workerinput
        self.environment = environment
        self.orders: Orders | None = None
        self.is_down = False
        self._finish = finish
        self._is_finishing = False

    @property
    def shutting_down(self) -> bool:
        """Whether the worker has ended or was told to."""
        return self.is_down or self._is_finishing

    def shutdown(self) -> None:
        """Let the worker run its queue empty and end."""
        if self.shutting_down:
            return
        if self.orders is None:
            self.finish()
        else:
            self._is_finishing = True
            self.orders.finish(self.gateway.id)

    def finish(self) -> None:
        """Tell the worker's process to run its queue empty and end."""
        self._is_finishing = True
        self._finish()

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Let the worker run these tests of its collection after those that it has."""
        self._take_orders().run(self.gateway.id, indices)

    def send_runtest_all(self) -> None:
        """Let the worker run all that it has collected."""
        self._take_orders().run_all(self.gateway.id)

    def send_steal(self, indices: Sequence[int]) -> None:
        """Ask the worker to give up those of these tests that it has not begun."""
        self._take_orders().steal(self.gateway.id, indices)

    def _take_orders(self) -> Orders:
        if self.orders is None:
            raise RuntimeError(
                f"{self}: remotest gives out the tests of this run; to do it yourself return a "
                "scheduler from the hook pytest_xdist_make_scheduler"
            )
        return self.orders

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.gateway.id}>"
