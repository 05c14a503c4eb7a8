"""What an environment of tox needs. Pure, but for what ``read_tox`` reads."""

from __future__ import annotations

import configparser
import os
import re
import sys
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from remotest.env.project_settings import as_table
from remotest.env.unavailable import Unavailable, unreadable
from remotest.spec_rules import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_SUBSTITUTIONS: Final = 100
"""References that lead to references; more is a circle."""

BASE: Final = "testenv"

_REFERENCE: Final = re.compile(r"\{\[(?P<section>[^\]]+)\](?P<key>[^}]+)\}")
_VARIABLE: Final = re.compile(r"\{env:(?P<name>[^:}]+)(?::(?P<default>[^{}]*))?\}")
_POSITIONAL: Final = re.compile(r"\{posargs(?::(?P<default>[^{}]*))?\}")
_CONDITION: Final = re.compile(r"(?P<factors>[!\w.,{} -]*[\w}])\s*:\s+(?P<rest>.*)")
_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_COMMA: Final = re.compile(r",(?![^{}]*\})")
_PYTHON: Final = re.compile(r"(?:py|pypy|cpython|python)?\d(?:\.?\d+)?t?|py|pypy")


@dataclass(frozen=True, kw_only=True)
class Tox:
    """The settings of tox: its sections, and the name of the file that they are in."""

    sections: Mapping[str, Mapping[str, str]]
    file: str


def read_tox(directory: Path) -> Tox:
    """Return what tox would read in a directory: tox.ini, setup.cfg, pyproject.toml or tox.toml.

    Raises:
        Unavailable: there is none, or it cannot be read.
    """
    for name, read in (
        ("tox.ini", _ini),
        ("setup.cfg", _ini),
        ("pyproject.toml", _pyproject),
        ("tox.toml", _toml),
    ):
        path = directory / name
        if not path.is_file():
            continue
        try:
            sections = read(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError, configparser.Error) as error:
            raise unreadable(str(path), error) from error
        if any(section.partition(":")[0] == BASE for section in sections):
            return Tox(sections=sections, file=name)
    raise Unavailable(f"no environment of tox is described in {directory}")


def tox_lines(tox: Tox, name: str, key: str) -> list[str]:
    """Return the lines of a key (``deps``, ``extras``) of an environment, those that apply to it.

    Args:
        tox: of ``read_tox``.
        name: of the environment: ``py39-django``.
        key: of the option.

    Raises:
        Unavailable: there is no such environment, or references go in a circle.
    """
    own = _own_section(tox, name)
    text = {**tox.sections.get(BASE, {}), **own}.get(key, "")
    factors = set(name.split("-"))
    lines = []
    for line in _substituted(text, tox, name).splitlines():
        stripped = line.strip()
        condition = _CONDITION.fullmatch(stripped)
        if condition:
            if any(_applies(one, factors) for one in _alternatives(condition["factors"])):
                lines.append(condition["rest"].strip())
        elif stripped and not stripped.startswith("#"):
            lines.append(stripped)
    return lines


def _own_section(tox: Tox, name: str) -> Mapping[str, str]:
    """Return the section of an environment, empty where only the common one is for it."""
    named = {
        one: options
        for section, options in tox.sections.items()
        if section.startswith(f"{BASE}:")
        for one in _alternatives(section.removeprefix(f"{BASE}:"))
    }
    if name in named:
        return named[name]
    listed = list(dict.fromkeys([*_listed(tox), *named]))
    factors = {factor for one in [*listed, *_in_conditions(tox)] for factor in one.split("-")}
    if BASE in tox.sections and all(
        factor in factors or _PYTHON.fullmatch(factor) for factor in name.split("-")
    ):
        return {}
    near = nearest(name, listed)
    hint = f"did you mean {near!r}?" if near else f"it has {', '.join(listed) or 'none'}"
    raise Unavailable(f"{tox.file} has no environment {name!r}: {hint}")


def _listed(tox: Tox) -> Iterator[str]:
    """Yield the names that the list of environments holds."""
    for section in ("tox", "tox:tox"):
        options = tox.sections.get(section, {})
        text = options.get("envlist", "") or options.get("env_list", "")
        for part in text.splitlines():
            yield from _alternatives(part)


def _in_conditions(tox: Tox) -> Iterator[str]:
    """Yield what stands in front of conditional lines: factors that there are."""
    for options in tox.sections.values():
        for text in options.values():
            for match in filter(None, map(_CONDITION.fullmatch, map(str.strip, text.splitlines()))):
                yield from (one.replace("!", "") for one in _alternatives(match["factors"]))


def _substituted(text: str, tox: Tox, name: str) -> str:
    for _ in range(MAX_SUBSTITUTIONS):
        reference = _REFERENCE.search(text)
        if reference is None:
            break
        value = tox.sections.get(reference["section"], {}).get(reference["key"].strip(), "")
        text = text[: reference.start()] + value + text[reference.end() :]
    else:
        raise Unavailable(f"{tox.file} refers to itself in a circle")
    text = _VARIABLE.sub(lambda one: os.environ.get(one["name"], one["default"] or ""), text)
    text = _POSITIONAL.sub(lambda one: one["default"] or "", text)
    words = {"toxinidir": ".", "tox_root": ".", "envname": name, "env_name": name, "/": "/"}
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def _alternatives(text: str) -> list[str]:
    """Return what braces and commas stand for: ``py{38,39}-x,docs`` is three.

    >>> _alternatives("py{38,39}-x, docs")
    ['py38-x', 'py39-x', 'docs']
    """
    found = []
    for part in _COMMA.split(text):
        pieces = _BRACES.split(part.strip())
        choices = [
            [piece] if at % 2 == 0 else [one.strip() for one in piece.split(",")]
            for at, piece in enumerate(pieces)
        ]
        found += ["".join(choice) for choice in product(*choices)]
    return [one for one in found if one]


def _applies(condition: str, factors: set[str]) -> bool:
    return all(
        (factor[1:] not in factors) if factor.startswith("!") else factor in factors
        for factor in condition.split("-")
    )


# -- files -----------------------------------------------------------------------------------


def _ini(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def _pyproject(text: str) -> dict[str, dict[str, str]]:
    table = as_table(as_table(tomllib.loads(text).get("tool")).get("tox"))
    legacy = table.get("legacy_tox_ini")
    return _ini(legacy) if isinstance(legacy, str) else _native(table)


def _toml(text: str) -> dict[str, dict[str, str]]:
    return _native(tomllib.loads(text))


def _native(table: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return tox's own TOML as the sections that an ini file of the same meaning has."""
    sections = {"tox": {"envlist": _joined(table.get("env_list"))}} if table else {}
    environments = as_table(table.get("env"))
    named = {f"{BASE}:{name}": options for name, options in environments.items()}
    if named or "env_run_base" in table:
        named[BASE] = table.get("env_run_base", {})
    for name, options in named.items():
        sections[name] = {key: _joined(value) for key, value in as_table(options).items()}
    return sections


def _joined(value: object) -> str:
    """Return a list of texts as lines; what refers to other keys is not known here."""
    values = value if isinstance(value, list) else [value]
    return "\n".join(one for one in values if isinstance(one, str))
