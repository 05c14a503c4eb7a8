"""From what a host says of its interpreter to a Target. Pure; nothing of it is trusted."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal

from packaging.utils import canonicalize_name

from remotest.env.model import Target
from remotest.env.tags import Build, Elf, wheel_tags
from remotest.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKERS: Final = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
)
"""The whole PEP 508 environment."""

MAX_TEXT_CHARS: Final = 4096
"""Of one value: a path; ``sys.version`` is 100."""

MAX_DISTRIBUTIONS: Final = 20_000
"""More than the largest interpreter has: Anaconda's has about 600."""

MAX_MINOR: Final = 99
"""Of a Python, a C library, a macOS: each minor version becomes several tags."""

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_DASHED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")
_SUFFIX: Final = re.compile(r"\.[A-Za-z0-9._-]{1,99}|")
_MACHINE: Final = re.compile(r"[A-Za-z0-9_.-]{0,40}")
_NODOT: Final = re.compile(r"[0-9]{1,4}|")
_PYTHON: Final = re.compile(r"[0-9]\.[0-9]{1,2}\.[0-9]{1,3}(?:(?:a|b|rc)[0-9]{1,3})?\+?")
_TWO_NUMBERS: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_ANY: Final = re.compile(r".*", re.DOTALL)


class _Invalid(Exception):  # noqa: N818  never leaves this module
    """Something is not what ``pytest_remotest.probe`` tells."""


def read_target(info: Mapping[str, Any], *, host: str) -> Target:
    """Return what a greeting's ``info`` says of the interpreter.

    Args:
        info: of the greeting, see ``pytest_remotest.describe`` and ``pytest_remotest.probe``.
        host: the host as the user wrote it, for errors.

    Raises:
        ProtocolError: anything is missing, of another type, too large or no possible value.
    """
    try:
        return _read(info)
    except _Invalid as error:
        raise ProtocolError(
            host=host,
            phase="read what the interpreter is",
            cause=f"its greeting makes no sense: {error}",
            remedy="name another interpreter with python=",
        ) from None


def _read(info: Mapping[str, Any]) -> Target:
    probe = _Table("probe", info.get("probe"))
    markers = probe.table("markers")
    values = {name: markers.text(name) for name in MARKERS}
    markers.text("python_full_version", _PYTHON)
    build = _read_build(probe)
    identity = [
        build.implementation,
        build.ext_suffix,
        build.platform,
        probe.optional_text("cache_tag"),
        probe.text("version"),
        probe.path("base_prefix"),
        build.libc,
        build.libc_version,
        build.is_64bit,
    ]
    return Target(
        markers=values,
        tags=wheel_tags(build),
        ext_suffix=build.ext_suffix,
        is_own=probe.flag("is_virtual") or probe.flag("is_conda"),
        build=json.dumps(identity),
        distributions=_read_distributions(info.get("distributions")),
    )


def _read_build(probe: _Table) -> Build:
    config = probe.table("config")
    libc = probe.table("libc")
    kind = libc.one_of("kind", ("glibc", "musl", ""))
    version = _two_numbers(libc.text("version"))
    if kind and version is None:
        raise _Invalid("probe.libc.version is no version")
    return Build(
        implementation=probe.text("implementation", _WORD),
        version=probe.version("version_info"),
        version_nodot=config.optional_text("py_version_nodot", _NODOT),
        is_debug=config.optional_flag("Py_DEBUG", default=probe.flag("has_refcount_total")),
        is_free_threaded=config.optional_flag("Py_GIL_DISABLED", default=False),
        has_pymalloc=config.optional_flag("WITH_PYMALLOC", default=True),
        ext_suffix=config.optional_text("EXT_SUFFIX", _SUFFIX),
        system=probe.text("system"),
        platform=probe.text("platform", _DASHED),
        machine=probe.text("machine", _MACHINE),
        is_64bit=probe.flag("is_64bit"),
        libc=kind,
        libc_version=version or (0, 0),
        elf=_read_elf(probe),
        mac_version=_read_mac_version(probe),
    )


