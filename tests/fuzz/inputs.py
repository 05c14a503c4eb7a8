"""Bytes to try: values that break readers, JSON of them, and files of a corpus with a few edits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypothesis.strategies import DrawFn, SearchStrategy

DEEP: Final = "@deep@"
LONG_NUMBER: Final = "@long number@"
ODD_PARTS: Final = {
    DEEP: b"[" * 970 + b"]" * 970,  # Just what json still reads with the usual recursion limit.
    LONG_NUMBER: b"7" * 5000,
}
"""Texts that stand for what no encoder of JSON writes."""

ODD_TEXTS: Final = (
    *("", "\ud800", "\udcff", "\x00", "\x1b]0;x\x07", "\u202e", "\r\n", "a\nb", "%s%n", "{0}"),
    *("../x", "/etc/passwd", "~/x", "a" * 5000, "::error::x", "\u0661", "nan", "None", "\u00df"),
)
ODD_NUMBERS: Final = (
    *(0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**400),
    *(0.5, 1e308, float("inf"), float("-inf"), float("nan")),
)

TEXTS: Final = st.text(max_size=20) | st.sampled_from(ODD_TEXTS)
SCALARS: Final = (
    st.none() | st.booleans() | st.integers() | st.sampled_from([*ODD_NUMBERS, *ODD_PARTS]) | TEXTS
)
JSON: Final[SearchStrategy[Any]] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)


def to_json(value: Any) -> bytes:
    """Return a value as JSON in ASCII, with the odd parts that it names."""
    data = json.dumps(value).encode("ascii")
    for name, part in ODD_PARTS.items():
        data = data.replace(json.dumps(name).encode("ascii"), part)
    return data


def like(value: Any) -> SearchStrategy[Any]:
    """Return values of the form of one, each part of which may be any other."""
    if isinstance(value, dict):
        parts = {name: like(part) for name, part in value.items()}
        others = st.dictionaries(TEXTS, JSON, max_size=1)
        same = st.fixed_dictionaries({}, optional=parts)
        return st.builds(lambda one, more: {**one, **more}, same, others) | _rarely(JSON, value)
    if isinstance(value, list):
        return st.lists(st.one_of([like(part) for part in value]) if value else JSON, max_size=6)
    return st.just(value) | _rarely(JSON, value)


@st.composite
def with_changes(draw: DrawFn, value: Any, count: int = 2) -> Any:
    """Return a value in which a few places, however deep, hold something else."""
    changed = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(0, count))):
        holder, key = draw(_places(changed))
        what = draw(st.sampled_from(["other", "other", "odd", "gone", "more"]))
        if what == "gone":
            del holder[key]
        elif what == "more" and isinstance(holder, dict):
            holder[draw(TEXTS)] = draw(JSON)
        else:
            holder[key] = draw(st.sampled_from([*ODD_PARTS]) if what == "odd" else JSON)
        if not changed:
            break
    return changed


def _places(value: Any) -> SearchStrategy[tuple[Any, Any]]:
    """Return a strategy for a dict or list within a value and a key of it."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    for holder in waiting:
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return st.sampled_from(found)


def _rarely(other: SearchStrategy[Any], usual: Any) -> SearchStrategy[Any]:
    return st.integers(0, 4).flatmap(lambda number: other if number == 0 else st.just(usual))


@st.composite
def edited(draw: DrawFn, seeds: Sequence[bytes], words: Iterable[bytes] = ()) -> bytes:
    """Return one of some files with a few bytes or words of it changed, moved or left out."""
    data = draw(st.sampled_from(list(seeds) or [b""]))
    pieces = st.binary(min_size=1, max_size=8)
    if words := list(words):
        pieces = pieces | st.sampled_from(words)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 40)))
        what = draw(st.sampled_from(["insert", "replace", "remove", "double"]))
        if what == "insert":
            data = data[:start] + draw(pieces) + data[start:]
        elif what == "replace":
            data = data[:start] + draw(pieces) + data[end:]
        elif what == "remove":
            data = data[:start] + data[end:]
        else:
            data = data[:end] + data[start:end] + data[end:]
    return data


def lines_of(words: Iterable[str], *, max_size: int = 6) -> SearchStrategy[bytes]:
    """Return short texts that are made of words of a language, and of anything."""
    word = st.sampled_from(list(words)) | st.text(max_size=6)
    line = st.lists(word, max_size=6).map("".join)
    texts = st.lists(line, max_size=max_size).map("\n".join)
    return texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
