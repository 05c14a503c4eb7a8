"""``import xdist``, ``import remotest`` where these are not installed: what test code imports.

A finder at the *end* of ``sys.meta_path`` answers only when nobody else could: an installed
package always wins.
"""

import importlib.abc
import importlib.machinery
import sys
import types
from typing import Any, Optional

from pytest_remotest import api

MODULES = ("xdist", "remotest")
VERSION = "3.8.0"  # What the module xdist answers for is pytest-xdist of this version.
_NAMES = ("is_xdist_worker", "is_xdist_controller", "is_xdist_master", "get_xdist_worker_id")


class XdistFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes the modules."""

    def find_spec(
        self, fullname: str, path: Any, target: Optional[types.ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """Answer for the modules themselves and nothing below them."""
        del path, target
        if fullname not in MODULES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin="pytest_remotest")

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave it to Python to make the empty module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Fill the module."""
        for name in _NAMES:
            setattr(module, name, getattr(api, name))
        module.__all__ = list(_NAMES)  # type: ignore[attr-defined]  # a module has any attribute
        if module.__name__ == "xdist":
            module.__version__ = VERSION  # type: ignore[attr-defined]  # as above


def install() -> None:
    """Make the imports work from now on in this process. May be called again."""
    if not any(isinstance(finder, XdistFinder) for finder in sys.meta_path):
        sys.meta_path.append(XdistFinder())