def _read_elf(probe: _Table) -> Elf | None:
    if probe.value("elf") is None:
        return None
    elf = probe.table("elf")
    return Elf(
        bits=elf.number("bits"),
        is_little_endian=elf.flag("is_little_endian"),
        machine=elf.number("machine"),
        flags=elf.number("flags"),
    )


def _read_mac_version(probe: _Table) -> tuple[int, int] | None:
    value = probe.value("mac_version")
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise _Invalid("probe.mac_version is no list of texts")
    return _two_numbers(value[0])


def _two_numbers(text: str) -> tuple[int, int] | None:
    """Return what ``2.36`` and ``2.20-2014.11`` begin with; None where it is no version."""
    match = _TWO_NUMBERS.match(text)
    return None if match is None else (int(match[1]), int(match[2]))


def _read_distributions(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > MAX_DISTRIBUTIONS:
        raise _Invalid("distributions is no table of names and versions")
    table = _Table("distributions", value)
    if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in value):
        raise _Invalid("distributions holds what is no name")
    return {canonicalize_name(name): table.text(name) for name in value}


class _Table:
    """A mapping of a host's, read with checks; ``name`` is its place, for errors."""

    def __init__(self, name: str, value: object) -> None:
        if not isinstance(value, dict):
            raise _Invalid(f"{name} is no table")
        self._name = name
        self._values = value

    def value(self, key: str) -> object:
        """Return a value, which must be there."""
        if key not in self._values:
            raise _Invalid(f"{self._name}.{key} is missing")
        return self._values[key]

    def table(self, key: str) -> _Table:
        return _Table(f"{self._name}.{key}", self.value(key))

    def text(self, key: str, pattern: re.Pattern[str] = _ANY) -> str:
        """Return a text that may end up on a terminal."""
        value = self.path(key)
        # Line ends stand in sys.version; nothing else that moves a cursor is let in.
        if not pattern.fullmatch(value) or not value.replace("\n", "").isprintable():
            raise self._wrong(key)
        return value

    def path(self, key: str) -> str:
        """Return a text of any characters, also half ones."""
        value = self.value(key)
        if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
            raise self._wrong(key)
        return value

    def optional_text(self, key: str, pattern: re.Pattern[str] = _ANY) -> str:
        return "" if self.value(key) is None else self.text(key, pattern)

    def number(self, key: str) -> int:
        value = self.value(key)
        if not isinstance(value, int):
            raise self._wrong(key)
        return value

    def flag(self, key: str) -> bool:
        value = self.value(key)
        if not isinstance(value, bool):
            raise self._wrong(key)
        return value

    def optional_flag(self, key: str, *, default: bool) -> bool:
        """Return a variable of sysconfig, which is a number, or an empty text, for a flag."""
        value = self.value(key)
        if value is None:
            return default
        if not isinstance(value, (int, str)):
            raise self._wrong(key)
        return bool(value)

    def one_of(
        self, key: str, words: tuple[Literal["glibc", "musl", ""], ...]
    ) -> Literal["glibc", "musl", ""]:
        value = self.value(key)
        for word in words:
            if value == word:
                return word
        raise self._wrong(key)

    def version(self, key: str) -> tuple[int, int]:
        """Return the major and minor of a ``sys.version_info``."""
        value = self.value(key)
        numbers = value[:2] if isinstance(value, list) else []
        if not all(type(number) is int and 0 <= number <= MAX_MINOR for number in numbers):
            raise self._wrong(key)
        if len(numbers) != 2:  # noqa: PLR2004  major, minor
            raise self._wrong(key)
        return (numbers[0], numbers[1])

    def _wrong(self, key: str) -> _Invalid:
        return _Invalid(f"{self._name}.{key} has no possible value")
