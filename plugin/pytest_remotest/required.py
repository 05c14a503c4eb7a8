"""The ini value ``required_plugins``: what remotest stands in for counts as there.

pytest compares it with the distributions whose entry points it has loaded, after its plugins have
added their options and before it loads a conftest. For that time, and no longer, the list has more:
the header that names the plugins stays true.
"""

from typing import Any, Callable, List, Mapping

import pytest


class StandInDistribution:
    """As much of a distribution as pytest compares."""

    def __init__(self, project_name: str, version: str) -> None:
        self.project_name = project_name
        self.version = version
        self.metadata = {"name": project_name}


class RequiredPlugins:
    """A pytest plugin that lets distributions count as loaded.

    ``find_versions`` returns theirs by name. It is called if a project requires plugins.
    """

    def __init__(self, find_versions: Callable[[], Mapping[str, str]]) -> None:
        self._find_versions = find_versions

    def pytest_addoption(self, pluginmanager: Any) -> None:
        """Add them to what pytest is going to ask for."""
        loaded = pluginmanager.list_plugin_distinfo

        def list_plugin_distinfo() -> List[Any]:
            found = self._find_versions().items()
            return [*loaded(), *((self, StandInDistribution(*item)) for item in found)]

        pluginmanager.list_plugin_distinfo = list_plugin_distinfo

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> None:
        """Take them out again: pytest has compared."""
        del early_config.pluginmanager.list_plugin_distinfo
