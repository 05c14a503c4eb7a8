"""The entry point ``xdist``, for ``-p xdist``: pytest-xdist's plugin where that is installed.

Else it is ours of the same name. So it does not matter whose entry point of this name pytest
finds first.
"""

import importlib

from pytest_remotest import entry  # noqa: F401  from now on there is a module xdist to import

plugin = importlib.import_module("xdist.plugin")
