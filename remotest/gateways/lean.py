"""paramiko, imported without what it takes along for a feature that nobody here uses."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final, cast

SUPERFLUOUS: Final = "invoke"
"""For ``Match exec`` of paramiko's own reader of ssh_config. It imports asyncio, ssl, YAML and
unittest.mock: more than half of the time that paramiko takes. paramiko does without it as well."""


def import_paramiko() -> None:
    """Import paramiko alone. Called before anything else imports it, by one thread."""
    if SUPERFLUOUS in sys.modules:
        return
    modules = cast("dict[str, Any]", sys.modules)
    modules[SUPERFLUOUS] = None  # As Python has it, an import then finds no such module.
    try:
        importlib.import_module("paramiko")
    finally:
        del modules[SUPERFLUOUS]
