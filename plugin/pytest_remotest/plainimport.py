"""Imports of remotest as Python does them, without pytest's rewriting of asserts.

pytest rewrites whatever a plugin's distribution holds. Our asserts are for our own mistakes, and
need no story; but reading, hashing and, where no byte code can be written, compiling all modules
anew takes longer than all else that the controller does before it dials.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Optional

PACKAGES = ("remotest", "pytest_remotest")


class PlainFinder:
    """Finds these packages' modules; it stands before pytest's import hook."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        """See ``importlib.abc.MetaPathFinder``."""
        if name.partition(".")[0] not in PACKAGES:
            return None
        return PathFinder.find_spec(name, path, target)


def install() -> None:
    """Import plainly from now on in this process."""
    if PlainFinder not in sys.meta_path:
        finder: Any = PlainFinder
        sys.meta_path.insert(0, finder)
