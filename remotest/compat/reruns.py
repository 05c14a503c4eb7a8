"""pytest-rerunfailures with workers that are not on this machine.

Its workers count failures over a port of 127.0.0.1, to which only processes of this machine get,
and it shall remain so. Workers elsewhere count by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from remotest.compat.node import WorkerController


class HostReruns:
    """Keeps the port at home, and knows of tests on hosts how often a crash is run again."""

    def __init__(self, config: pytest.Config, is_local: Callable[[str], bool]) -> None:
        self._config = config
        self._is_local = is_local

    @pytest.hookimpl(trylast=True)
    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell no host of the port: the worker then does without."""
        if not self._is_local(node.environment):
            for name in ("sock_port", "statusdb_token"):
                node.workerinput.pop(name, None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """Note how often the test may run again: its worker could not."""
        counts = getattr(self._config, "failures_db", None)
        if counts is not None and not self._is_local(report.node.environment):
            counts.set_test_reruns(crashitem, self._reruns())

    def _reruns(self) -> int:
        option = self._config.option
        given = (option.force_reruns, option.reruns, self._config.getini("reruns") or 0)
        return int(next(count for count in given if count is not None))
