"""An interpreter in the words of ``uv pip compile --python-platform``, where it has any. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from remotest.env.model import Target

GLIBC: Final = {
    17: "manylinux2014",
    **{minor: f"manylinux_2_{minor}" for minor in (28, *range(31, 41))},
}
"""Minor versions of glibc that uv knows, by its words for them."""

MACHINES: Final = frozenset({"x86_64", "aarch64"})

_MANYLINUX: Final = re.compile(r"manylinux_2_(?P<minor>[0-9]{1,3})_(?P<machine>\w+)")
_MUSLLINUX: Final = re.compile(r"musllinux_1_(?P<minor>[0-9]{1,3})_(?P<machine>\w+)")


def uv_platform(target: Target) -> str | None:
    """Return what uv calls the platform of an interpreter: its own, or one a little older.

    None where it has no word for it, or none for the interpreter: uv resolves for CPython only.
    """
    markers = target.markers
    if markers["platform_python_implementation"] != "CPython" or target.tags[0].abi.endswith("t"):
        return None
    machine = {"arm64": "aarch64"}.get(markers["platform_machine"], markers["platform_machine"])
    if machine not in MACHINES:
        return None
    if markers["sys_platform"] == "darwin":
        return f"{machine}-apple-darwin"
    platforms = {tag.platform for tag in target.tags}
    minors = [
        int(found["minor"])
        for found in map(_MANYLINUX.fullmatch, platforms)
        if found and found["machine"] == machine
    ]
    known = [minor for minor in GLIBC if minors and minor <= max(minors)]
    if known:
        return f"{machine}-{GLIBC[max(known)]}"
    if any(map(_MUSLLINUX.fullmatch, platforms)):
        return f"{machine}-unknown-linux-musl"
    return None


def release(target: Target) -> str:
    """Return the version of an interpreter as tools take it: no pre-release, at most 3 numbers."""
    found = re.match(r"\d+(\.\d+){0,2}", target.markers["python_full_version"])
    return found[0] if found else target.markers["python_version"]
