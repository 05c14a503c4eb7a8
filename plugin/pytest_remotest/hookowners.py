"""Whose a hook is: pytest's own, or also somebody else's who has a say in it."""

from typing import Any


def are_all_of_pytest(hook: Any) -> bool:
    """Return whether nobody but pytest itself implements a hook, such as ``config.hook.NAME``."""
    # What exec() has made may have no module.
    modules = (impl.function.__module__ or "" for impl in hook.get_hookimpls())
    return all(module.startswith("_pytest.") for module in modules)
