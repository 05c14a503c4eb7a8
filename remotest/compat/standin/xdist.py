"""What ``import xdist`` finds before remotest is loaded, where pytest-xdist is not installed.

``remotest.pth`` puts this file's directory at the end of ``sys.path``. The module that the import
gives is made by ``pytest_remotest.xdist_module``; this one is gone then.
"""

import importlib.util
import os
import sys
from importlib.machinery import PathFinder

_here = os.path.dirname(__file__)  # noqa: PTH120  as it stands in sys.path
# An installed pytest-xdist comes first on the way here, but for one: ours is in the user's
# site-packages, which come before the interpreter's, where that is.
_spec = PathFinder.find_spec("xdist", [entry for entry in sys.path if entry != _here])
if _spec is None:
    from pytest_remotest import entry, xdist_module  # noqa: F401  entry says what to find

    _spec = xdist_module.installed_finder().find_spec("xdist")
assert _spec is not None
assert _spec.loader is not None
sys.modules["xdist"] = _module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
