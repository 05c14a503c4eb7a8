"""What environments are called on the screen: by host, and by interpreter, if known. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from remotest.environments import EnvironmentPlan, host_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from remotest.preflight import Interpreter


def base_label(plan: EnvironmentPlan, interpreter: Interpreter | None) -> str:
    """Return what an environment is called: ``myhost-py39``. Others may be called the same."""
    if interpreter is not None:
        return f"{host_name(plan)}-{interpreter.tag}"
    python = plan.spec.python
    return host_name(plan) if python is None else f"{host_name(plan)}-{Path(python).name}"


def unique_labels(
    plans: Iterable[EnvironmentPlan], interpreters: Mapping[str, Interpreter]
) -> dict[str, str]:
    """Return environment -> what it is called, each with a name of its own: ``myhost-py39#2``.

    Args:
        plans: the environments, in the order in which they get their names.
        interpreters: agent -> what it told of itself, where it has.
    """
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for plan in plans:
        base = base_label(plan, interpreters.get(plan.agent))
        number, label = 1, base
        while label in taken:
            number += 1
            label = f"{base}#{number}"
        taken.add(label)
        labels[plan.name] = label
    return labels
