"""The marker ``xdist_group``: which tests of this worker must run on one worker."""

from typing import Any, Iterable, Iterator, List, Optional

from pytest_remotest import messages, values


def group_of(item: Any) -> Optional[str]:
    """Return the group of an item, several names joined as pytest-xdist joins them, or None."""
    names = set()
    for mark in item.iter_markers("xdist_group"):
        name = mark.args[0] if mark.args else mark.kwargs.get("name", "default")
        names.add(values.safe_str(name))
    return "_".join(sorted(names)) if names else None


def in_messages(items: Iterable[Any]) -> Iterator[messages.ItemGroups]:
    """Yield the groups of those items that have one, in messages of a size that fits a frame."""
    rows: List[List[Any]] = []
    size = 0
    for position, item in enumerate(items):
        group = group_of(item)
        if group is None:
            continue
        rows.append([position, values.cut(group)])
        size += len(rows[-1][1])
        if len(rows) == messages.MAX_BATCH_ITEMS or size > values.MAX_TEXT_CHARS:
            yield messages.ItemGroups(rows)
            rows, size = [], 0
    if rows:
        yield messages.ItemGroups(rows)
