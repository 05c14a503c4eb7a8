"""How far a run over several environments is, for pytest's own percentages.

pytest counts the node ids that were reported. Where every environment runs every test, a node id
is reported once in each: counted like that, a run of two environments would end at 50 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Hashable


class ReportedTests(set[tuple[str, "Hashable"]]):
    """What pytest adds reported node ids to, kept apart by environment.

    ``environment`` is the one whose reports are added now.
    """

    environment = ""

    def add(self, element: Any) -> None:
        """Add a node id of the current environment."""
        super().add((self.environment, element))


class EnvironmentProgress:
    """The plugin that says, before pytest's reporter counts a report, whose it is."""

    def __init__(self, reported: ReportedTests) -> None:
        self._reported = reported

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note the environment of a report."""
        node = getattr(report, "node", None)
        self._reported.environment = "" if node is None else node.environment


def install(config: pytest.Config, terminal: Any) -> None:
    """Let pytest's terminal reporter count each test once in each environment."""
    reported = ReportedTests()
    # pytest has no public way to say this.
    terminal._progress_nodeids_reported = reported  # noqa: SLF001  see above
    config.pluginmanager.register(EnvironmentProgress(reported), "remotest-progress")
