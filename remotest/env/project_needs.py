"""What a project needs, by the tables of its settings: itself, its extras, its groups. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from packaging.dependency_groups import resolve_dependency_groups
from packaging.errors import ExceptionGroup
from packaging.utils import canonicalize_name

from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from remotest.env.project_settings import ProjectSettings

_CARET_OR_TILDE: Final = re.compile(r"([\^~])\s*(\d+(?:\.\d+)*)(.*)")
_BARE_VERSION: Final = re.compile(r"\d")


def own_requirements(settings: ProjectSettings) -> list[str]:
    """Return what a project itself needs; its own name where only its backend knows that."""
    project = settings.table("project")
    if project and "dependencies" not in project.get("dynamic", ()):
        return _texts(project.get("dependencies"))
    if poetry := settings.table("tool", "poetry", "dependencies"):
        return list(_poetry(poetry))
    options = settings.cfg.get("options", {})
    if "install_requires" in options:
        return _lines(options["install_requires"])
    if "install_requires" in (settings.setup or {}):
        return _texts((settings.setup or {})["install_requires"])
    name = settings.name
    return [name] if name is not None and settings.has_backend else []


def extras(settings: ProjectSettings) -> dict[str, list[str]]:
    """Return what each extra adds, by normalized name."""
    tables: list[Mapping[str, Any]] = [
        settings.table("project", "optional-dependencies"),
        settings.cfg.get("options.extras_require", {}),
        _table((settings.setup or {}).get("extras_require")),
    ]
    found: dict[str, list[str]] = {}
    for table in tables:
        for name, needs in table.items():
            lines = _lines(needs) if isinstance(needs, str) else _texts(needs)
            found.setdefault(canonicalize_name(name), lines)
    optional = dict(_poetry_by_name(settings.table("tool", "poetry", "dependencies")))
    for name, members in settings.table("tool", "poetry", "extras").items():
        lines = [optional[canonicalize_name(member)] for member in members if member in optional]
        found.setdefault(canonicalize_name(name), lines)
    return found


def groups(settings: ProjectSettings) -> dict[str, list[str]]:
    """Return what each dependency group holds, by normalized name.

    Raises:
        Unavailable: the groups cannot be understood.
    """
    table = settings.table("dependency-groups")
    found: dict[str, list[str]] = {}
    try:
        for name in table:
            found[canonicalize_name(name)] = list(resolve_dependency_groups(table, name))
    except ExceptionGroup as error:
        first = str(error.exceptions[0]).splitlines()[0]
        raise Unavailable(
            f"[dependency-groups] of {settings.directory / 'pyproject.toml'}: {first}",
            remedy="see PEP 735, which says how groups are written",
        ) from error
    for name, group in settings.table("tool", "poetry", "group").items():
        members = list(_poetry(_table(_table(group).get("dependencies"))))
        found.setdefault(canonicalize_name(name), members)
    for name, members in settings.table("tool", "pdm", "dev-dependencies").items():
        found.setdefault(canonicalize_name(name), _texts(members))
    older = {
        "poetry": list(_poetry(settings.table("tool", "poetry", "dev-dependencies"))),
        "uv": _texts(settings.table("tool", "uv").get("dev-dependencies")),
    }
    for members in older.values():
        if members:
            found.setdefault("dev", members)
    for name in ("hatch-test", "test", "default"):
        environment = settings.table("tool", "hatch", "envs", name)
        members = [
            *_texts(environment.get("dependencies")),
            *_texts(environment.get("extra-dependencies")),
        ]
        if members:
            found.setdefault("test", members)
    return found


def requires_python(settings: ProjectSettings) -> str:
    """Return which Pythons a project is for, empty where it does not say."""
    candidates = (
        settings.table("project").get("requires-python"),
        settings.cfg.get("options", {}).get("python_requires"),
        (settings.setup or {}).get("python_requires"),
    )
    stated = next((text for text in candidates if isinstance(text, str)), None)
    if stated is not None:
        return stated.strip()
    python = settings.table("tool", "poetry", "dependencies").get("python")
    return _poetry_version(python) if isinstance(python, str) else ""


def _texts(value: Any) -> list[str]:
    """Return the texts of a list, or of a text with one a line, as setuptools takes both."""
    if isinstance(value, str):
        return _lines(value)
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _poetry(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the requirements of one of poetry's tables, without those of extras."""
    for name, value in table.items():
        is_optional = isinstance(value, dict) and value.get("optional") is True
        if name != "python" and not is_optional:
            yield from (text for _, text in _poetry_by_name({name: value}))


def _poetry_by_name(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if name == "python":
            continue
        one = value if isinstance(value, dict) else {"version": value}
        extra = f"[{','.join(_texts(one.get('extras')))}]" if one.get("extras") else ""
        version = one.get("version")
        specifier = _poetry_version(version) if isinstance(version, str) else ""
        if isinstance(one.get("git"), str):
            specifier = f" @ git+{one['git']}"
        conditions = [f"({one['markers']})"] if isinstance(one.get("markers"), str) else []
        if isinstance(one.get("python"), str):
            conditions += _python_conditions(_poetry_version(one["python"]))
        marker = f" ; {' and '.join(conditions)}" if conditions else ""
        yield canonicalize_name(name), f"{name}{extra}{specifier}{marker}"


def _python_conditions(specifier: str) -> list[str]:
    parts = re.findall(r"([<>=!~]+)\s*([^,\s]+)", specifier)
    return [f"python_version {operator} '{version}'" for operator, version in parts]


def _poetry_version(text: str) -> str:
    """Return one of poetry's constraints as PEP 440 writes it: ``^1.2`` is ``>=1.2,<2``."""
    parts = []
    for part in text.split("||", maxsplit=1)[0].split(","):
        stripped = part.strip()
        match = _CARET_OR_TILDE.fullmatch(stripped)
        if match:
            numbers = [int(number) for number in match[2].split(".")]
            parts.append(f">={match[2]}{match[3]},<{_next_version(match[1], numbers)}")
        elif _BARE_VERSION.match(stripped):
            parts.append(f"=={stripped}")
        elif stripped != "*":
            parts.append(stripped)
    return ",".join(filter(None, parts))


def _next_version(sign: str, numbers: list[int]) -> str:
    """Return the first version that ``^`` or ``~`` leaves out."""
    if sign == "~":
        kept = 1 if len(numbers) == 1 else 2
    else:
        kept = next((at + 1 for at, number in enumerate(numbers) if number), len(numbers))
    bound = numbers[:kept]
    bound[-1] += 1
    return ".".join(map(str, bound))
