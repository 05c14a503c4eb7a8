"""What an environment of a tox.ini needs. Pure, but for what ``read_tox`` reads."""

from __future__ import annotations

import configparser
import re
from itertools import product
from typing import TYPE_CHECKING, Final

from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_SUBSTITUTIONS: Final = 100
"""References that lead to references; more is a circle."""

BASE: Final = "testenv"

_REFERENCE: Final = re.compile(r"\{\[(?P<section>[^\]]+)\](?P<key>[^}]+)\}")
_CONDITION: Final = re.compile(r"(?P<factors>[!\w.,{}-]+)\s*:\s+(?P<rest>.*)")
_BRACES: Final = re.compile(r"\{([^{}]*)\}")


def read_tox(directory: Path) -> Mapping[str, Mapping[str, str]]:
    """Return the sections of a directory's tox.ini.

    Raises:
        Unavailable: there is none, or it cannot be read.
    """
    path = directory / "tox.ini"
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    return {name: dict(parser[name]) for name in parser.sections()}


def tox_lines(sections: Mapping[str, Mapping[str, str]], name: str, key: str) -> list[str]:
    """Return the lines of a key (``deps``, ``extras``) of an environment, those that apply to it.

    Args:
        sections: of ``read_tox``.
        name: of the environment: ``py39-django``.
        key: of the option.

    Raises:
        Unavailable: there is no such environment at all, or references go in a circle.
    """
    own = sections.get(f"{BASE}:{name}")
    base = sections.get(BASE)
    if own is None and base is None:
        there = [section.partition(":")[2] for section in sections if ":" in section]
        raise Unavailable(
            f"tox.ini has no environment {name!r}; it has {', '.join(there) or 'none'}"
        )
    text = {**(base or {}), **(own or {})}.get(key, "")
    factors = set(name.split("-"))
    lines = []
    for line in _substituted(text, sections).splitlines():
        stripped = line.strip()
        condition = _CONDITION.fullmatch(stripped)
        if condition and "://" not in stripped:
            if any(_applies(one, factors) for one in _alternatives(condition["factors"])):
                lines.append(condition["rest"].strip())
        elif stripped and not stripped.startswith("#"):
            lines.append(stripped)
    return lines


def _substituted(text: str, sections: Mapping[str, Mapping[str, str]]) -> str:
    for _ in range(MAX_SUBSTITUTIONS):
        reference = _REFERENCE.search(text)
        if reference is None:
            return text.replace("{toxinidir}", ".").replace("{tox_root}", ".")
        value = sections.get(reference["section"], {}).get(reference["key"].strip(), "")
        text = text[: reference.start()] + value + text[reference.end() :]
    raise Unavailable("tox.ini refers to itself in a circle")


def _alternatives(text: str) -> list[str]:
    """Return what braces and commas stand for: ``py{38,39}-x`` is two."""
    parts = _BRACES.split(text)
    choices = [[part] if at % 2 == 0 else part.split(",") for at, part in enumerate(parts)]
    if len(parts) == 1:
        return text.split(",")
    return ["".join(choice) for choice in product(*choices)]


def _applies(condition: str, factors: set[str]) -> bool:
    return all(
        (factor[1:] not in factors) if factor.startswith("!") else factor in factors
        for factor in condition.split("-")
    )
