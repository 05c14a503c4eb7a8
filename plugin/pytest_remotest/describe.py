"""What an agent tells of its host and interpreter in its greeting. No import of pytest here."""

import importlib.util
import os
import platform
import re
import socket
import subprocess
import sys
import time
from typing import Any, Dict, Optional

from pytest_remotest import cachefolder, probe

PYTEST_VERSION_TIMEOUT_S = 30.0  # Importing pytest from a slow NFS home.
_DISTRIBUTION = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-]+)(-.*)?\.(dist|egg)-info$")


def describe() -> Dict[str, Any]:
    """Return the greeting's ``info``: plain text, numbers, lists and dicts."""
    packages = distributions()
    return {
        "version": sys.version,
        "version_info": list(sys.version_info),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "sysplatform": sys.platform,
        "hostname": socket.gethostname(),
        "home": os.path.expanduser("~"),
        "cwd": os.getcwd(),
        "pid": os.getpid(),
        "user_id": os.getuid() if hasattr(os, "getuid") else -1,
        "cpu_count": cpu_count(),
        "memory_bytes": memory_bytes(),
        "caches": cachefolder.tell(os.environ),
        "pytest_version": pytest_version(packages),
        "distributions": packages,
        "probe": probe.probe(),
        # Last: it is compared with the time at which this arrives.
        "clock": time.time(),
    }


def cpu_count() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes() -> Optional[int]:
    """Return how much memory this machine has; None where it does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def distributions() -> Dict[str, str]:
    """Return name -> version of what is installed, read from the names of the folders alone.

    Asking ``importlib.metadata`` opens each METADATA file and does not exist before 3.8.
    """
    found: Dict[str, str] = {}
    for directory in sys.path:
        try:
            names = os.listdir(directory or ".")
        except OSError:  # sys.path may name what is not there
            continue
        for name in names:
            match = _DISTRIBUTION.match(name)
            if match:
                key = re.sub(r"[-_.]+", "-", match.group("name")).lower()
                found.setdefault(key, match.group("version"))
    return found


def pytest_version(packages: Dict[str, str]) -> Optional[str]:
    """Return the version of the pytest that this interpreter imports, or None without one."""
    if importlib.util.find_spec("pytest") is None:
        return None
    if "pytest" in packages:
        return packages["pytest"]
    # A pytest without metadata: a source checkout on the path. Only an import tells.
    command = [sys.executable, "-c", "import pytest; print(pytest.__version__)"]
    try:
        result = subprocess.run(
            command, stdout=subprocess.PIPE, timeout=PYTEST_VERSION_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.decode("utf-8", "replace").strip() or None
