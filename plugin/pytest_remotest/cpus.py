"""How many workers ``-n auto`` and ``-n logical`` are on this machine."""

import os
import sys
import warnings
from typing import Any, Iterator, Mapping, Optional

OWN_VARIABLE = "PYTEST_XDIST_AUTO_NUM_WORKERS"


def auto_count(*, logical: bool) -> int:
    """Return the number: what the user has said, or how many CPUs this process may use.

    What is said wins in this order: PYTEST_XDIST_AUTO_NUM_WORKERS, ``-X cpu_count``,
    PYTHON_CPU_COUNT. psutil, where it is installed, knows physical CPUs from logical ones.
    """
    said = next(said_counts(os.environ, getattr(sys, "_xoptions", {})), None)
    if said is not None:
        return said
    if logical and hasattr(os, "process_cpu_count"):  # new in Python 3.13
        found = os.process_cpu_count()
        if found:
            return int(found)
    return psutil_count(logical=logical) or usable_count()


def said_counts(variables: Mapping[str, str], x_options: Mapping[str, Any]) -> Iterator[int]:
    """Yield what the user said, the strongest first.

    A text that is no number is passed over with a warning, as pytest-xdist does.
    """
    for name, text in (
        (OWN_VARIABLE, variables.get(OWN_VARIABLE)),
        ("-X cpu_count", x_options.get("cpu_count")),
        ("PYTHON_CPU_COUNT", variables.get("PYTHON_CPU_COUNT")),
    ):
        if not text or text == "default":  # Python's word for "as if this were not said"
            continue
        try:
            yield int(text)
        except ValueError:
            warnings.warn("%s is not a number: %r. Ignoring it." % (name, text), stacklevel=2)


def psutil_count(*, logical: bool) -> Optional[int]:
    """Return what psutil knows, or None where it is not installed or knows nothing."""
    try:
        import psutil  # noqa: PLC0415  it is optional, and slow to import
    except ImportError:
        return None
    count: Optional[int] = psutil.cpu_count(logical=logical) or psutil.cpu_count()
    return count


def usable_count() -> int:
    """Return how many CPUs this process may use, as the operating system tells it."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
