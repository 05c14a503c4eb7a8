"""Who has a say in a hook."""

from __future__ import annotations

import types
from typing import Any

import pytest

from pytest_remotest.hookowners import are_all_of_pytest

SOURCE = "def pytest_report_teststatus(report): pass"


@pytest.mark.parametrize(
    "names",
    [{"__name__": "conftest"}, {"__name__": "_pytesting"}, {}],
    ids=["named", "nearly-pytest", "without-a-name"],
)
def test_who_comes_later_has_a_say_too(names: dict[str, Any]) -> None:
    config = pytest.Config.fromdictargs({}, ["-p", "no:cacheprovider"])
    hook = config.hook.pytest_report_teststatus
    before = are_all_of_pytest(hook)
    plugin = types.ModuleType("late")
    exec(SOURCE, names)
    vars(plugin).update(pytest_report_teststatus=names["pytest_report_teststatus"])

    config.pluginmanager.register(plugin)

    assert (before, are_all_of_pytest(hook)) == (True, False)
