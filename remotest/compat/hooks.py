"""pytest-xdist's hooks, called with the node objects that plugins expect."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from remotest.compat.dsession import CrashView
from remotest.compat.node import NodeGateway, NodeManager, WorkerController, interpreter_info
from remotest.compat.tools import Producer
from remotest.gateways.xspec import as_xspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from remotest.environments import EnvironmentPlan
    from remotest.settings import Settings
    from remotest.spec import GatewaySpec


class Nodes:
    """Makes the nodes of one run and calls the hooks that have them."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._ramp_s = settings.ramp_s
        self._first_count = 0
        self._has_warned = False
        self.manager = NodeManager(
            config=config, testrunuid=settings.run_uid, roots=list(settings.roots)
        )

    def announce(self, environments: Iterable[EnvironmentPlan]) -> None:
        """Call ``pytest_xdist_setupnodes``, before anything is started."""
        for environment in environments:
            count = environment.count if isinstance(environment.count, int) else 1
            for _ in range(count):
                name = environment.spec.id or f"gw{len(self.manager.specs)}"
                self.manager.specs.append(as_xspec(environment.spec, name))
        self._config.hook.pytest_xdist_setupnodes(
            config=self._config, specs=list(self.manager.specs)
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
        is_replacement: bool,
    ) -> WorkerController:
        """Return the node of a worker that is about to start."""
        announced = (known for known in self.manager.specs if known.id == worker)
        xspec = next(announced, None) or as_xspec(spec, worker)
        gateway = NodeGateway(id=worker, spec=xspec, info=interpreter_info(greeting))
        delay_s = 0.0
        if not is_replacement:
            delay_s = self._ramp_s * self._first_count / max(1, worker_count)
            self._first_count += 1
        return WorkerController(
            config=self._config,
            gateway=gateway,
            nodemanager=self.manager,
            workerinput={
                "workerid": worker,
                "workercount": worker_count,
                "testrunuid": self.manager.testrunuid,
                "mainargv": without_secrets(sys.argv),
                "rampdelay": delay_s,
            },
            environment=environment,
            finish=finish,
        )

    def configure(self, node: WorkerController) -> None:
        """Call the hooks that may still add to the node's ``workerinput``."""
        self._config.hook.pytest_xdist_newgateway(gateway=node.gateway)
        self._config.hook.pytest_configure_node(node=node)
        module = self._config.hook.pytest_xdist_getremotemodule()
        if module is not None and not self._has_warned:
            self._has_warned = True
            name = getattr(module, "__name__", module)
            text = f"pytest_xdist_getremotemodule: {name} is not used: remotest has its own workers"
            self._config.issue_config_time_warning(pytest.PytestWarning(text), stacklevel=2)

    def make_scheduler(self) -> Any | None:
        """Return the scheduler that a plugin has for this run, or None."""
        log = Producer("dsession", enabled=bool(self._config.option.debug))
        return self._config.hook.pytest_xdist_make_scheduler(config=self._config, log=log)

    def handle_crash(self, node_id: str, report: pytest.TestReport, sched: Any) -> bool:
        """Let plugins change the report of a crash; return whether the test shall run again."""
        view = CrashView(sched, node_id)
        self._config.hook.pytest_handlecrashitem(crashitem=node_id, report=report, sched=view)
        return view.runs_again

    def down(self, node: WorkerController, error: str) -> None:
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
