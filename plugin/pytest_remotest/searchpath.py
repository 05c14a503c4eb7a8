"""The sys.path that this process began with.

pytest and conftests add to it later; workers on this machine begin as this process began. So this
is imported by the entry point, before any conftest is.
"""

import sys

SEARCH_PATH = tuple(sys.path)
