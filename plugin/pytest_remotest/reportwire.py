"""Reports between pytest's serialised form and what a message carries.

The serialised form, made and read by pytest's own hooks, is nearly JSON: it has tuples, and plugins
and tests put values of any type in.
"""

import re
from typing import Any, Callable, Dict, List, Optional

from pytest_remotest.frames import Encoded, to_json
from pytest_remotest.messages import MAX_MESSAGE_BYTES, ProtocolError
from pytest_remotest.values import (
    MAX_DECIMAL_BITS,
    MAX_DEPTH,
    cut,
    pack,
    safe_repr,
    safe_str,
    unpack,
)

# Fields whose JSON form is exact, or is put right by report_from_wire: they skip pack(), which
# costs more than all the rest of a report.
_PLAIN_FIELDS = frozenset(
    (
        *("nodeid", "location", "keywords", "outcome", "longrepr", "when"),
        *("sections", "duration", "start", "stop", "$report_type", "_report_type"),
    )
)

# What is tried in turn to make a report fit a message: the size that its texts are cut to.
_SHORTER_CHARS = (256 * 1024, 16 * 1024, 1024)
_SHORTER_ITEMS = 1000  # Of each list, where cutting texts is needed at all.
# Of seconds: what is larger cannot be written with a fixed number of digits.
MAX_NUMBER = 1e18
# Room in a message for what goes around a report.
_REPORT_BYTES = MAX_MESSAGE_BYTES - 1024

# More digits than MAX_DECIMAL_BITS have: an interpreter may refuse to read such a number.
_LONG_NUMBER = re.compile(r"\d{%d}" % len(str(1 << MAX_DECIMAL_BITS)))


def report_to_json(data: Dict[str, Any]) -> Encoded:
    """Return the serialised form of a report as JSON, small enough for a message.

    A field that has not the shape that reports have becomes text. Where a report is too large its
    texts and lists are cut, and a section of it says so.
    """
    data = dict(data)
    for name in _misshapen(data):
        reshape: Callable[[Any], Any] = _RESHAPE.get(name, safe_str)
        data[name] = reshape(data[name])
    wire = {key: data[key] for key in _PLAIN_FIELDS if key in data}
    extra = {str(key): value for key, value in data.items() if key not in _PLAIN_FIELDS}
    if not extra.get("user_properties", True):  # nearly always empty, and then no work
        wire["user_properties"] = extra.pop("user_properties")
    if extra:
        wire["extra"] = pack(extra)
    text = _json_if_exact(wire)
    if text is None:
        wire = {key: _nearest(value, MAX_DEPTH) for key, value in wire.items()}
        text = to_json(wire)
    return Encoded(text if len(text) <= _REPORT_BYTES else _shorter(wire, len(text)))


def _json_if_exact(value: Any) -> Optional[str]:
    """Return a value as JSON, or None where JSON does not hold it for certain."""
    try:
        text = to_json(value)
    except Exception:  # noqa: BLE001  a user's object may raise anything
        return None
    return None if _LONG_NUMBER.search(text) else text


def _misshapen(data: Dict[str, Any]) -> List[str]:
    """Return the names of the fields that are not what pytest and plugins build on."""
    found = [name for name, value in data.items() if name in _SHAPES and not _SHAPES[name](value)]
    # pytest's summary, and its JUnit, take the reason of a skip apart.
    is_skip = data.get("outcome") == "skipped" and "wasxfail" not in data
    if is_skip and not is_location(data.get("longrepr")):
        found.append("longrepr")
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_number(value: Any) -> bool:
    """Return whether this is a number of seconds, or the like, that can be shown."""
    # Neither infinite nor no number, nor an int that no float is.
    return isinstance(value, (int, float)) and -MAX_NUMBER < value < MAX_NUMBER


