"""Requirements as poetry writes them, in the words of PEP 508. Pure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from remotest.env.project_settings import as_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from remotest.env.project_settings import ProjectSettings

_PART: Final = re.compile(r"(?P<sign>[\^~<>=!]*)\s*(?P<version>[^\s,<>=!^~|]+)")
_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)*")
_CONDITION: Final = re.compile(r"([<>=!~]+)\s*([^,\s]+)")
_FULL_VERSION_DOTS: Final = 2
"""In a version of Python that says more than ``python_version`` holds."""


def poetry_requirements(table: Mapping[str, Any], base: Path) -> list[str]:
    """Return the requirements of a table, without optional ones, which are for extras.

    Args:
        table: name -> constraint, as below ``[tool.poetry.dependencies]``.
        base: the directory of pyproject.toml.
    """
    return [
        text
        for name, value in table.items()
        if name != "python"
        for one in _alternatives(value)
        if one.get("optional") is not True
        for text in [_requirement(name, one, base)]
    ]


def poetry_extras(settings: ProjectSettings) -> dict[str, list[str]]:
    """Return what each of poetry's extras adds."""
    table = settings.table("tool", "poetry", "dependencies")
    return {
        name: [
            _requirement(member, one, settings.directory)
            for member in as_texts(members)
            if member in table
            for one in _alternatives(table[member])
        ]
        for name, members in settings.table("tool", "poetry", "extras").items()
    }


def poetry_specifier(text: str) -> str:
    """Return a constraint as PEP 440 writes it: ``^1.2`` is ``>=1.2,<2``.

    PEP 440 knows no "or": of ``~2.7 || ^3.6`` are kept the first lower and the last upper bound.

    >>> [poetry_specifier(text) for text in ("^0.2.3", "~1", "1.*", "2.0", "*", "~2.7 || ^3.6")]
    ['>=0.2.3,<0.3', '>=1,<2', '==1.*', '==2.0', '', '>=2.7,<4']
    """
    alternatives = [list(_specifiers(part)) for part in re.split(r"\|\|?", text)]
    if len(alternatives) == 1:
        return ",".join(alternatives[0])
    lower = [part for part in alternatives[0] if part.startswith(">")]
    return ",".join([*lower, *(part for part in alternatives[-1] if part.startswith("<"))])


def _specifiers(text: str) -> Iterator[str]:
    for part in _PART.finditer(text):
        sign, version = part["sign"], part["version"]
        if version == "*":
            continue
        numbers = _NUMBERS.match(version)
        if sign in ("^", "~") and numbers:
            yield f">={version}"
            yield f"<{_next_version(sign, [int(number) for number in numbers[0].split('.')])}"
        else:
            yield f"{'==' if sign in ('', '=') else sign}{version}"


def _next_version(sign: str, numbers: list[int]) -> str:
    """Return the first version that ``^`` or ``~`` leaves out."""
    if sign == "~":
        kept = 1 if len(numbers) == 1 else 2
    else:
        kept = next((at + 1 for at, number in enumerate(numbers) if number), len(numbers))
    bound = numbers[:kept]
    bound[-1] += 1
    return ".".join(map(str, bound))


def _alternatives(value: object) -> list[dict[str, Any]]:
    """Return the tables of a value: poetry takes a text, a table, or a list of tables."""
    values = value if isinstance(value, list) else [value]
    return [one if isinstance(one, dict) else {"version": one} for one in values]


def _requirement(name: str, one: Mapping[str, Any], base: Path) -> str:
    names = [extra for extra in one.get("extras") or () if isinstance(extra, str)]
    extras = f"[{','.join(names)}]" if names else ""
    version = one.get("version")
    what = poetry_specifier(version) if isinstance(version, str) else ""
    if url := source_url(one, base):
        what = f" @ {url}"
    conditions = [f"({one['markers']})"] if isinstance(one.get("markers"), str) else []
    if isinstance(one.get("python"), str):
        conditions += _python_conditions(poetry_specifier(one["python"]))
    if isinstance(one.get("platform"), str):
        conditions.append(f"sys_platform == '{one['platform']}'")
    marker = f" ; {' and '.join(conditions)}" if conditions else ""
    return f"{name}{extras}{what}{marker}"


def source_url(one: Mapping[str, Any], base: Path) -> str:
    """Return the URL that a table of poetry or uv says a package comes from; empty without one."""
    subdirectory = f"#subdirectory={one['subdirectory']}" if one.get("subdirectory") else ""
    if isinstance(one.get("git"), str):
        revisions = [f"@{one[key]}" for key in ("rev", "tag", "branch") if key in one]
        git = _as_url(one["git"].removeprefix("git+"))
        return f"git+{git}{''.join(revisions[:1])}{subdirectory}"
    if isinstance(one.get("url"), str):
        return f"{one['url']}{subdirectory}"
    paths = [one[key] for key in ("path", "file") if isinstance(one.get(key), str)]
    return (base / Path(paths[0])).resolve().as_uri() if paths else ""


def _as_url(git: str) -> str:
    """Return ``user@host:path``, as git takes it, as a URL."""
    match = re.fullmatch(r"(?P<host>[^/:]+@[^/:]+):(?P<path>.+)", git)
    return git if match is None else f"ssh://{match['host']}/{match['path']}"


def _python_conditions(specifier: str) -> list[str]:
    return [
        f"{'python_full_version' if version.count('.') >= _FULL_VERSION_DOTS else 'python_version'}"
        f" {operator} '{version}'"
        for operator, version in _CONDITION.findall(specifier)
    ]
