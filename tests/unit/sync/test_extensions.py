"""Which interpreters the name of an extension module says that it is for."""

from __future__ import annotations

import pytest

from remotest.sync.extensions import Extension, is_for_some, is_foreign, parse_extension

CPYTHON_36 = ".cpython-36m-x86_64-linux-gnu.so"
CPYTHON_311 = ".cpython-311-x86_64-linux-gnu.so"
MUSL_311 = ".cpython-311-x86_64-linux-musl.so"
FREE_313 = ".cpython-313t-x86_64-linux-gnu.so"
PYPY_39 = ".pypy39-pp73-x86_64-linux-gnu.so"
ALL = (CPYTHON_36, CPYTHON_311, MUSL_311, FREE_313, PYPY_39)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"_a{CPYTHON_311}", Extension(module="_a", suffix=CPYTHON_311, tag=CPYTHON_311[1:-3])),
        ("a.abi3.so", Extension(module="a", suffix=".abi3.so", tag="abi3")),
        ("a.so", Extension(module="a", suffix=".so", tag=None)),
        ("a.cp312-win.pyd", Extension(module="a", suffix=".cp312-win.pyd", tag="cp312-win")),
        ("libz.1.so", None),
        ("libz.so.1", None),
        (".so", None),
        ("a.py", None),
        ("cpython-311.txt", None),
    ],
)
def test_what_a_name_says(name: str, expected: Extension | None) -> None:
    assert parse_extension(name) == expected
    assert is_for_some(name) == (expected is not None and expected.tag is not None)


@pytest.mark.parametrize(
    ("suffix", "importers"),
    [
        (CPYTHON_311, {CPYTHON_311}),
        (MUSL_311, {MUSL_311}),
        (PYPY_39, {PYPY_39}),
        (".abi3.so", {CPYTHON_36, CPYTHON_311, MUSL_311}),
        (".so", set(ALL) - {PYPY_39}),
    ],
)
def test_who_imports_a_module(suffix: str, importers: set[str]) -> None:
    extension = parse_extension(f"a{suffix}")
    assert extension is not None
    assert {own for own in ALL if extension.suits(own)} == importers


@pytest.mark.parametrize(
    ("name", "suffixes", "expected"),
    [
        (f"a{CPYTHON_311}", [CPYTHON_36, PYPY_39], True),
        (f"a{CPYTHON_311}", [CPYTHON_36, CPYTHON_311], False),
        (f"a{CPYTHON_311}", [], True),
        ("a.abi3.so", [PYPY_39, FREE_313], True),
        # Such a file may be a library that is opened by its path.
        ("a.so", [PYPY_39], False),
        ("a.py", [], False),
    ],
)
def test_what_is_of_no_use_to_any_interpreter(
    name: str, suffixes: list[str], *, expected: bool
) -> None:
    assert is_foreign(name, suffixes) == expected
