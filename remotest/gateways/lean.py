"""paramiko, imported late, and without what it takes along for a feature that nobody here uses."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any, Final, cast

SUPERFLUOUS: Final = "invoke"
"""For ``Match exec`` of paramiko's own reader of ssh_config. It imports asyncio, ssl, YAML and
unittest.mock: more than half of the time that paramiko takes. paramiko does without it as well."""


_importing = threading.Lock()


def import_ssh() -> None:
    """Import ``gateways.ssh``. Called by any thread before it imports what imports paramiko."""
    with _importing:
        _import_paramiko()
        importlib.import_module("remotest.gateways.ssh")


def _import_paramiko() -> None:
    if "paramiko" in sys.modules or SUPERFLUOUS in sys.modules:
        return
    modules = cast("dict[str, Any]", sys.modules)
    modules[SUPERFLUOUS] = None  # As Python has it, an import then finds no such module.
    try:
        importlib.import_module("paramiko")
    finally:
        del modules[SUPERFLUOUS]
