"""One look for garbage at the end of a session: pytest makes two, and the first finds all there is.

It looks for objects whose ``__del__`` fails where nobody would hear of it, through all that the
session has made: when plugins have been unconfigured, and once more behind what is to be cleaned up
after that. Reports and items by the ten thousand are there both times.
"""

import gc
from typing import Any

import pytest

LOOKER = "unraisableexception"  # pytest's plugin that looks.


class OneLook:
    """A plugin that spares pytest the second look at what was there at the first."""

    def __init__(self) -> None:
        self._is_frozen = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:
        """Have it undone behind the second look: what comes first to the stack is done last."""
        config.add_cleanup(self._thaw)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config: Any) -> None:
        """Keep what is there from the second look, where there was a first."""
        looker = config.pluginmanager.get_plugin(LOOKER)
        # An older pytest looks once at most; Python 3.6 and PyPy can keep nothing from it.
        if hasattr(looker, "pytest_unconfigure") and hasattr(gc, "freeze"):
            self._is_frozen = True
            gc.freeze()

    def _thaw(self) -> None:
        """Let what is garbage be found again: this process may go on, and have other sessions."""
        if self._is_frozen:
            self._is_frozen = False
            gc.unfreeze()
