"""Whether a serialised failure has the form that pytest gives it: one shape for each of its parts.

pytest looks at most of them only when the failure is shown, and that is too late to be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    Shape: TypeAlias = Callable[[Any], bool]


def has_shape_of_failure(value: Any) -> bool:
    """Return whether ``value`` is what pytest serialises an exception's representation to."""
    return _FAILURE(value)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, int)


def _optional(shape: Shape) -> Shape:
    return lambda value: value is None or shape(value)


def _list_of(shape: Shape) -> Shape:
    return lambda value: isinstance(value, list | tuple) and all(map(shape, value))


def _row(*shapes: Shape) -> Shape:
    return lambda value: (
        isinstance(value, list | tuple)
        and len(value) == len(shapes)
        and all(shape(part) for shape, part in zip(shapes, value, strict=True))
    )


def _record(shapes: Mapping[str, Shape]) -> Shape:
    return lambda value: (
        isinstance(value, dict)
        and value.keys() == shapes.keys()
        and all(shape(value[name]) for name, shape in shapes.items())
    )


_LINES = _list_of(_text)
_FILE_LOCATION = _record({"path": _text, "lineno": _number, "message": _text})
_SOURCE_ENTRY = _record(
    {
        "lines": _LINES,
        "reprfuncargs": _optional(_record({"args": _list_of(_row(_text, _text))})),
        "reprlocals": _optional(_record({"lines": _LINES})),
        "reprfileloc": _optional(_FILE_LOCATION),
        "style": _text,
    }
)
_NATIVE_ENTRY = _record({"lines": _LINES})


_ENTRIES = {"ReprEntry": _SOURCE_ENTRY, "ReprEntryNative": _NATIVE_ENTRY}


def _entry(value: Any) -> bool:
    kinds = [kind for kind in _ENTRIES if isinstance(value, dict) and value.get("type") == kind]
    return any(_record({"type": _text, "data": _ENTRIES[kind]})(value) for kind in kinds)


_TRACEBACK = _record(
    {"reprentries": _list_of(_entry), "extraline": _optional(_text), "style": _text}
)
_FAILURE = _record(
    {
        "reprcrash": _optional(_FILE_LOCATION),
        "reprtraceback": _TRACEBACK,
        "sections": _list_of(_row(_text, _text, _text)),
        "chain": _optional(_list_of(_row(_TRACEBACK, _optional(_FILE_LOCATION), _optional(_text)))),
    }
)
