"""execnet's engine in the grammar of Python 3.6. Pure.

execnet sends ``gateway_base`` to a host as source, and Python before 3.8 cannot parse that source.
Only what serves type checkers uses the newer syntax: without it, 3.6 and all later versions work.
Every interpreter gets the text without it, so tests with one interpreter hold for all.
"""

from __future__ import annotations

import ast
import inspect
from typing import Final

from execnet import gateway_base

TYPING_MODULES: Final = frozenset(("typing", "typing_extensions", "__future__"))


def engine_source() -> str:
    """Return the source of execnet's ``gateway_base``, erased."""
    return erase_types(inspect.getsource(gateway_base))


def erase_types(source: str) -> str:
    """Return a module's source without anything that serves type checkers only.

    Gone are annotations, ``overload`` variants, ``Protocol`` bases, ``cast`` calls, the marks of
    positional-only arguments and all imports of typing.

    Raises:
        ValueError: the module uses a name of typing in another way, at run time.
    """
    tree = ast.parse(source)
    eraser = _Eraser()
    tree = ast.fix_missing_locations(eraser.visit(tree))
    left_over = sorted(
        {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & eraser.typing_names
    )
    if left_over:
        raise ValueError(f"names of typing are used at run time: {', '.join(left_over)}")
    return ast.unparse(tree) + "\n"


class _Eraser(ast.NodeTransformer):
    def __init__(self) -> None:
        self.typing_names: set[str] = set()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if node.module not in TYPING_MODULES:
            return node
        self.typing_names |= {alias.asname or alias.name for alias in node.names}
        return None

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.bases = [base for base in node.bases if not _is_name(base, "Protocol")]
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        if any(_is_name(decorator, "overload") for decorator in node.decorator_list):
            return None
        node.returns = None
        node.args.args = node.args.posonlyargs + node.args.args
        node.args.posonlyargs = []
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=self.visit(node.value))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        return node.args[1] if _is_name(node.func, "cast") else node


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
