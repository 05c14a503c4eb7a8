"""Which interpreters a file name says that an extension module is for. Pure.

``speedups.cpython-311-x86_64-linux-gnu.so`` is for one build of Python, ``speedups.abi3.so`` for
CPython from some version on; ``speedups.so`` says nothing, and may be no module at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

STABLE: Final = "abi3"
"""The tag of the stable interface, which every CPython with a GIL keeps."""

_NAME: Final = re.compile(r"(?P<module>[^./]+)(?:\.(?P<tag>[^/]+))?\.(?P<kind>so|pyd)")
_TAG: Final = re.compile(r"cpython-\d.*|pypy\d.*|graalpy\d.*|cp\d+t?-.*|abi3t?")


@dataclass(frozen=True, kw_only=True)
class Extension:
    """What a file name says: the ``module``, and the ``suffix`` with all its dots.

    ``tag`` is None where the suffix names no interpreter.
    """

    module: str
    suffix: str
    tag: str | None

    def suits(self, ext_suffix: str) -> bool:
        """Return whether an interpreter with this EXT_SUFFIX imports it."""
        if self.tag is None:
            return not ext_suffix.startswith(".pypy")
        if self.tag == STABLE:
            return _has_stable_interface(ext_suffix)
        return self.suffix == ext_suffix


def parse_extension(name: str) -> Extension | None:
    """Return what the name of a file says, None if it is not that of an extension module."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    tag = match["tag"]
    if tag is not None and _TAG.fullmatch(tag) is None:
        return None  # libz.1.so and its like
    return Extension(module=match["module"], suffix=name[len(match["module"]) :], tag=tag)


def is_for_some(name: str) -> bool:
    """Return whether a file is an extension module whose name says for which interpreters."""
    extension = parse_extension(name)
    return extension is not None and extension.tag is not None


def is_foreign(name: str, ext_suffixes: Collection[str]) -> bool:
    """Return whether a file is an extension module that none of these interpreters can import."""
    extension = parse_extension(name)
    if extension is None or extension.tag is None:
        return False
    return not any(map(extension.suits, ext_suffixes))


def _has_stable_interface(ext_suffix: str) -> bool:
    """Return whether an interpreter is a CPython with a GIL."""
    return re.match(r"\.(cpython-\d+(?!t)(?!\d)|cp\d+-)", ext_suffix) is not None
