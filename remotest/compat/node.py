"""The object that plugins know as a *node*: one worker as pytest-xdist shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pytest


@dataclass(frozen=True, kw_only=True)
class InterpreterInfo:
    """What ``gateway._rinfo()`` answers, with execnet's field names."""

    executable: str
    version_info: tuple[int, ...]
    platform: str
    cwd: str
    pid: int


def interpreter_info(greeting: Mapping[str, Any]) -> InterpreterInfo:
    """Return what an agent's greeting says of its interpreter, forced to the right types."""
    return InterpreterInfo(
        executable=str(greeting.get("executable")),
        version_info=tuple(int(part) for part in greeting.get("version_info", ())),
        platform=str(greeting.get("sysplatform")),
        cwd=str(greeting.get("cwd")),
        pid=int(greeting.get("pid", 0)),
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

    config: pytest.Config
    testrunuid: str
    roots: list[Path] = field(default_factory=list)
    specs: list[Any] = field(default_factory=list)


class WorkerNode:
    """``node``: one worker, in every hook that has one.

    ``workerinput`` may be filled until the worker starts; ``workerinfo`` is there once it is
    ready; ``workeroutput`` once it has ended in order, and absent after a crash.
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
        self.is_down = False
        self._finish = finish
        self._finish_sent = False

    @property
    def shutting_down(self) -> bool:
        """Whether the worker has ended or was told to."""
        return self.is_down or self._finish_sent

    def shutdown(self) -> None:
        """Let the worker run its queue empty and end."""
        if not self.shutting_down:
            self._finish_sent = True
            self._finish()

    def __repr__(self) -> str:
        return f"<WorkerController {self.gateway.id}>"
