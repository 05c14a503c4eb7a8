from __future__ import annotations

import ast
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remotest.bundle import read_bundle
from remotest.gateways.bootlines import (
    Interpreter,
    Marker,
    Missing,
    UvAsked,
    engine_message,
    parse_answer,
    python_line,
)

MARKER = Marker("left", "right")


def test_the_python_line_is_a_literal_that_holds_no_whole_marker() -> None:
    line = python_line(MARKER)
    program = ast.literal_eval(line.decode("ascii"))
    compile(program, "<first>", "exec")
    assert line.count(b"\n") == 1
    assert bytes(MARKER) not in line


def test_markers_differ() -> None:
    assert bytes(Marker.new()) != bytes(Marker.new())


def test_the_engine_has_its_length_in_front() -> None:
    message = engine_message(
        "x = 1  # \u2603\n", read_bundle(), cache="~/c\u2603", packed=b"packed"
    )
    assert int(message[:8]) == len(message[8:])
    program = zlib.decompress(message[8:]).decode("ascii")
    assert r"x = 1  # \u2603\n" in program
    compile(program, "<engine>", "exec")


ANSWERS = {
    b"python ((3, 11, 7), 'cpython', '/usr/bin/python3')": Interpreter(
        version=(3, 11, 7), implementation="cpython", executable="/usr/bin/python3"
    ),
    b"python ((2, 7, 18), 'cpython', '/a\\xff')": Interpreter(
        version=(2, 7, 18), implementation="cpython", executable="/a\xff"
    ),
    b"python ((3, 9, 16), 'pypy', \"/it's\")": Interpreter(
        version=(3, 9, 16), implementation="pypy", executable="/it's"
    ),
    b"python ((3, 9, 16), 'pypy', '')": Interpreter(
        version=(3, 9, 16), implementation="pypy", executable=""
    ),
    b"uv": UvAsked(),
    b"missing": Missing(()),
    b"missing:/usr/bin/python3:/opt/a b/bin/python3.9:/usr/bin/python3": Missing(
        ("/usr/bin/python3", "/opt/a b/bin/python3.9")
    ),
}


@pytest.mark.parametrize(("line", "answer"), ANSWERS.items())
def test_answers(line: bytes, answer: Interpreter | Missing | UvAsked) -> None:
    assert parse_answer(line) == answer


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"python",
        b"python 3.11",
        b"python ((3, 11), 'cpython', '/usr/bin/python3')",
        b"python ((3, 11, 7), 'cpython', 7)",
        b"python ((3, 11, 7), 'cpython', open('/etc/passwd'))",
        b"python ((3, 11, 7), 'cpython', " + b"(" * 10_000 + b")",
        b"python ((3, 11, 7), 'cpython', '/\xff')",
        b"python ((99999999, 11, 7), 'cpython', '/usr/bin/python3')",
    ],
)
def test_what_is_no_answer(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not |^unknown |^'ascii' codec|^malformed "):
        parse_answer(line)


@given(st.binary().map(lambda tail: b"python ((3, 11, 7), 'cpython', " + tail + b")"))
def test_whatever_a_host_says_is_an_answer_or_a_value_error(line: bytes) -> None:
    try:
        answer = parse_answer(line)
    except ValueError:
        return
    assert isinstance(answer, Interpreter)


@pytest.mark.parametrize(
    ("version", "implementation", "text", "is_too_old"),
    [
        ((2, 7, 18), "cpython", "Python 2.7.18", True),
        ((3, 5, 10), "cpython", "Python 3.5.10", True),
        ((3, 6, 0), "cpython", "Python 3.6.0", False),
        ((3, 14, 0), "cpython", "Python 3.14.0", False),
        ((3, 9, 16), "pypy", "PyPy 3.9.16", False),
        ((3, 11, 7), "graalpy", "graalpy 3.11.7", False),
    ],
)
def test_interpreters(
    version: tuple[int, int, int], implementation: str, text: str, *, is_too_old: bool
) -> None:
    interpreter = Interpreter(version=version, implementation=implementation, executable="/python")
    assert (str(interpreter), interpreter.is_too_old) == (text, is_too_old)


def test_missing_names_one_interpreter_of_each_name() -> None:
    assert str(Missing(())) == "no Python 3 found there at all"
    found = ("/a/python3", "/a/python3.9", "/b/python3", "/b/python3.10")
    assert str(Missing(found)) == "found there: /a/python3, /a/python3.9, /b/python3.10"
