"""Whether a project does without its extension modules: what its build and its sources say.

Sources are parsed and never run.
"""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

CATCHING: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
"""What an ``except`` names that catches a failed import."""


def does_without(
    modules: Collection[str],
    setup: str,
    tables: Iterable[Mapping[str, Any]],
    sources: Iterable[Path],
) -> bool:
    """Return whether a package is imported without its extension modules.

    It is where its build may go on without each of them (setuptools' ``optional``), or where
    every import of them in its sources is one that may fail. What cannot be told counts as needed.

    Args:
        modules: names of the modules, without packages; those that the build names where empty.
        setup: the text of setup.py; empty without one.
        tables: ``[[tool.setuptools.ext-modules]]`` of pyproject.toml.
        sources: files of the project's packages.
    """
    declared = _declared(setup, tables)
    if declared is None:
        declared = {}
    names = set(modules) or set(declared)
    if not names:
        return False
    needed = {name for name in names if not declared.get(name)}
    return not needed or _are_guarded(needed, sources)


def _declared(setup: str, tables: Iterable[Mapping[str, Any]]) -> dict[str, bool] | None:
    """Return module -> whether its build may fail; None where not all of them can be read."""
    declared = {}
    for table in tables:
        declared[str(table.get("name")).rpartition(".")[2]] = table.get("optional") is True
    for call in _calls(setup):
        words = {word.arg: _constant(word.value) for word in call.keywords}
        name = words.get("name") or (_constant(call.args[0]) if call.args else None)
        if not isinstance(name, str):
            return None
        declared[name.rpartition(".")[2]] = words.get("optional") is True
    return declared


def _calls(setup: str) -> Iterator[ast.Call]:
    """Yield the calls that make an extension module: ``Extension(...)``, ``CppExtension(...)``."""
    for node in ast.walk(_parsed(setup)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if name.endswith("Extension"):
                yield node


def _constant(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):  # For another Python than ours: it tells nothing.
        return ast.Module(body=[], type_ignores=[])


def _are_guarded(names: Collection[str], sources: Iterable[Path]) -> bool:
    """Return whether each of these modules is imported somewhere, and may be missing everywhere."""
    guarded = set()
    for path in sources:
        text = path.read_text(encoding="utf-8", errors="replace")
        if not any(name in text for name in names):
            continue
        for name, may_fail in _imports(_parsed(text), may_fail=False):
            if name in names:
                if not may_fail:
                    return False
                guarded.add(name)
    return guarded == set(names)


def _imports(node: ast.AST, *, may_fail: bool) -> Iterator[tuple[str, bool]]:
    """Yield (name without packages, whether it may fail) of what is imported below a node."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names]
        for name in [*names, getattr(node, "module", None) or ""]:
            yield name.rpartition(".")[2], may_fail
    elif isinstance(node, ast.If) and _is_for_types(node.test):
        yield from itertools.chain(*(_imports(one, may_fail=may_fail) for one in node.orelse))
    elif isinstance(node, ast.Try):
        is_caught = any(map(_catches_import, node.handlers))
        for tried in node.body:
            yield from _imports(tried, may_fail=may_fail or is_caught)
        for other in (*node.handlers, *node.orelse, *node.finalbody):
            yield from _imports(other, may_fail=may_fail)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, may_fail=may_fail)


def _is_for_types(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _catches_import(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(one is None or getattr(one, "id", "") in CATCHING for one in caught)
