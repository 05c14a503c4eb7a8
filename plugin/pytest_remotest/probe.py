"""What decides which wheels an interpreter can have: told by it, judged elsewhere.

This file alone is the probe: it imports nothing of ours and parses from Python 3.4 on. ``probe``
returns plain JSON values:

``markers``
    The whole PEP 508 environment, text to text, under the names of ``packaging.markers``:
    implementation_name, implementation_version, os_name, platform_machine,
    platform_python_implementation, platform_release, platform_system, platform_version,
    python_full_version (``3.13.0rc1``, ``3.14.0a1+`` for a build from a checkout), python_version,
    sys_platform.
``implementation``
    ``sys.implementation.name``: ``cpython``, ``pypy``.
``version_info``
    ``[3, 13, 0, "final", 0]``.
``config``
    Of ``sysconfig.get_config_var``, None where there is no such variable: Py_DEBUG,
    Py_GIL_DISABLED, WITH_PYMALLOC, Py_UNICODE_SIZE, EXT_SUFFIX, SOABI, py_version_nodot.
``has_refcount_total``
    Whether ``sys.gettotalrefcount`` exists: a debug build, where Py_DEBUG is None.
``max_unicode``
    ``sys.maxunicode``.
``extension_suffixes``
    ``importlib.machinery.EXTENSION_SUFFIXES``, the best first.
``platform``
    ``sysconfig.get_platform()``: ``linux-x86_64``, ``macosx-11.0-arm64``.
``system``
    ``platform.system()``: ``Linux``, ``Darwin``.
``machine``
    ``platform.machine()``: the kernel's, whatever the interpreter is built for.
``is_64bit``
    Whether ``sys.maxsize`` is above 2**32: false for a 32-bit interpreter on a 64-bit kernel.
``libc``
    ``{"kind": "glibc", "version": "2.36"}``, ``{"kind": "musl", "version": "1.2"}``, or both empty.
``elf``
    Of the interpreter's own file: ``{"bits": 32 or 64, "is_little_endian": bool, "machine": int,
    "flags": int, "interpreter": "/lib64/ld-linux-x86-64.so.2"}``; None where it is no ELF file.
``mac_version``
    ``[release, machine]`` of ``platform.mac_ver()``; two empty texts elsewhere.
``is_virtual``
    Whether it lies in a virtual environment: ``sys.prefix`` is not the base interpreter's.
``is_conda``
    Whether it lies in a conda environment.
``base_prefix``
    The base interpreter's prefix, links resolved: those with the same one share a standard library.
``base_executable``
    The base interpreter's file, links resolved; empty where it cannot be told.
``cache_tag``
    ``sys.implementation.cache_tag``: ``cpython-39``.
``version``
    ``sys.version``, the whole text: it names the build.
"""

import os
import platform
import struct
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES

TYPE_CHECKING = False  # Python 3.4 has no typing; type checkers take the name for true.
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Dict, Optional, Sequence

CONFIG_NAMES = (
    "Py_DEBUG",
    "Py_GIL_DISABLED",
    "WITH_PYMALLOC",
    "Py_UNICODE_SIZE",
    "EXT_SUFFIX",
    "SOABI",
    "py_version_nodot",
)
LOADER_TIMEOUT_S = 10  # The musl loader prints two lines; a home on NFS may be slow.
ELF_HEADER_BYTES = 64  # Of the larger class; no interpreter is smaller.
MAX_PROGRAM_HEADERS = 256  # Of an ELF file: interpreters have about a dozen.
MAX_INTERPRETER_BYTES = 4096  # A path: PATH_MAX of Linux.
PT_INTERP = 3  # From <elf.h>: the program header that names the loader.

# Of the two classes of ELF files: the fields that follow e_ident up to e_phnum, those of a program
# header, and the places in it of p_type, p_offset and p_filesz.
_ELF_CLASSES = {
    1: (32, "HHIIIIIHHH", "IIIIIIII", (0, 1, 4)),
    2: (64, "HHIQQQIHHH", "IIQQQQQQ", (0, 2, 5)),
}


def probe() -> "Dict[str, Any]":
    """Return what is described above."""
    elf = read_elf(sys.executable)
    config = sysconfig.get_config_vars()
    return {
        "markers": markers(),
        "implementation": sys.implementation.name,
        "version_info": list(sys.version_info),
        "config": {name: config.get(name) for name in CONFIG_NAMES},
        "has_refcount_total": hasattr(sys, "gettotalrefcount"),
        "max_unicode": sys.maxunicode,
        "extension_suffixes": list(EXTENSION_SUFFIXES),
        "platform": sysconfig.get_platform(),
        "system": platform.system(),
        "machine": platform.machine(),
        "is_64bit": sys.maxsize > 2**32,
        "libc": libc(elf),
        "elf": elf,
        "mac_version": [platform.mac_ver()[0], platform.mac_ver()[2]],
        "is_virtual": sys.prefix != base_prefix(),
        "is_conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")),
        "base_prefix": os.path.realpath(base_prefix()),
        "base_executable": base_executable(),
        "cache_tag": sys.implementation.cache_tag,
        "version": sys.version,
    }


