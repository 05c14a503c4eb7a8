"""Which environment a test ran in, in the lines of pytest's summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class EnvironmentNames:
    """A plugin that names the environment in the FAILED lines, and in those like them.

    It is registered for the time of the summary: pytest asks for each phase of each test.

    Args:
        label: the environment's label, by its name.
        are_skips_folded: one line tells of the skips of many: pytest takes its first word from any.
    """

    def __init__(self, label: Callable[[str], str], *, are_skips_folded: bool) -> None:
        self._label = label
        self._are_skips_folded = are_skips_folded

    @pytest.hookimpl(tryfirst=True, hookwrapper=True)
    def pytest_report_teststatus(self, report: Any) -> Generator[None, Any, None]:
        """Add the label of a report's environment to the word for its outcome."""
        outcome = yield
        node = getattr(report, "node", None)
        if node is None:
            return
        category, letter, word = outcome.get_result()
        if category == "skipped" and self._are_skips_folded:
            return
        text, *markup = word if isinstance(word, tuple) else (word,)
        text = f"{text} [{self._label(node.environment)}]"
        outcome.force_result((category, letter, (text, *markup) if markup else text))
