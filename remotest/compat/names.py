"""Where the objects are that the module ``xdist`` has on the controller, each by its name."""

from __future__ import annotations

import importlib
from typing import Any, Final

_HOMES: Final = {
    "DSession": ("remotest.compat.dsession", "DSession"),
    "EachScheduling": ("remotest.compat.scheduling", "EachScheduling"),
    "Interrupted": ("remotest.compat.dsession", "Interrupted"),
    "LoadFileScheduling": ("remotest.compat.scopes", "LoadFileScheduling"),
    "LoadGroupScheduling": ("remotest.compat.scopes", "LoadGroupScheduling"),
    "LoadScheduling": ("remotest.compat.scheduling", "LoadScheduling"),
    "LoadScopeScheduling": ("remotest.compat.scopes", "LoadScopeScheduling"),
    "NodeManager": ("remotest.compat.node", "NodeManager"),
    "Producer": ("remotest.compat.tools", "Producer"),
    "Scheduling": ("remotest.compat.protocol", "Scheduling"),
    "TerminalDistReporter": ("remotest.reporting.terminal", "TerminalReport"),
    "WorkStealingScheduling": ("remotest.compat.scheduling", "WorkStealingScheduling"),
    "WorkerController": ("remotest.compat.node", "WorkerController"),
    "WorkerInfo": ("remotest.compat.node", "WorkerInfo"),
    "parse_tx_spec_config": ("remotest.compat.tools", "parse_tx_spec_config"),
    "report_collection_diff": ("remotest.compat.tools", "report_collection_diff"),
}
"""Name -> module and name there. Imported when asked for: a scheduler needs no SSH."""


def find(name: str) -> Any:
    """Return an object by the name that pytest-xdist has for it."""
    module, own_name = _HOMES[name]
    return getattr(importlib.import_module(module), own_name)
