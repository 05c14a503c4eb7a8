"""``import xdist`` where pytest-xdist is not installed: the names that test code imports.

A finder at the *end* of ``sys.meta_path`` answers only when nobody else could: an installed
pytest-xdist always wins.
"""

import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any, Optional

from pytest_remotest import api

VERSION = "3.8.0"  # What the module answers for is pytest-xdist of this version.
_NAMES = ("is_xdist_worker", "is_xdist_controller", "is_xdist_master", "get_xdist_worker_id")


class XdistFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes the module ``xdist``."""

    def find_spec(
        self, fullname: str, path: Any, target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """Answer for ``xdist`` itself and nothing below it."""
        del path, target
        if fullname != "xdist":
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="pytest_remotest")

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave it to Python to make the empty module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill the module."""
        for name in _NAMES:
            setattr(module, name, getattr(api, name))
        module.__version__ = VERSION  # type: ignore[attr-defined]  # a module has any attribute
        module.__all__ = list(_NAMES)  # type: ignore[attr-defined]  # as above


def install() -> None:
    """Make ``import xdist`` work from now on in this process. May be called again."""
    if not any(isinstance(finder, XdistFinder) for finder in sys.meta_path):
        sys.meta_path.append(XdistFinder())
