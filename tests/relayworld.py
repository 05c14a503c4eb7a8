"""A worker as the relay has it, and what one says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_remotest import messages, values
from remotest.compat.node import InterpreterInfo, NodeGateway, NodeManager, WorkerController
from remotest.relay import Worker

if TYPE_CHECKING:
    import pytest

INFO = {
    "version": "3.9.1 (main)",
    "version_info": (3, 9, 1, "final", 0),
    "sysplatform": "linux",
    "platform": "linux",
    "executable": "/opt/python",
    "cwd": "/",
    "pytest_version": "8.4.2",
}
STARTED = messages.SessionStarted(values.pack(INFO))


def make_worker(
    config: pytest.Config, name: str = "gw0", environment: str = "environment0"
) -> Worker:
    """Return a worker that has not said anything so far."""
    info = InterpreterInfo(
        executable="python", version_info=(3, 9), platform="linux", cwd="/", pid=1
    )
    node = WorkerController(
        config=config,
        gateway=NodeGateway(id=name, spec="popen", info=info),
        nodemanager=NodeManager(config=config, testrunuid="run1"),
        workerinput={},
        environment=environment,
        finish=lambda: None,
    )
    return Worker(name=name, agent="popen", environment=environment, node=node)
