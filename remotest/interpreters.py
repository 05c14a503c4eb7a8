"""Several interpreters of one host in one spec: ``python=3.8,3.13,pypy3``, ``3.8+``, ``all``. Pure.

A list is taken apart at once. ``3.8+`` (what the host has at 3.8 or newer) and ``all`` (what the
project's ``requires-python`` allows) need to know what the host has: ``choose_found``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from remotest.errors import SpecError, UsageError
from remotest.spec_rules import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.specifiers import SpecifierSet

    from remotest.spec import TxRequest

ALL: Final = "all"

OLDEST: Final = (3, 6)
"""The grammar of what travels."""

LAST_MICRO: Final = 99
"""More than any minor version has had releases: 3.9.99 stands for the newest 3.9."""

_LISTED: Final = re.compile(r"~?/.*|[^/]+")
_VERSION: Final = re.compile(r"(?:py)?(?P<major>[2-9])\.?(?P<minor>[0-9]{1,2})(?P<threads>t?)")
_AT_LEAST: Final = re.compile(r"(?P<major>[2-9])\.(?P<minor>[0-9]{1,2})\+")
_VERSIONED: Final = re.compile(r"python(?P<version>3(?:\.[0-9]{1,2}t?)?)|pypy3(?:\.[0-9]{1,2})?")
_EXECUTABLE: Final = re.compile(r"(?P<family>python|pypy)(?P<major>3)\.(?P<minor>[0-9]{1,2})")


def expand(request: TxRequest) -> tuple[TxRequest, ...]:
    """Return one request for each interpreter that a spec lists; most list one or none.

    ``3.9`` and ``py39`` in a list or alone are short for ``python3.9``.

    Raises:
        SpecError: the list has an empty part, or an id would name several workers.
    """
    python = request.spec.python
    if python is None or is_open(request):
        return (request,)
    parts = python.split(",")
    if not all(_LISTED.fullmatch(part) for part in parts if part):
        return (request,)  # A comma in a relative path: it is one interpreter.
    if not all(parts):
        raise SpecError(f"--tx {request.redacted()}: python={quote(python)} has an empty part")
    return with_pythons(request, [_executable(part) for part in parts])


def is_open(request: TxRequest) -> bool:
    """Return whether only the host can tell which interpreters are meant."""
    python = request.spec.python
    return python is not None and (python == ALL or _AT_LEAST.fullmatch(python) is not None)


def uv_request(python: str | None) -> str | None:
    """Return what uv calls an interpreter of this name: ``3.9``; None where it knows none such.

    >>> [uv_request(name) for name in (None, "python3.13t", "pypy3.9", "/opt/python3")]
    ['3', '3.13t', 'pypy3.9', None]
    """
    named = _VERSIONED.fullmatch(python or "python3")
    return None if named is None else named["version"] or named[0]


def choose_found(python: str, found: Iterable[str], requires_python: str) -> tuple[str, ...]:
    """Return which of a host's interpreters an open ``python=`` means, the oldest first.

    Args:
        python: ``all`` or ``3.8+``.
        found: paths of interpreters, as their names tell what they are; the first path of a name
            is the one that is meant.
        requires_python: the project's, empty where it has none; for ``all``.

    Raises:
        UsageError: ``requires_python`` is no specifier.
    """
    at_least = _AT_LEAST.fullmatch(python)
    oldest = OLDEST if at_least is None else (int(at_least["major"]), int(at_least["minor"]))
    allowed = _read_requirement(requires_python if at_least is None else "")
    chosen: dict[tuple[bool, int, int], str] = {}
    for path in found:
        name = _EXECUTABLE.fullmatch(path.rpartition("/")[2])
        if name is None:
            continue
        major, minor = int(name["major"]), int(name["minor"])
        # A minor counts as allowed where any of its releases is: which one it is, a name hides.
        versions = (f"{major}.{minor}", f"{major}.{minor}.{LAST_MICRO}")
        if (major, minor) >= max(oldest, OLDEST) and any(map(allowed.contains, versions)):
            chosen.setdefault((name["family"] == "pypy", major, minor), path)
    return tuple(path for _, path in sorted(chosen.items()))


def with_pythons(request: TxRequest, pythons: Sequence[str]) -> tuple[TxRequest, ...]:
    """Return the request for each of these interpreters.

    Raises:
        SpecError: an id would name several workers.
    """
    if len(pythons) > 1 and request.spec.id is not None:
        raise SpecError(
            f"--tx {request.redacted()}: id={request.spec.id} names one worker, "
            f"but python= names {len(pythons)} interpreters"
        )
    return tuple(replace(request, spec=replace(request.spec, python=python)) for python in pythons)


def _executable(part: str) -> str:
    version = _VERSION.fullmatch(part)
    if version is None:
        return part
    return f"python{version['major']}.{version['minor']}{version['threads']}"


def _read_requirement(text: str) -> SpecifierSet:
    # Not at the top: most runs name their interpreters, and need not import this.
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415

    try:
        return SpecifierSet(text)
    except InvalidSpecifier:
        raise UsageError(
            f"requires-python {quote(text)} of the project is no version specifier: "
            "write for example >=3.8"
        ) from None
