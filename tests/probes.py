"""What interpreters tell of themselves, for tests: the real ones, and one as an example."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

PROBE: Final = Path(__file__).parents[1] / "plugin" / "pytest_remotest" / "probe.py"

_ASK: Final = """\
import json, sys
namespace = {"__name__": "probe"}
with open(sys.argv[1]) as file:
    exec(compile(file.read(), sys.argv[1], "exec"), namespace)
answer = {"probe": namespace["probe"](), "distributions": {}}
try:
    from packaging import tags
except ImportError:
    answer["tags"] = None
else:
    answer["tags"] = [str(tag) for tag in tags.sys_tags()]
print(json.dumps(answer))
"""


def ask(python: Path) -> dict[str, Any]:
    """Return what a greeting of an interpreter holds for ``read_target``.

    ``tags`` in it are what the packaging says that is installed there; None without one.
    """
    command = [python, "-c", _ASK, PROBE]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    info: dict[str, Any] = json.loads(answer)
    return info


def example(**changes: Any) -> dict[str, Any]:
    """Return the greeting of a CPython 3.9 on Linux, with other values of its probe."""
    probe = {
        "markers": {
            "implementation_name": "cpython",
            "implementation_version": "3.9.18",
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_release": "6.1.0-13-amd64",
            "platform_system": "Linux",
            "platform_version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.55-1 (2023-09-29)",
            "python_full_version": "3.9.18",
            "python_version": "3.9",
            "sys_platform": "linux",
        },
        "implementation": "cpython",
        "version_info": [3, 9, 18, "final", 0],
        "config": {
            "Py_DEBUG": 0,
            "Py_GIL_DISABLED": None,
            "WITH_PYMALLOC": 1,
            "Py_UNICODE_SIZE": None,
            "EXT_SUFFIX": ".cpython-39-x86_64-linux-gnu.so",
            "SOABI": "cpython-39-x86_64-linux-gnu",
            "py_version_nodot": "39",
        },
        "has_refcount_total": False,
        "max_unicode": 0x10FFFF,
        "extension_suffixes": [".cpython-39-x86_64-linux-gnu.so", ".abi3.so", ".so"],
        "platform": "linux-x86_64",
        "system": "Linux",
        "machine": "x86_64",
        "is_64bit": True,
        "libc": {"kind": "glibc", "version": "2.36"},
        "elf": {
            "bits": 64,
            "is_little_endian": True,
            "machine": 62,
            "flags": 0,
            "interpreter": "/lib64/ld-linux-x86-64.so.2",
        },
        "mac_version": ["", ""],
        "is_virtual": False,
        "is_conda": False,
        "base_prefix": "/usr",
        "base_executable": "/usr/bin/python3.9",
        "cache_tag": "cpython-39",
        "version": "3.9.18 (main, Aug 25 2023) \n[GCC 12.2.0]",
    }
    return {"probe": {**probe, **changes}, "distributions": {"pip": "23.0.1", "My.Pkg": "1"}}
