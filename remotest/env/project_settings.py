"""What a project says of itself in pyproject.toml, setup.cfg and setup.py, read and not run."""

from __future__ import annotations

import ast
import configparser
import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from remotest.env.unavailable import Unavailable, unreadable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SETTINGS_FILES: Final = ("pyproject.toml", "setup.cfg", "setup.py")

COMPILED_BACKENDS: Final = ("maturin", "mesonpy", "scikit_build_core", "sipbuild", "py_build_cmake")
"""Build backends that exist to compile: asking them takes minutes, and the answer is known."""


@dataclass(frozen=True, kw_only=True)
class ProjectSettings:
    """The settings of one project.

    Attributes:
        directory: absolute, real path.
        toml: pyproject.toml.
        cfg: options of setup.cfg by section.
        setup: arguments of ``setup()`` in setup.py that are literals; None without that file.
    """

    directory: Path
    toml: Mapping[str, Any]
    cfg: Mapping[str, Mapping[str, str]]
    setup: Mapping[str, Any] | None

    def table(self, *names: str) -> Mapping[str, Any]:
        """Return a table of pyproject.toml, empty where there is none."""
        found: Any = self.toml
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return as_table(found)

    @property
    def is_project(self) -> bool:
        """Whether there is something to install, and not only settings of tools."""
        if self.table("tool", "uv").get("package") is False:
            return False
        if self.table("tool", "poetry").get("package-mode") is False:
            return False
        return bool(
            self.has_backend
            or "name" in self.table("project")
            or "name" in self.cfg.get("metadata", {})
        )

    @property
    def has_backend(self) -> bool:
        """Whether somebody meant it to be built."""
        return "build-system" in self.toml or self.setup is not None

    @property
    def is_compiled(self) -> bool:
        """Whether its build backend is one that exists to compile."""
        backend = str(self.table("build-system").get("build-backend", ""))
        return backend.startswith(COMPILED_BACKENDS)

    @property
    def name(self) -> str | None:
        """Its name as written, None where only a backend knows."""
        candidates = (
            self.table("project").get("name"),
            self.table("tool", "poetry").get("name"),
            self.cfg.get("metadata", {}).get("name"),
            (self.setup or {}).get("name"),
        )
        return next((name for name in candidates if isinstance(name, str)), None)

    @property
    def static_version(self) -> str | None:
        """Its version, None where that has to be found out."""
        candidates = (
            self.table("project").get("version"),
            self.table("tool", "poetry").get("version"),
            self.cfg.get("metadata", {}).get("version"),
            (self.setup or {}).get("version"),
        )
        texts = (text for text in candidates if isinstance(text, str))
        return next((text for text in texts if ":" not in text), None)


def as_table(value: Any) -> dict[str, Any]:
    """Return a setting that is to be a table, empty where it is anything else."""
    return value if isinstance(value, dict) else {}


def as_texts(value: Any) -> list[str]:
    """Return the texts of a setting that holds one or several; of anything else there are none."""
    found = [value] if isinstance(value, str) else value
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def read_project_settings(directory: Path) -> ProjectSettings:
    """Return what a directory's files say; nothing where there are none.

    Raises:
        Unavailable: one of them cannot be read.
    """
    setup = _read(directory / "setup.py")
    return ProjectSettings(
        directory=directory,
        toml=_read_toml(directory / "pyproject.toml"),
        cfg=_read_cfg(directory / "setup.cfg"),
        setup=None if setup is None else _setup_arguments(setup),
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(str(path), error) from error


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        table: Mapping[str, Any] = tomllib.loads(_read(path) or "")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Unavailable(f"{path} is no TOML: {error}") from error
    return table


def _read_cfg(path: Path) -> Mapping[str, Mapping[str, str]]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(_read(path) or "")
    except configparser.Error as error:
        raise unreadable(str(path), error) from error
    return {name: dict(parser[name]) for name in parser.sections()}


def _setup_arguments(code: str) -> dict[str, Any]:
    """Return the literal arguments of ``setup()``; those that are computed are not known.

    A name stands for the literal that it was given at the top of the file.
    """
    arguments: dict[str, Any] = {}
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}  # It is for another Python, or odder, and no less a project.
    constants: dict[str, Any] = {}
    for line in tree.body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            with contextlib.suppress(ValueError, TypeError):
                constants[line.targets[0].id] = _literal(line.value, constants)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] != "setup":
            continue
        for keyword in node.keywords:
            with contextlib.suppress(ValueError, TypeError):
                arguments[str(keyword.arg)] = _literal(keyword.value, constants)
    return arguments


def _literal(node: ast.expr, constants: Mapping[str, Any]) -> Any:
    """Return the value of an expression of literals, constants and sums of lists.

    Raises:
        ValueError: it is anything else.
        TypeError: it has a list for a key.
    """
    if isinstance(node, ast.Name) and node.id in constants:
        return constants[node.id]
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(one, constants) for one in node.elts]
    if isinstance(node, ast.Dict) and all(node.keys):
        keys = [_literal(key, constants) for key in node.keys if key is not None]
        if all(isinstance(key, str) for key in keys):
            values = [_literal(value, constants) for value in node.values]
            return dict(zip(keys, values, strict=True))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _literal(node.left, constants), _literal(node.right, constants)
        if isinstance(left, list) and isinstance(right, list):
            return left + right
        raise ValueError("a sum of what is no list")
    return ast.literal_eval(node)