def is_location(value: Any) -> bool:
    """Return whether this is a path, a line or None, and a name or reason."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == 3  # noqa: PLR2004  path, line, name
        and isinstance(value[0], str)
        and (value[1] is None or (isinstance(value[1], int) and is_number(value[1])))
        and isinstance(value[2], str)
    )


def _are_pairs(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(
        isinstance(item, (list, tuple)) and len(item) == 2  # noqa: PLR2004  title and text
        for item in value
    )


def are_sections(value: Any) -> bool:
    """Return whether these are titles and texts."""
    return _are_pairs(value) and all(
        isinstance(title, str) and isinstance(text, str) for title, text in value
    )


_SHAPES: Dict[str, Callable[[Any], bool]] = {
    "nodeid": _is_text,
    "location": is_location,
    "keywords": lambda value: isinstance(value, dict),
    "outcome": _is_text,
    "when": lambda value: value is None or _is_text(value),
    "sections": are_sections,
    "user_properties": _are_pairs,
    "wasxfail": _is_text,
    "duration": is_number,
    "start": is_number,
    "stop": is_number,
}

_RESHAPE: Dict[str, Callable[[Any], Any]] = {
    "location": lambda value: ["", None, safe_str(value)],
    "keywords": lambda _: {},
    "longrepr": lambda value: ("", None, safe_str(value)),
    "sections": lambda value: [["sections", safe_str(value)]],
    "user_properties": lambda value: [("user_properties", value)],
    "duration": lambda _: 0.0,
    "start": lambda _: 0.0,
    "stop": lambda _: 0.0,
}


def _nearest(value: Any, depth: int) -> Any:
    """Return the nearest value that JSON holds: lists for sequences, text for the unknown."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        number = int.__int__(value)
        return number if number.bit_length() <= MAX_DECIMAL_BITS else cut(hex(number))
    if value is None or isinstance(value, (bool, float)):
        return value
    if depth > 0 and isinstance(value, (list, tuple)):
        return [_nearest(item, depth - 1) for item in value]
    if depth > 0 and isinstance(value, dict):
        return {safe_str(key): _nearest(item, depth - 1) for key, item in value.items()}
    return safe_repr(value)


def _shorter(wire: Dict[str, Any], size: int) -> str:
    """Return the JSON of a report that fits, with a section that says what happened to it."""
    note = "this report had %d bytes: texts, lists or properties of it were left out" % size
    for chars in _SHORTER_CHARS:
        small = cut_texts(wire, chars, note)
        del small["extra"]
        # A packed value with a cut in it may be none any more: the extra fields go as a whole.
        if len(to_json(wire.get("extra"))) <= _REPORT_BYTES // 2:
            small["extra"] = wire.get("extra", {"dict": []})
        text = to_json(small)
        if len(text) <= _REPORT_BYTES:
            break
    return text


def cut_texts(wire: Dict[str, Any], chars: int, note: str) -> Dict[str, Any]:
    """Return a report whose texts and lists are cut, without extra fields, and with a note."""
    small = {key: _cut_within(value, chars) for key, value in wire.items() if key != "extra"}
    small["sections"] = [*small.get("sections", []), ["cut by remotest", note]]
    small["extra"] = {"dict": []}
    return small


def _cut_within(value: Any, chars: int) -> Any:
    if isinstance(value, str):
        return cut(value, chars)
    if isinstance(value, (list, tuple)):
        return [_cut_within(item, chars) for item in value[-_SHORTER_ITEMS:]]
    if isinstance(value, dict):
        first = list(value.items())[:_SHORTER_ITEMS]
        return {cut(str(key), chars): _cut_within(item, chars) for key, item in first}
    return value


def report_from_wire(wire: Dict[str, Any]) -> Dict[str, Any]:
    """Return the serialised form of a report, with the tuples that JSON made lists.

    Raises:
        ProtocolError: where a field has not the shape that pytest reports have.
    """
    data = dict(wire)
    extra = unpack(data.pop("extra", {"dict": []}))
    if type(extra) is not dict or not all(type(key) is str for key in extra):
        raise ProtocolError("a report's extra fields are no dict with names")
    data.update(extra)
    for name in _misshapen(data):
        raise ProtocolError("a report's field %r has a wrong shape" % name)
    for name in ("location", "longrepr"):  # longrepr: where and why an item was skipped
        if type(data.get(name)) is list:
            data[name] = tuple(data[name])
    if "sections" in data:
        data["sections"] = [tuple(section) for section in data["sections"]]
    return data
