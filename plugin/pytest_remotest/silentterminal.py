"""pytest's terminal reporter on a worker: there to be asked and written to, and of no effect.

The controller has the screen. There must be one: pytest up to 9.1 asks it how to explain a failed
comparison, and plugins write to it.
"""

import io
from typing import Any

from pytest_remotest import hookowners

NAME = "terminalreporter"


class Nowhere(io.TextIOBase):
    """A text file that keeps nothing, and has no descriptor that a test could close."""

    def write(self, text: str) -> int:
        """Take all of a text."""
        return len(text)


class SilentReporter:
    """A terminal reporter without its hooks: it keeps no reports, and no summary is made of them.

    The reports of a test take as much memory as what pytest has collected of it.
    """

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter

    def __getattr__(self, name: str) -> Any:
        """Be the reporter for all that pytest and plugins ask."""
        return getattr(self._reporter, name)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Ask what a report is called, as every reporter does: some plugins change it when asked.

        So pytest lets a test fail whose subtests have failed: of a test's call it asks for more
        than a name. Where nobody else would be asked, two of three questions are left out.
        """
        config = self._reporter.config
        if report.when == "call" or not hookowners.are_all_of_pytest(
            config.hook.pytest_report_teststatus
        ):
            config.hook.pytest_report_teststatus(report=report, config=config)


def silence(config: Any) -> None:
    """Let the reporter of a session, if it has one, write to nowhere and hear of nothing."""
    manager = config.pluginmanager
    reporter = manager.get_plugin(NAME)
    if reporter is None:
        return
    config.get_terminal_writer()._file = Nowhere()  # noqa: SLF001  there is no public way
    manager.unregister(reporter)
    manager.register(SilentReporter(reporter), NAME)
