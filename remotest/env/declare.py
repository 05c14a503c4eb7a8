"""What a suite needs: the first place that says so.

The keys of a spec, ``[tool.remotest]``, a lock, a dependency group, an extra, a requirements file,
and at last what the project itself needs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from remotest.env.model import Wanted
from remotest.env.project_needs import (
    extras,
    groups,
    hatch_environment,
    own_requirements,
    requires_python,
    tests_require,
)
from remotest.env.project_settings import ProjectSettings, read_project_settings
from remotest.env.requirement_files import (
    Directory,
    RequirementFile,
    read_lines,
    read_requirement_file,
)
from remotest.env.requirement_texts import checked, with_marker
from remotest.env.tool_table import Choice, tool_table
from remotest.env.tox_deps import read_tox, tox_lines
from remotest.env.unavailable import Unavailable, unreadable
from remotest.env.uv_sources import Sources, find_workspace
from remotest.errors import UsageError
from remotest.spec_rules import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from remotest.spec import GatewaySpec

GROUPS: Final = ("test", "tests", "dev")
EXTRAS: Final = ("test", "tests", "testing")
UV_LOCK: Final = "uv.lock"
LOCKS: Final = (
    "pylock.toml",
    "pylock.test.toml",
    "pylock.tests.toml",
    "pylock.dev.toml",
    UV_LOCK,
)
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

OWN_FILE: Final = "requirements.txt"
"""What a program needs that is no project to install."""


def find_wanted(base_dir: Path, spec: GatewaySpec) -> Wanted:
    """Return what a suite needs on the interpreter of a spec.

    Raises:
        UsageError: what is named is not there, or a file cannot be understood.
    """
    try:
        settings = read_project_settings(base_dir)
        named = Choice.of_spec(spec) or Choice.of_table(tool_table(settings))
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


def _of_choice(settings: ProjectSettings, choice: Choice) -> Wanted:
    base = settings.directory
    group_names, extra_names = _names(choice.group), _names(choice.extra)
    if choice.lock is not None:
        for key in ("req", "tox"):
            if getattr(choice, key) is not None:
                raise Unavailable(f"lock= says all that is wanted, and so does {key}=")
        path = base / choice.lock
        if not path.is_file():
            raise Unavailable(f"lock={choice.lock}: there is no {path}")
        if not group_names and not extra_names:
            group_names, extra_names = _usual_parts(settings, path)
        return _of_lock(settings, path, group_names, extra_names)
    parts = [f"group {name!r}" for name in group_names]
    parts += [f"extra {name!r}" for name in extra_names]
    needs = [
        *(text for name in group_names for text in _look_up("group", name, groups(settings))),
        *(text for name in extra_names for text in _look_up("extra", name, extras(settings))),
    ]
    title = f"{' and '.join(parts)} of {_settings_file(settings)}" if parts else ""
    files = [read_requirement_file(base / name, base) for name in _names(choice.req)]
    titles = [title, *_names(choice.req)]
    if choice.tox is not None:
        found, tox_file = _of_tox(settings, choice.tox)
        files.append(found)
        titles.append(f"environment {choice.tox!r} of {tox_file}")
    return _wanted(settings, " and ".join(filter(None, titles)), needs, files)


def _of_project(settings: ProjectSettings) -> Wanted:
    """Return what a project says without being asked."""
    base = settings.directory
    workspace = find_workspace(settings)
    above = [workspace / UV_LOCK] if workspace is not None else []
    for lock in (*(base / name for name in LOCKS), *above):
        if lock.is_file():
            return _of_lock(settings, lock, *_usual_parts(settings, lock))
    source, needs, files = next(_candidates(settings))
    return _wanted(settings, source, needs, files)


def _candidates(
    settings: ProjectSettings,
) -> Iterator[tuple[str, list[str], list[RequirementFile]]]:
    """Yield what says what is wanted, the best first: its name, what it adds, and its files."""
    base, title = settings.directory, f"of {_settings_file(settings)}"
    for kind, names, known in (
        ("group", GROUPS, groups(settings)),
        ("extra", EXTRAS, extras(settings)),
    ):
        for name in names:
            if known.get(name):
                yield f"{kind} {name!r} {title}", known[name], []
    for name in FILES:
        if (base / name).is_file():
            yield name, [], [read_requirement_file(base / name, base)]
    if hatch := hatch_environment(settings):
        yield f"hatch's environment {hatch[0]!r}", hatch[1], []
    if own_requirements(settings) or tests_require(settings):
        yield f"dependencies {title}", tests_require(settings), []
    if _own_file(settings):
        yield OWN_FILE, [], []
    yield "pytest and the plugins of here", [], []


def _wanted(
    settings: ProjectSettings,
    source: str,
    needs: Sequence[str],
    files: Sequence[RequirementFile] = (),
) -> Wanted:
    """Return a wish for what the project itself needs, and more.

    Raises:
        Unavailable: something of it is no requirement, or a path leads nowhere.
    """
    base = settings.directory
    place = f"the settings in {base}"
    texts = [*own_requirements(settings), *needs]
    # pdm has lines of pip's among its dependencies.
    lines = read_lines((text for text in texts if text.startswith("-")), base, place)
    files = [*_own_file(settings), lines, *files]
    sources = Sources(settings)
    own = [
        checked(placed, base, place)
        for text in texts
        if not text.startswith("-")
        for placed in sources.apply(text)
    ]
    requirements = [
        *own,
        *(checked(text, base, source) for file in files for text in file.requirements),
        *(
            text
            for file in files
            for directory in file.directories
            for text in _of_directory(settings, directory)
        ),
    ]
    constraints = [checked(text, base, source) for file in files for text in file.constraints]
    return Wanted(
        source=source,
        requirements=tuple(dict.fromkeys(requirements)),
        constraints=tuple(dict.fromkeys(constraints)),
        requires_python=requires_python(settings),
        notes=tuple(dict.fromkeys(note for file in files for note in file.notes)),
    )


def _own_file(settings: ProjectSettings) -> list[RequirementFile]:
    """Return what a program needs that is no project: its requirements.txt."""
    path = settings.directory / OWN_FILE
    if settings.is_project or own_requirements(settings) or not path.is_file():
        return []
    return [read_requirement_file(path, settings.directory)]


def _of_directory(settings: ProjectSettings, directory: Directory) -> list[str]:
    """Return the requirement that a local directory is.

    The project itself is one with extras only: what it needs without is wanted anyway.
    """
    path = directory.path
    is_project_itself = path == settings.directory.resolve()
    if is_project_itself and not directory.extras:
        return []
    name = read_project_settings(path).name
    if name is None:
        raise Unavailable(
            f"{path} is required, but nothing there tells its name",
            remedy=f"require it as 'name @ {path.as_uri()}'",
        )
    there = extras(settings)
    names = [canonicalize_name(extra) for extra in _names(directory.extras.strip("[]"))]
    if is_project_itself and set(names) <= set(there):
        return [with_marker(text, directory.marker) for extra in names for text in there[extra]]
    return [with_marker(f"{name}{directory.extras} @ {path.as_uri()}", directory.marker)]


def _usual_parts(settings: ProjectSettings, lock: Path) -> tuple[list[str], list[str]]:
    """Return the group, or else the extra, of a lock that is usually for tests."""
    if lock.name == UV_LOCK:
        group_names, extra_names = list(groups(settings)), list(extras(settings))
    else:
        group_names, extra_names = _parts_of_lock(lock)
    chosen = [str(name) for name in GROUPS if name in group_names][:1]
    usual = [str(name) for name in EXTRAS if name in extra_names][:1]
    return chosen, [] if chosen else usual


def _parts_of_lock(path: Path) -> tuple[list[str], list[str]]:
    """Return the groups and extras that a lock of PEP 751 has."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(str(path), error) from error
    lists = (document.get("dependency-groups"), document.get("extras"))
    parts = [list(map(str, one)) if isinstance(one, list) else [] for one in lists]
    return parts[0], parts[1]


