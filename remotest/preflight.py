"""Which agents can run the suite at all, judged by how they start and greet. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from remotest.errors import EnvError, HostError, HostLost
from remotest.hosttext import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

OLDEST_PYTEST: Final = (7, 0)
"""The last pytest for Python 3.6 is 7.0.1; older ones lack hooks that workers use."""

MAX_WORD_CHARS: Final = 64
"""Of a name or version that an interpreter tells: it stands in a table."""

MAX_PATH_CHARS: Final = 4096
"""As Linux has it."""


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
    """Return what a greeting says, with every value forced to its type and to a line's length."""
    pytest_version = info.get("pytest_version")
    numbers = info.get("version_info")
    version = ".".join(_word(part) for part in numbers[:3]) if isinstance(numbers, list) else "?"
    count = info.get("cpu_count")
    return Interpreter(
        implementation=_word(info.get("implementation")),
        version=version,
        executable=one_line(str(info.get("executable"))[:MAX_PATH_CHARS]),
        prefix=str(info.get("prefix")),
        hostname=_word(info.get("hostname")),
        pytest_version=None if pytest_version is None else _word(pytest_version),
        cpu_count=count if isinstance(count, int) and count > 0 else 1,
    )


def ext_suffix(greeting: Mapping[str, Any]) -> str | None:
    """Return what an interpreter's extension modules end with, None where it does not say."""
    probe = greeting.get("probe")
    config = probe.get("config") if isinstance(probe, dict) else None
    suffix = config.get("EXT_SUFFIX") if isinstance(config, dict) else None
    return suffix if isinstance(suffix, str) else None


def _word(value: Any) -> str:
    return one_line(str(value)[:MAX_WORD_CHARS])


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


class Preflight:
    """How the start of each agent of a run went, and what follows when all are known.

    An interpreter that cannot run the suite is a mistake in what was asked for: nothing is
    collected anywhere then. A host that cannot be reached leaves the others to run.
    """

    def __init__(self, agent_count: int) -> None:
        self._agent_count = agent_count
        self._errors: dict[str, HostError | None] = {}
        self._lost_early: dict[str, str] = {}

    def note(self, agent: str, error: HostError | None) -> None:
        """Keep that an agent has started, or why it has not."""
        reason = self._lost_early.get(agent)
        if error is None and reason is not None:
            error = HostLost(host=agent, phase="start the agent", cause=reason)
        self._errors[agent] = error

    def lose(self, agent: str, reason: str) -> bool:
        """Keep that an agent has ended; return whether it had started.

        Its start is told by a thread of its own, and may come after its end.
        """
        self._lost_early.setdefault(agent, reason)
        return self.has_started(agent)

    def is_known(self, agent: str) -> bool:
        """Return whether an agent has started or failed."""
        return agent in self._errors

    def has_started(self, agent: str) -> bool:
        """Return whether an agent has started, and can run the suite."""
        return agent in self._errors and self._errors[agent] is None

    @property
    def is_complete(self) -> bool:
        """Whether every agent has started or failed."""
        return len(self._errors) == self._agent_count

    def failures(self) -> dict[str, str]:
        """Return why each agent that must not run does not: agent -> reason."""
        unusable = self._unusable()
        nothing_was_run = f"nothing was run: {', '.join(unusable)} cannot run the suite"
        return {
            agent: nothing_was_run if error is None else error.cause
            for agent, error in self._errors.items()
            if error is not None or unusable
        }

    def usable(self) -> list[str]:
        """Return the agents that run the suite."""
        if self._unusable():
            return []
        return [agent for agent, error in self._errors.items() if error is None]

    def _unusable(self) -> list[str]:
        return [agent for agent, error in self._errors.items() if isinstance(error, EnvError)]
