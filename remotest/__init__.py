"""remotest runs a pytest suite on other machines and other interpreters as if they were local.

PYTEST_DONT_REWRITE: the command ``remotest`` is imported before the pytest that it asks about the
configuration, which would warn that this package, of a plugin, cannot have its asserts rewritten.
"""

from __future__ import annotations

from pytest_remotest.api import (
    get_xdist_worker_id,
    is_xdist_controller,
    is_xdist_master,
    is_xdist_worker,
)

__all__ = ["get_xdist_worker_id", "is_xdist_controller", "is_xdist_master", "is_xdist_worker"]
