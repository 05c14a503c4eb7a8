"""What an editable install wrote for this machine, made to lead into the tree of a host.

Its files name absolute paths: lines of a ``.pth`` file, strings in the code of an import hook. Each
that travels becomes ``{tree}/...``; each that does not is told.
"""

from __future__ import annotations

import ast
import json
import os
import posixpath
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote

from remotest.env.model import TREE
from remotest.sync.plan import is_within

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Locate: TypeAlias = Callable[[str], str | None]
"""Gives the place in the tree of an absolute path, None for one that does not travel."""

_CODE_IN_PATH_FILE: Final = re.compile(r"import[ \t]")


class TreePaths:
    """Names for paths of this machine that hold on any host.

    Args:
        base_dir: what ``{tree}`` stands for.
        locate: what travels, and where to; all below ``base_dir`` if not given.
    """

    def __init__(self, base_dir: Path, locate: Locate | None = None) -> None:
        self._base = os.path.realpath(base_dir)
        self._locate = locate or self._below_base
        self._base_there = self._locate(self._base) or "."
        self.outside: dict[str, None] = {}

    def _below_base(self, path: str) -> str | None:
        if not is_within(path, self._base):
            return None
        return "." + path[len(self._base.rstrip("/")) :]

    def place(self, path: str) -> str | None:
        """Return ``{tree}/...`` for an absolute path, None for one that does not travel."""
        normal = posixpath.normpath(path)
        there = self._locate(normal) or self._locate(os.path.realpath(normal))
        if there is None:
            return None
        relative = posixpath.relpath(there, self._base_there)
        return TREE if relative == "." else f"{TREE}/{relative}"

    def retarget(self, files: Mapping[str, str]) -> dict[str, str]:
        """Return the same files for a host, but for lines that lead to what does not travel.

        ``outside`` then names what they led to.
        """
        hooks = _hooks_of(files)
        retargeted = {}
        for name, text in files.items():
            if name.endswith("/direct_url.json"):
                retargeted[name] = self._retarget_direct_url(text)
            elif _is_path_file(name):
                retargeted[name] = self._retarget_path_file(text)
            else:
                retargeted[name] = self._retarget_code(text) if name in hooks else text
        return retargeted

    def _retarget_path_file(self, text: str) -> str:
        lines = (self._retarget_line(line.rstrip()) for line in text.splitlines())
        return "".join(f"{line}\n" for line in lines if line)

    def _retarget_line(self, line: str) -> str:
        if _CODE_IN_PATH_FILE.match(line):
            return "; ".join(self._retarget_code(line).splitlines())
        return self._retarget_string(line) or ""

    def _retarget_string(self, text: str) -> str | None:
        """Return a string with the meaning it has here; None for what does not travel."""
        if not text.startswith("/"):
            return text
        there = self.place(text)
        if there is None:
            self.outside[text] = None
        return there

    def _retarget_code(self, code: str) -> str:
        try:
            tree = _CodeForHosts(self).visit(ast.parse(code))
        except SyntaxError:  # It does nothing here either, and a host says why.
            return code
        return ast.unparse(ast.fix_missing_locations(tree)) + "\n"

    def _retarget_direct_url(self, text: str) -> str:
        origin = json.loads(text)
        there = self.place(path_of_url(origin["url"]) or "/")
        return json.dumps({**origin, "url": f"file://{there or '/'}"}) + "\n"


def _is_path_file(name: str) -> bool:
    return "/" not in name and name.endswith(".pth")


def _hooks_of(files: Mapping[str, str]) -> set[str]:
    """Return the files that are run by code in path files: import hooks."""
    modules: set[str] = set()
    for name, text in files.items():
        for line in text.splitlines() if _is_path_file(name) else ():
            if _CODE_IN_PATH_FILE.match(line):
                modules.update(re.findall(r"\bimport[ \t]+(\w+)", line))
    return {f"{module}.py" for module in modules} & files.keys()


class _CodeForHosts(ast.NodeTransformer):
    """Gives paths in code their names on a host, and takes what Python 3.6 cannot read.

    That is the annotations of import hooks, such as those that setuptools writes.
    """

    def __init__(self, paths: TreePaths) -> None:
        self._paths = paths

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if not isinstance(node.value, str) or not _is_path_here(node.value):
            return node
        there = self._paths._retarget_string(node.value)  # noqa: SLF001  two halves of one job
        return node if there is None else ast.Constant(there)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        return None if node.module == "__future__" else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        return None if node.value is None else ast.Assign([node.target], node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node


def _is_path_here(text: str) -> bool:
    """Return whether a string of some code is meant as a path: ``/`` alone is punctuation."""
    return text.startswith("/") and text.count("/") > 1 and os.path.lexists(text)


def project_of(direct_url: str) -> str | None:
    """Return the absolute path that a direct_url.json says is installed in place, else None."""
    try:
        origin = json.loads(direct_url)
        return path_of_url(origin["url"]) if origin["dir_info"]["editable"] else None
    except (ValueError, LookupError, TypeError):  # Most have no dir_info; some are of no use.
        return None


def path_of_url(url: str) -> str | None:
    """Return the absolute path that a ``file:`` URL names, None for another URL."""
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "file":
        return None
    path = rest.removeprefix("//localhost").removeprefix("//")
    return posixpath.normpath(unquote(path.partition("#")[0]))
