"""pytest-xdist's hooks, called with the node objects that plugins expect."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from remotest.compat.node import NodeGateway, NodeManager, WorkerNode, interpreter_info
from remotest.gateways.xspec import as_xspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import pytest

    from remotest.environments import EnvironmentPlan
    from remotest.settings import Settings
    from remotest.spec import GatewaySpec


class Nodes:
    """Makes the nodes of one run and calls the hooks that have them."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._manager = NodeManager(
            config=config, testrunuid=settings.run_uid, roots=list(settings.roots)
        )

    def announce(self, environments: Iterable[EnvironmentPlan]) -> None:
        """Call ``pytest_xdist_setupnodes``, before anything is started."""
        for environment in environments:
            count = environment.count if isinstance(environment.count, int) else 1
            for _ in range(count):
                name = environment.spec.id or f"gw{len(self._manager.specs)}"
                self._manager.specs.append(as_xspec(environment.spec, name))
        self._config.hook.pytest_xdist_setupnodes(
            config=self._config, specs=list(self._manager.specs)
        )

    def make(
        self,
        *,
        worker: str,
        environment: str,
        spec: GatewaySpec,
        greeting: Mapping[str, Any],
        worker_count: int,
        finish: Callable[[], None],
    ) -> WorkerNode:
        """Return the node of a worker that is about to start."""
        gateway = NodeGateway(
            id=worker, spec=as_xspec(spec, worker), info=interpreter_info(greeting)
        )
        return WorkerNode(
            config=self._config,
            gateway=gateway,
            nodemanager=self._manager,
            workerinput={
                "workerid": worker,
                "workercount": worker_count,
                "testrunuid": self._manager.testrunuid,
                "mainargv": without_secrets(sys.argv),
            },
            environment=environment,
            finish=finish,
        )

    def configure(self, node: WorkerNode) -> None:
        """Call the hooks that may still add to the node's ``workerinput``."""
        self._config.hook.pytest_xdist_newgateway(gateway=node.gateway)
        self._config.hook.pytest_configure_node(node=node)

    def down(self, node: WorkerNode, error: str) -> None:
        """Call ``pytest_testnodedown`` for a worker that did not end in order, once."""
        if not node.is_down:
            node.is_down = True
            self._config.hook.pytest_testnodedown(node=node, error=error)

    def sync_started(self, roots: Sequence[Path]) -> None:
        """Call ``pytest_xdist_rsyncstart`` for every root."""
        for root in roots:
            self._config.hook.pytest_xdist_rsyncstart(source=root, gateways=[])

    def sync_finished(self, roots: Sequence[Path]) -> None:
        """Call ``pytest_xdist_rsyncfinish`` for every root."""
        for root in roots:
            self._config.hook.pytest_xdist_rsyncfinish(source=root, gateways=[])


def without_secrets(arguments: Iterable[str]) -> list[str]:
    """Return a command line in which no spec shows the value of an ``env:NAME=value``."""
    return [MASKED_ENV if "env:" in argument else argument for argument in arguments]


MASKED_ENV = "(a spec with env: values)"
