"""Which scope an item belongs to: what must stay together on one worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Scope: TypeAlias = tuple[str, str]
"""(kind, name): a group never meets a node id of the same text."""

ScopeOf: TypeAlias = "Callable[[str, str | None], Scope]"
"""From a node id and its ``xdist_group``, or None, to the scope."""


def by_class_or_module(node_id: str, group: str | None) -> Scope:  # noqa: ARG001  one signature
    """Return what stands before the last ``::``: the class of a method, else the file."""
    return "id", node_id.rpartition("::")[0] or node_id


def by_file(node_id: str, group: str | None) -> Scope:  # noqa: ARG001  as above
    """Return what stands before the first ``::``."""
    return "id", node_id.partition("::")[0]


def by_group(node_id: str, group: str | None) -> Scope:
    """Return the group, or for an item without one the item itself.

    A suffix ``@name`` counts as a group: conftests write such ids. An ``@`` inside the brackets
    of a parameter does not.
    """
    if group is not None:
        return "group", group
    if node_id.rfind("@") > node_id.rfind("]"):
        return "group", node_id.rpartition("@")[2]
    return "id", node_id


SCOPES: Final[Mapping[str, ScopeOf]] = {
    "loadscope": by_class_or_module,
    "loadfile": by_file,
    "loadgroup": by_group,
}
