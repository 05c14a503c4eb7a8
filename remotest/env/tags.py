"""Which wheels an interpreter of another machine can have. Pure.

``packaging.tags`` computes the tags of the interpreter that it runs in; its functions take what it
would find out there as arguments, but for the platforms of Linux, which are computed here alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from packaging.tags import INTERPRETER_SHORT_NAMES, compatible_tags, cpython_tags, generic_tags
from packaging.tags import mac_platforms as packaging_mac_platforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.tags import Tag

LEGACY_MANYLINUX: Final = {
    (2, 17): "manylinux2014",
    (2, 12): "manylinux2010",
    (2, 5): "manylinux1",
}
"""PEP 599, 571, 513: names of a glibc from before PEP 600."""

MANYLINUX_ARCHITECTURES: Final = frozenset(
    ("x86_64", "aarch64", "ppc64", "ppc64le", "s390x", "loongarch64", "riscv64")
)
"""Those for which the name of the architecture says the ABI; see ``_has_manylinux_abi``."""

OLDEST_GLIBC_MINOR: Final = 17
OLDEST_GLIBC_MINOR_X86: Final = 5
"""Of the manylinux wheels that there are, by architecture."""

MACHINE_I386: Final = 3
MACHINE_ARM: Final = 40
"""In the header of an ELF file."""

ARM_ABI_MASK: Final = 0xFF000000
ARM_ABI_5: Final = 0x05000000
ARM_HARD_FLOAT: Final = 0x00000400

COMPATIBLE_MAC: Final = (10, 16)
"""What macOS 11 and later call themselves towards programs built for an older SDK."""


@dataclass(frozen=True, kw_only=True)
class Elf:
    """What the header of an interpreter's own file says."""

    bits: int
    is_little_endian: bool
    machine: int
    flags: int


@dataclass(frozen=True, kw_only=True)
class Build:
    """How an interpreter was built, and for what, as ``pytest_remotest.probe`` tells it.

    Attributes:
        implementation: ``cpython``, ``pypy``.
        version: major and minor.
        version_nodot: of sysconfig; empty where it does not say.
        is_debug: extension modules of a debug build are others.
        is_free_threaded: built without the global lock.
        has_pymalloc: of CPython before 3.8.
        ext_suffix: of its extension modules; empty where it has none.
        system: ``Linux``, ``Darwin``.
        platform: of sysconfig, ``linux-x86_64``.
        machine: the kernel's.
        is_64bit: the interpreter is.
        libc: which one runs it; ``""`` where that is unknown, and its version.
        elf: of the interpreter's file; None where it is no ELF file.
        mac_version: major and minor; None elsewhere.
    """

    implementation: str
    version: tuple[int, int]
    version_nodot: str
    is_debug: bool
    is_free_threaded: bool
    has_pymalloc: bool
    ext_suffix: str
    system: str
    platform: str
    machine: str
    is_64bit: bool
    libc: Literal["glibc", "musl", ""]
    libc_version: tuple[int, int]
    elf: Elf | None
    mac_version: tuple[int, int] | None


def wheel_tags(build: Build) -> tuple[Tag, ...]:
    """Return the tags of the wheels that an interpreter can have, the best first."""
    platforms = list(_platforms(build))
    short = INTERPRETER_SHORT_NAMES.get(build.implementation, build.implementation)
    nodot = build.version_nodot or f"{build.version[0]}{build.version[1]}"
    if short == "cp":
        specific = cpython_tags(build.version, _cpython_abis(build), platforms)
    else:
        specific = generic_tags(f"{short}{nodot}", _generic_abis(build), platforms)
    # "pp3" is packaging's, for the pure wheels that PyPy's own tools make.
    interpreter = {"cp": f"cp{nodot}", "pp": "pp3"}.get(short)
    every = [*specific, *compatible_tags(build.version, interpreter, platforms)]
    return tuple(dict.fromkeys(every))


def _cpython_abis(build: Build) -> list[str]:
    base = f"cp{build.version[0]}{build.version[1]}"
    threads = "t" if build.is_free_threaded and build.version >= (3, 13) else ""
    debug = "d" if build.is_debug else ""
    if build.version < (3, 8):
        return [f"{base}{debug}{'m' if build.has_pymalloc else ''}"]
    # A debug build can load what was built for the other.
    return [f"{base}{threads}{debug}", *([f"{base}{threads}"] if debug else [])]


def _generic_abis(build: Build) -> list[str]:
    """Return the ABI that the suffix ``.pypy39-pp73-x86_64-linux-gnu.so`` names."""
    parts = build.ext_suffix.split(".")
    if len(parts) < 3:  # noqa: PLR2004  nothing, the name, the suffix
        return []
    words = parts[1].split("-")
    if words[0] == "cpython" and len(words) > 1:
        return [f"cp{words[1]}"]
    count = {"pypy": 2, "graa": 3}.get(words[0][:4], len(words))
    abi = _normalized("-".join(words[:count]))
    return [abi] if abi else []


def _platforms(build: Build) -> Iterator[str]:
    if build.system == "Darwin" and build.mac_version is not None:
        version = (11, 0) if build.mac_version == COMPATIBLE_MAC else build.mac_version
        yield from packaging_mac_platforms(version, build.machine)
    elif build.system == "Linux":
        yield from _linux_platforms(build)
    else:
        yield _normalized(build.platform)


def _linux_platforms(build: Build) -> Iterator[str]:
    linux = _normalized(build.platform)
    if not linux.startswith("linux_"):
        yield linux
        return
    if not build.is_64bit:
        linux = {"linux_x86_64": "linux_i686", "linux_aarch64": "linux_armv8l"}.get(linux, linux)
    architecture = linux.removeprefix("linux_")
    architectures = ["armv8l", "armv7l"] if architecture == "armv8l" else [architecture]
    yield from (f"linux_{name}" for name in architectures)
    if build.libc == "glibc" and _has_manylinux_abi(build, architectures):
        yield from (tag for name in architectures for tag in _manylinux(build.libc_version, name))
    if build.libc == "musl":
        major, newest = build.libc_version
        for name in architectures:
            yield from (f"musllinux_{major}_{minor}_{name}" for minor in range(newest, -1, -1))


def _manylinux(glibc: tuple[int, int], architecture: str) -> Iterator[str]:
    """Yield the names of a glibc and of all before it, of its major version."""
    is_x86 = architecture in ("x86_64", "i686")
    oldest = OLDEST_GLIBC_MINOR_X86 if is_x86 else OLDEST_GLIBC_MINOR
    major, newest = glibc
    for minor in range(newest, oldest - 1, -1):
        yield f"manylinux_{major}_{minor}_{architecture}"
        if (major, minor) in LEGACY_MANYLINUX:
            yield f"{LEGACY_MANYLINUX[major, minor]}_{architecture}"


def _has_manylinux_abi(build: Build, architectures: list[str]) -> bool:
    elf = build.elf
    is_32bit = elf is not None and elf.bits == 32 and elf.is_little_endian  # noqa: PLR2004
    if "armv7l" in architectures:
        return (
            elf is not None
            and is_32bit
            and elf.machine == MACHINE_ARM
            and elf.flags & ARM_ABI_MASK == ARM_ABI_5
            and elf.flags & ARM_HARD_FLOAT == ARM_HARD_FLOAT
        )
    if "i686" in architectures:
        return elf is not None and is_32bit and elf.machine == MACHINE_I386
    return any(name in MANYLINUX_ARCHITECTURES for name in architectures)


def _normalized(text: str) -> str:
    return text.replace(".", "_").replace("-", "_").replace(" ", "_")
