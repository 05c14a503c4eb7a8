"""Whether an interpreter can run the suite at all, judged by its agent's greeting. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from remotest.errors import EnvError

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST_PYTEST: Final = (7, 0)
"""The last pytest for Python 3.6 is 7.0.1; older ones lack hooks that workers use."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """One interpreter on one host, as it described itself."""

    implementation: str
    version: str
    executable: str
    prefix: str
    hostname: str
    pytest_version: str | None
    cpu_count: int

    @property
    def tag(self) -> str:
        """A short name: ``py39``, ``pypy39``."""
        major, minor, *_ = [*self.version.split("."), "0"]
        family = "py" if self.implementation == "CPython" else self.implementation.lower()
        return f"{family}{major}{minor}"


def read_interpreter(info: Mapping[str, Any]) -> Interpreter:
    """Return what a greeting says, with every value forced to its type."""
    pytest_version = info.get("pytest_version")
    numbers = info.get("version_info")
    version = ".".join(str(part) for part in numbers[:3]) if isinstance(numbers, list) else "?"
    count = info.get("cpu_count")
    return Interpreter(
        implementation=str(info.get("implementation")),
        version=version,
        executable=str(info.get("executable")),
        prefix=str(info.get("prefix")),
        hostname=str(info.get("hostname")),
        pytest_version=None if pytest_version is None else str(pytest_version),
        cpu_count=count if isinstance(count, int) and count > 0 else 1,
    )


def check_interpreter(host: str, interpreter: Interpreter) -> None:
    """Check that the interpreter has a pytest that workers can run in.

    Raises:
        EnvError: it has none, or one that is too old.
    """
    where = f"Python {interpreter.version} at {interpreter.executable}"
    needed = ".".join(str(part) for part in OLDEST_PYTEST)
    install = f"{interpreter.executable} -m pip install 'pytest>={needed}'"
    if interpreter.pytest_version is None:
        raise EnvError(
            host=host,
            phase="preflight",
            cause=f"{where} has no pytest",
            remedy=f"{install}, there, or name an interpreter that has one with python=",
        )
    if _release(interpreter.pytest_version) < OLDEST_PYTEST:
        raise EnvError(
            host=host,
            phase="preflight",
            cause=f"{where} has pytest {interpreter.pytest_version}: "
            f"workers need {needed} or newer",
            remedy=f"{install}, there, or name an interpreter that has one with python=",
        )


def _release(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: enough to compare majors and minors."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