def _of_lock(
    settings: ProjectSettings,
    path: Path,
    group_names: Sequence[str],
    extra_names: Sequence[str],
) -> Wanted:
    details = [f"group {name!r}" for name in group_names]
    details += [f"extra {name!r}" for name in extra_names]
    suffix = f" ({', '.join(details)})" if details else ""
    is_of_workspace = path.name == UV_LOCK and find_workspace(settings) == path.resolve().parent
    return Wanted(
        source=f"{path.name}{suffix}",
        lock_package=settings.name or "" if is_of_workspace else "",
        lock=path,
        lock_groups=tuple(group_names),
        lock_extras=tuple(extra_names),
        requires_python=requires_python(settings),
    )


def _of_tox(settings: ProjectSettings, name: str) -> tuple[RequirementFile, str]:
    """Return what an environment of tox needs, and the file that says so."""
    tox = read_tox(settings.directory)
    lines = tox_lines(tox, name, "deps")
    for extra in tox_lines(tox, name, "extras"):
        for one in _names(extra):
            lines += _look_up("extra", one, extras(settings))
    for group in tox_lines(tox, name, "dependency_groups"):
        for one in _names(group):
            lines += _look_up("group", one, groups(settings))
    return read_lines(lines, settings.directory, tox.file), tox.file


def _look_up(kind: str, name: str, known: Mapping[str, list[str]]) -> list[str]:
    try:
        return known[canonicalize_name(name)]
    except KeyError:
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else f"it has {', '.join(known) or 'none'}"
        raise Unavailable(f"{kind}={name}: the project has no such {kind}; {hint}") from None


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _settings_file(settings: ProjectSettings) -> str:
    if settings.toml.get("project") or settings.toml.get("dependency-groups"):
        return "pyproject.toml"
    if settings.table("tool", "poetry"):
        return "pyproject.toml"
    return "setup.cfg" if settings.cfg.get("options") else "setup.py"