def markers() -> "Dict[str, str]":
    """Return the PEP 508 environment."""
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": _full_version(sys.implementation.version),
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


def _full_version(info: "Sequence[Any]") -> str:
    version = "%d.%d.%d" % tuple(info[:3])
    if info[3] != "final":
        version += info[3][0] + str(info[4])
    return version


def base_prefix() -> str:
    """Return the prefix of the interpreter that a virtual environment was made from."""
    # ``real_prefix``: virtualenv before 20, on any Python.
    return str(getattr(sys, "real_prefix", None) or sys.base_prefix)


def base_executable() -> str:
    """Return the file of the base interpreter, links resolved; "" where it cannot be told."""
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable or "")
    base = os.path.realpath(base_prefix())
    if sys.prefix == base_prefix() or _is_below(executable, base):
        return executable
    # An environment that holds a copy, not a link. Only the names that venv itself tries are.
    for name in ("python%d.%d" % sys.version_info[:2], "python3", "pypy3", "python"):
        candidate = os.path.realpath(os.path.join(base, "bin", name))
        if os.access(candidate, os.X_OK):
            return candidate
    return executable if not _is_below(executable, os.path.realpath(sys.prefix)) else ""


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip(os.sep) + os.sep)


# -- the C library -------------------------------------------------------------------------------


def libc(elf: "Optional[Dict[str, Any]]") -> "Dict[str, str]":
    """Return the kind and version of the C library that runs this interpreter."""
    glibc = _glibc_by_confstr() or _glibc_by_ctypes()
    if glibc:
        return {"kind": "glibc", "version": glibc}
    musl = _musl(elf)
    return {"kind": "musl" if musl else "", "version": musl}


def _glibc_by_confstr() -> str:
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").rsplit()
    except (AttributeError, OSError, ValueError):  # another libc than the GNU's
        return ""
    return version if name == "glibc" else ""


def _glibc_by_ctypes() -> str:
    try:
        import ctypes  # noqa: PLC0415  an interpreter may be built without

        tell = ctypes.CDLL(None).gnu_get_libc_version
    except (ImportError, OSError, AttributeError, TypeError):  # another libc, or a static build
        return ""
    tell.restype = ctypes.c_char_p
    return str(tell().decode("ascii", "replace"))


def _musl(elf: "Optional[Dict[str, Any]]") -> str:
    """Return the version of musl, as its loader tells it; "" where the loader is no musl."""
    loader = elf["interpreter"] if elf else ""
    if "musl" not in loader:
        return ""
    try:
        process = subprocess.Popen([loader], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError:  # an interpreter that was linked elsewhere
        return ""
    try:
        said = process.communicate(timeout=LOADER_TIMEOUT_S)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return ""
    return musl_version(said.decode("utf-8", "replace"))


def musl_version(said: str) -> str:
    """Return the version in what musl's loader prints without arguments; "" where none is."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if len(lines) < 2 or not lines[0].startswith("musl"):  # noqa: PLR2004  name, then version
        return ""
    word, _, version = lines[1].partition(" ")
    return version if word == "Version" else ""


# -- the interpreter's file ----------------------------------------------------------------------


def read_elf(path: str) -> "Optional[Dict[str, Any]]":
    """Return what an ELF file says of itself, as in ``probe``; None for any other file."""
    try:
        with open(path, "rb") as file:
            return _read_elf(file)
    except (OSError, ValueError, struct.error, TypeError):
        return None


def _read_elf(file: "BinaryIO") -> "Optional[Dict[str, Any]]":
    header = file.read(ELF_HEADER_BYTES)
    if header[:4] != b"\x7fELF" or len(header) < ELF_HEADER_BYTES:
        return None
    if header[4] not in _ELF_CLASSES or header[5] not in (1, 2):
        return None
    bits, header_format, row_format, places = _ELF_CLASSES[header[4]]
    order = "<" if header[5] == 1 else ">"
    fields = struct.unpack_from(order + header_format, header, 16)
    (_, machine, _, _, table, _, flags, _, row_size, row_count) = fields
    interpreter = ""
    for number in range(min(row_count, MAX_PROGRAM_HEADERS)):
        file.seek(table + number * row_size)
        row = struct.unpack(order + row_format, file.read(struct.calcsize(order + row_format)))
        kind, offset, size = [row[place] for place in places]
        if kind == PT_INTERP:
            file.seek(offset)
            interpreter = os.fsdecode(file.read(min(size, MAX_INTERPRETER_BYTES))).strip("\0")
            break
    return {
        "bits": bits,
        "is_little_endian": header[5] == 1,
        "machine": machine,
        "flags": flags,
        "interpreter": interpreter,
    }
