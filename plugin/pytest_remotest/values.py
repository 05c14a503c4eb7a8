"""Values of any type in a form that JSON holds, and back.

JSON has text, numbers, lists and objects. A packed value keeps what else travels in workerinput,
workeroutput and extra fields of reports: each other type is an object with one key that names it.
Packing is total: what has no such form becomes text.
"""

import base64
from typing import Any, Callable, Dict, Iterable, List

from pytest_remotest.frames import from_json, to_json
from pytest_remotest.messages import ProtocolError

MAX_DEPTH = 60  # Nesting that is followed: deeper values become text instead of a RecursionError.
MAX_PARTS = 2000000  # Of one value: a few lists that hold each other twice unfold without an end.
MAX_TEXT_CHARS = 512 * 1024  # Where texts are cut: one alone fits a message, even as \uXXXX\uXXXX.

# Interpreters refuse to read longer decimal numbers, from 640 digits on as they are set up.
MAX_DECIMAL_BITS = 2048  # 617 digits.
MAX_INT_BITS = 8 * 1024 * 1024  # A longer number becomes text: it would be half a message.


def pack(value: Any) -> Any:
    """Return a form of any value that JSON holds; ``unpack`` gives the value back.

    Kept with their types: None, bool, int, float, str, bytes, list, tuple, set, frozenset and
    dict with keys of these. A value of a subclass of them becomes one of the class itself, and
    anything else its ``repr``. A part that holds itself, is nested too deep or is one too many
    becomes words that say so.
    """
    return _Packer().pack(value, MAX_DEPTH)


class _Packer:
    """Packs one value: knows how many parts it has seen, and which containers it is inside of."""

    def __init__(self) -> None:
        self._parts_left = MAX_PARTS
        self._inside: List[int] = []
        self._ways: Dict[type, Callable[[Any, int], Any]] = {
            type(None): lambda value, _: value,
            bool: lambda value, _: value,
            str: lambda value, _: str.__str__(value),
            int: lambda value, _: _pack_int(int.__int__(value)),
            float: lambda value, _: _pack_float(float.__float__(value)),
            bytes: lambda value, _: {"bytes": base64.b64encode(value).decode("ascii")},
            list: lambda value, depth: self._pack_items(list.__iter__(value), depth),
            tuple: lambda value, depth: {"tuple": self._pack_items(tuple.__iter__(value), depth)},
            set: lambda value, depth: {"set": self._pack_items(set.__iter__(value), depth)},
            frozenset: lambda value, depth: {
                "frozenset": self._pack_items(frozenset.__iter__(value), depth)
            },
            dict: lambda value, depth: {
                "dict": [self._pack_items(pair, depth) for pair in list(dict.items(value))]
            },
        }

    def pack(self, value: Any, depth: int) -> Any:
        for kind in type(value).__mro__:
            if kind in self._ways:
                break
        else:
            return safe_repr(value)
        if kind not in _CONTAINERS:
            return self._ways[kind](value, depth)
        if depth <= 0 or self._parts_left <= 0 or id(value) in self._inside:
            return "<%s left out by remotest: it holds itself or too much>" % type(value).__name__
        self._inside.append(id(value))
        try:
            return self._ways[kind](value, depth - 1)
        finally:
            self._inside.pop()

    def _pack_items(self, items: Iterable[Any], depth: int) -> List[Any]:
        # A copy first: another thread of the suite may change the value meanwhile.
        copied = list(items)
        self._parts_left -= len(copied)
        return [self.pack(item, depth) for item in copied]


def _pack_int(value: int) -> Any:
    if value.bit_length() <= MAX_DECIMAL_BITS:
        return value
    if value.bit_length() <= MAX_INT_BITS:
        return {"int": hex(value)}
    return "<int of %d bits left out by remotest>" % value.bit_length()


def _pack_float(value: float) -> Any:
    is_finite = value - value == 0
    return value if is_finite else {"float": repr(value)}


def unpack(form: Any) -> Any:
    """Return the value that ``pack`` was given.

    Raises:
        ProtocolError: for a form that ``pack`` cannot have made.
    """
    try:
        return _unpack(form)
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise ProtocolError("a packed value is broken: %s" % (error,)) from None


def _unpack(form: Any) -> Any:
    if type(form) is list:
        return [_unpack(item) for item in form]
    if type(form) is not dict:
        return form
    ((kind, content),) = form.items()
    return _FORMS[kind](content)


def _items(content: Any) -> Iterable[Any]:
    if type(content) is not list:
        raise TypeError("items are no list")
    return (_unpack(item) for item in content)


_CONTAINERS = frozenset((list, tuple, set, frozenset, dict))
_FORMS: Dict[str, Callable[[Any], Any]] = {
    "int": lambda content: int(content, 16),
    "float": lambda content: {"nan": float, "inf": float, "-inf": float}[content](content),
    "bytes": lambda content: base64.b64decode(content, validate=True),
    "tuple": lambda content: tuple(_items(content)),
    "set": lambda content: set(_items(content)),
    "frozenset": lambda content: frozenset(_items(content)),
    "dict": lambda content: dict(tuple(_items(pair)) for pair in content),
}


def pack_text(value: Any) -> str:
    """Return the JSON text of a packed value, in ASCII."""
    return to_json(pack(value))


def unpack_text(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ProtocolError: for a text that ``pack_text`` cannot have made.
    """
    try:
        form = from_json(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a packed value is not JSON: %s" % (error,)) from None
    return unpack(form)


def safe_repr(value: Any) -> str:
    """Return ``repr(value)``, cut, or words in its place where the object cannot even do that."""
    try:
        return cut(str.__str__(repr(value)))
    except Exception as error:  # noqa: BLE001  a user's __repr__ may raise anything
        return "<%s object whose repr() raises %s>" % (type(value).__name__, type(error).__name__)


def safe_str(value: Any) -> str:
    """Return ``str(value)``, cut, or its ``safe_repr`` where that raises."""
    try:
        return cut(str.__str__(str(value)))
    except Exception:  # noqa: BLE001  a user's __str__ may raise anything
        return safe_repr(value)


def cut(text: str, chars: int = MAX_TEXT_CHARS) -> str:
    """Return the head and the tail of a text, ``chars`` together, with a mark between them.

    A text that is not longer is returned as it is.
    """
    if len(text) <= chars:
        return text
    half = chars // 2
    mark = "\n... [%d characters left out by remotest] ...\n" % (len(text) - 2 * half)
    return text[:half] + mark + text[len(text) - half :]
