from __future__ import annotations

import ast

import pytest

from remotest.gateways.downlevel import engine_source, erase_types

ERASED = {
    "annotations": (
        "def f(a: int, *b: str, c: X = 1, **d: Y) -> Z:\n    pass",
        "def f(a, *b, c=1, **d):\n    pass",
    ),
    "positional-only": ("def f(a, b=1, /, c=2):\n    pass", "def f(a, b=1, c=2):\n    pass"),
    "assignments": ("a: int = 1\nself.b: list[int] = []", "a = 1\nself.b = []"),
    "declarations": ("class A:\n    b: int", "class A:\n    pass"),
    "protocols": (
        "class A(B, Protocol, metaclass=C):\n    b = 1",
        "class A(B, metaclass=C):\n    b = 1",
    ),
    "overloads": (
        "@overload\ndef f(a):\n    pass\n\ndef f(a):\n    return a",
        "def f(a):\n    return a",
    ),
    "casts": ("a = cast('list[int]', f(cast(int, b)))", "a = f(b)"),
    "imports": (
        "from __future__ import annotations\nfrom typing import Any, cast\nimport os",
        "import os",
    ),
    "inner functions": (
        "def f():\n\n    def g(a: int) -> None:\n        b: int = a",
        "def f():\n\n    def g(a):\n        b = a",
    ),
}


@pytest.mark.parametrize(("source", "erased"), ERASED.values(), ids=ERASED)
def test_what_serves_type_checkers_is_erased(source: str, erased: str) -> None:
    assert erase_types(source) == erased + "\n"


def test_a_use_of_typing_that_cannot_be_erased_is_an_error() -> None:
    with pytest.raises(ValueError, match="at run time: NamedTuple, TypeVar"):
        erase_types("from typing import NamedTuple, TypeVar\nT = TypeVar('T', bound=NamedTuple)")


def test_the_engine_has_the_grammar_of_3_6() -> None:
    """That it also runs there is shown by the conformance tests of gateways."""
    ast.parse(engine_source(), feature_version=(3, 6))


def test_the_engine_keeps_what_we_use_of_it() -> None:
    names = {
        node.name
        for node in ast.parse(engine_source()).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef))
    }
    assert names >= {"WorkerGateway", "Popen2IO", "get_execmodel", "geterrortext"}
