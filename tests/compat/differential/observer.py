"""Notes what each pytest process of a run sees; loaded there by ``PYTEST_PLUGINS``."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest


def note(subject: str, *values: Any) -> None:
    """Add a row to the notes of the run; conftests of the projects do so too."""
    with open(os.environ["OBSERVER_NOTES"], "a", encoding="utf-8") as notes:  # noqa: PTH123 - one append
        notes.write(json.dumps([subject, *values]) + "\n")


def pytest_sessionstart(session: pytest.Session) -> None:
    worker = getattr(session.config, "workerinput", {}).get("workerid", "controller")
    names = sorted(name for name in os.environ if name.startswith("PYTEST_XDIST_"))
    note("process", worker, {name: os.environ[name] for name in names})


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not hasattr(session.config, "workerinput"):
        note("session", int(exitstatus), session.testscollected, session.testsfailed)


class Reports:
    """Notes the reports that reach the controller."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        place = "worker" if hasattr(report, "node") else "controller"
        note("report", str(report.nodeid), report.when, report.outcome, place)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Reports())
