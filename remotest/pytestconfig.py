"""What ``pytest ARGUMENTS`` would run on, for commands that run no test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remotest.errors import UsageError
from remotest.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence


class _ConfigReader:
    """A pytest plugin that takes pytest's fully parsed configuration, and ends pytest there."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.refusal: UsageError | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        try:
            self.settings = read_settings(config)
        except UsageError as error:
            self.refusal = error
        return 0


def read_as_pytest(arguments: Sequence[str]) -> Settings | int:
    """Return what ``pytest ARGUMENTS`` would run on: options, config files, plugins and all.

    Where pytest itself refuses the arguments it has said so, and its exit code is returned.

    Raises:
        UsageError: something asked for cannot be, or there is no environment in it.
    """
    reader = _ConfigReader()
    code = int(pytest.main(list(arguments), plugins=[reader]))
    if reader.refusal is not None:
        raise reader.refusal
    if reader.settings is None:
        return code
    if not reader.settings.requests:
        raise UsageError(
            "no host is named: name one with --tx, here or in the config file's addopts"
        )
    return reader.settings
