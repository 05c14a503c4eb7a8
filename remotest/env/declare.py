"""What a suite needs: the first place that says so.

The keys of a spec, ``[tool.remotest]``, a lock, a dependency group, an extra, a requirements file,
and at last what the project itself needs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name

from remotest.env.model import Wanted
from remotest.env.project_needs import extras, groups, own_requirements, requires_python
from remotest.env.project_settings import ProjectSettings, read_project_settings
from remotest.env.requirement_files import RequirementFile, read_lines, read_requirement_file
from remotest.env.tox_deps import read_tox, tox_lines
from remotest.env.unavailable import Unavailable
from remotest.errors import UsageError
from remotest.spec_rules import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from remotest.spec import GatewaySpec

GROUPS: Final = ("test", "tests", "dev")
EXTRAS: Final = ("test", "tests", "testing")
LOCKS: Final = ("pylock.toml", "uv.lock")
FILES: Final = (
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements-testing.txt",
    "test-requirements.txt",
    "requirements_test.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements/testing.txt",
    "tests/requirements.txt",
    "test/requirements.txt",
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements/dev.txt",
)
"""The usual spellings, those for tests first."""

OTHER_KEYS: Final = ("project", "worker_plugins_exclude")
"""Of ``[tool.remotest]``, beside those of a Choice."""


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


def find_wanted(base_dir: Path, spec: GatewaySpec) -> Wanted:
    """Return what a suite needs on the interpreter of a spec.

    Raises:
        UsageError: what is named is not there, or a file cannot be understood.
    """
    try:
        settings = read_project_settings(base_dir)
        table = tool_table(settings)
        chosen = Choice(**{one.name: getattr(spec, one.name) for one in fields(Choice)})
        from_table = Choice(**{one.name: _joined(table.get(one.name)) for one in fields(Choice)})
        named = chosen or from_table
        return _of_choice(settings, named) if named else _of_project(settings)
    except Unavailable as error:
        remedy = f"; {error.remedy}" if error.remedy else ""
        raise UsageError(f"{error.cause}{remedy}") from None


def find_requires_python(base_dir: Path) -> str:
    """Return which Pythons a project is for, empty where it does not say.

    Raises:
        UsageError: its settings cannot be read.
    """
    try:
        return requires_python(read_project_settings(base_dir))
    except Unavailable as error:
        raise UsageError(error.cause) from None


def find_excluded_plugins(base_dir: Path) -> list[str]:
    """Return the distributions of plugins that no worker gets, as ``[tool.remotest]`` says.

    Raises:
        UsageError: the project's settings cannot be read.
    """
    try:
        table = tool_table(read_project_settings(base_dir))
    except Unavailable as error:
        raise UsageError(error.cause) from None
    names = table.get("worker_plugins_exclude", [])
    return [str(name) for name in names] if isinstance(names, list) else [str(names)]


def tool_table(settings: ProjectSettings) -> Mapping[str, Any]:
    """Return ``[tool.remotest]``.

    Raises:
        Unavailable: it has a key that means nothing.
    """
    table = settings.table("tool", "remotest")
    known = (*(one.name for one in fields(Choice)), *OTHER_KEYS)
    for key in table:
        if key not in known:
            near = nearest(key, known)
            hint = f"did you mean {near!r}?" if near else f"the keys are {', '.join(known)}"
            path = settings.directory / "pyproject.toml"
            raise Unavailable(f"[tool.remotest] of {path}: unknown key {key!r}: {hint}")
    return table


def _joined(value: Any) -> str | None:
    """Return a value of the table as a spec would write it: lists with commas."""
    if isinstance(value, list):
        return ",".join(map(str, value)) or None
    return None if value is None else str(value)


def _of_choice(settings: ProjectSettings, choice: Choice) -> Wanted:
    base = settings.directory
    group_names, extra_names = _names(choice.group), _names(choice.extra)
    if choice.lock is not None:
        path = base / choice.lock
        if not path.is_file():
            raise Unavailable(f"lock={choice.lock}: there is no {path}")
        return _of_lock(settings, path, group_names, extra_names)
    parts = [f"group {name!r}" for name in group_names]
    parts += [f"extra {name!r}" for name in extra_names]
    needs = [
        *(text for name in group_names for text in _look_up("group", name, groups(settings))),
        *(text for name in extra_names for text in _look_up("extra", name, extras(settings))),
    ]
    title = f"{' and '.join(parts)} of {_settings_file(settings)}" if parts else ""
    files = [read_requirement_file(base / name) for name in _names(choice.req)]
    titles = [title, *_names(choice.req)]
    if choice.tox is not None:
        files.append(_of_tox(settings, choice.tox))
        titles.append(f"environment {choice.tox!r} of tox.ini")
    return _wanted(settings, " and ".join(filter(None, titles)), needs, files)


def _of_project(settings: ProjectSettings) -> Wanted:
    """Return what a project says without being asked."""
    base = settings.directory
    there = groups(settings)
    group = next((name for name in GROUPS if there.get(name)), None)
    known_extras = extras(settings)
    extra = next((name for name in EXTRAS if known_extras.get(name)), None)
    for name in LOCKS:
        if (base / name).is_file():
            chosen_extras = (extra,) if extra and not group else ()
            return _of_lock(settings, base / name, (group,) if group else (), chosen_extras)
    if group is not None:
        title = f"group {group!r} of {_settings_file(settings)}"
        return _wanted(settings, title, there[group], [])
    if extra is not None:
        title = f"extra {extra!r} of {_settings_file(settings)}"
        return _wanted(settings, title, known_extras[extra], [])
    for name in FILES:
        if (base / name).is_file():
            return _wanted(settings, name, [], [read_requirement_file(base / name)])
    tests_require = (settings.setup or {}).get("tests_require")
    needs = [text for text in tests_require or () if isinstance(text, str)]
    if own_requirements(settings) or needs:
        return _wanted(settings, f"dependencies of {_settings_file(settings)}", needs, [])
    return _wanted(settings, "pytest and the plugins of here", [], [])


def _wanted(
    settings: ProjectSettings,
    source: str,
    needs: Sequence[str],
    files: Sequence[RequirementFile],
) -> Wanted:
    """Return a wish for what the project itself needs, and more."""
    editables = [path for file in files for path in file.editables]
    of_editables = [text for path in editables for text in _of_directory(settings, path)]
    requirements = [
        *own_requirements(settings),
        *needs,
        *(text for file in files for text in file.requirements),
        *of_editables,
    ]
    constraints = [text for file in files for text in file.constraints]
    return Wanted(
        source=source,
        requirements=tuple(dict.fromkeys(requirements)),
        constraints=tuple(dict.fromkeys(constraints)),
        requires_python=requires_python(settings),
    )


def _of_directory(settings: ProjectSettings, path: Path) -> list[str]:
    """Return the requirement that a local directory is; the project itself is none."""
    if path == settings.directory.resolve():
        return []
    other = read_project_settings(path)
    if other.name is None:
        raise Unavailable(f"{path} is required, but nothing there tells its name")
    return [f"{other.name} @ {path.as_uri()}"]


def _of_lock(
    settings: ProjectSettings,
    path: Path,
    group_names: Sequence[str],
    extra_names: Sequence[str],
) -> Wanted:
    details = [f"group {name!r}" for name in group_names]
    details += [f"extra {name!r}" for name in extra_names]
    suffix = f" ({', '.join(details)})" if details else ""
    return Wanted(
        source=f"{path.name}{suffix}",
        lock=path,
        lock_groups=tuple(group_names),
        lock_extras=tuple(extra_names),
        requires_python=requires_python(settings),
    )


def _of_tox(settings: ProjectSettings, name: str) -> RequirementFile:
    sections = read_tox(settings.directory)
    lines = tox_lines(sections, name, "deps")
    for extra in tox_lines(sections, name, "extras"):
        for one in _names(extra):
            lines += _look_up("extra", one, extras(settings))
    for group in tox_lines(sections, name, "dependency_groups"):
        for one in _names(group):
            lines += _look_up("group", one, groups(settings))
    return read_lines(lines, settings.directory, "tox.ini")


def _look_up(kind: str, name: str, known: Mapping[str, list[str]]) -> list[str]:
    try:
        return known[canonicalize_name(name)]
    except KeyError:
        have = ", ".join(known) or "none"
        raise Unavailable(f"{kind}={name}: the project has no such {kind}; it has {have}") from None


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _settings_file(settings: ProjectSettings) -> str:
    if settings.toml.get("project") or settings.toml.get("dependency-groups"):
        return "pyproject.toml"
    if settings.table("tool", "poetry"):
        return "pyproject.toml"
    return "setup.cfg" if settings.cfg.get("options") else "setup.py"
