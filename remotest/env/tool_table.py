"""``[tool.remotest]`` of pyproject.toml: what a spec does not say."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from remotest.env.project_settings import ProjectSettings, read_project_settings
from remotest.env.unavailable import Unavailable
from remotest.errors import SpecError, UsageError
from remotest.spec_rules import nearest, read_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from remotest.spec import GatewaySpec

PROJECT: Final = "project"
WHEELS: Final = "wheels"
EXCLUDED_PLUGINS: Final = "worker_plugins_exclude"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was named, by a spec or by ``[tool.remotest]``; names may be several, with commas."""

    group: str | None = None
    extra: str | None = None
    req: str | None = None
    lock: str | None = None
    tox: str | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    @classmethod
    def of_spec(cls, spec: GatewaySpec) -> Choice:
        """Return what a spec names."""
        return cls(**{one.name: getattr(spec, one.name) for one in fields(cls)})

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Choice:
        """Return what ``[tool.remotest]`` names."""
        return cls(**{one.name: _joined(table.get(one.name)) for one in fields(cls)})


def tool_table(settings: ProjectSettings) -> Mapping[str, Any]:
    """Return ``[tool.remotest]``.

    Raises:
        Unavailable: it has a key that means nothing, or a value that a spec could not have.
    """
    table = settings.table("tool", "remotest")
    place = f"[tool.remotest] of {settings.directory / 'pyproject.toml'}"
    known = (*(one.name for one in fields(Choice)), PROJECT, WHEELS, EXCLUDED_PLUGINS)
    for key, value in table.items():
        if key not in known:
            near = nearest(key, known)
            hint = f"did you mean {near!r}?" if near else f"the keys are {', '.join(known)}"
            raise Unavailable(f"{place}: unknown key {key!r}: {hint}")
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise Unavailable(f"{place}: {key} has to be a text, or a list of texts")
        try:
            if key != EXCLUDED_PLUGINS:
                read_value(key, _joined(value) or "")
        except SpecError as error:
            raise Unavailable(f"{place}: {error}") from None
    return table


def find_excluded_plugins(base_dir: Path) -> list[str]:
    """Return the distributions of plugins that no worker gets, as ``[tool.remotest]`` says.

    Raises:
        UsageError: the project's settings cannot be read.
    """
    names = _table_in(base_dir).get(EXCLUDED_PLUGINS, [])
    return list(names) if isinstance(names, list) else [names]


def find_project_mode(base_dir: Path) -> str | None:
    """Return what ``[tool.remotest]`` says in the place of ``project=``, None where nothing.

    Raises:
        UsageError: the project's settings cannot be read.
    """
    return _joined(_table_in(base_dir).get(PROJECT))


def find_wheels_mode(base_dir: Path) -> str | None:
    """Return what ``[tool.remotest]`` says in the place of ``wheels=``, None where nothing.

    Raises:
        UsageError: the project's settings cannot be read.
    """
    return _joined(_table_in(base_dir).get(WHEELS))


def _table_in(base_dir: Path) -> Mapping[str, Any]:
    try:
        return tool_table(read_project_settings(base_dir))
    except Unavailable as error:
        raise UsageError(error.cause) from None


def _joined(value: Any) -> str | None:
    """Return a value of the table as a spec would write it: lists with commas."""
    if isinstance(value, list):
        return ",".join(value) or None
    return None if value is None else str(value)
