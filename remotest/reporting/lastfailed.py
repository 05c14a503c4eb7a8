"""What has failed last where a test has several outcomes: it has failed if it did so anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class LastFailed:
    """A pytest plugin for ``--dist=each``, where pytest's own remember the last outcome only.

    To ``--lf``, ``--ff`` and ``--sw`` a test that passes has been mended, also where it has failed
    in another environment just before. They are told of the failures once more at the end.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failures: list[pytest.TestReport] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a failure."""
        if report.failed:
            self._failures.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Repeat all failures, before they are written to the cache."""
        for plugin in self._rememberers():
            for report in self._failures:
                plugin.pytest_runtest_logreport(report)

    def _rememberers(self) -> Iterator[Any]:
        names = ["lfplugin"]
        if not self._config.getoption("stepwise_skip", default=False):  # It passes one over.
            names.append("stepwiseplugin")
        yield from filter(None, map(self._config.pluginmanager.get_plugin, names))
