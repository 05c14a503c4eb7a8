"""Whose a hook is: pytest's own, or also somebody else's who has a say in it."""

from typing import Any


def are_all_of_pytest(hook: Any) -> bool:
    """Return whether nobody but pytest itself implements a hook, such as ``config.hook.NAME``."""
    return all(impl.function.__module__.startswith("_pytest.") for impl in hook.get_hookimpls())
