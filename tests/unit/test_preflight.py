"""Whether an interpreter can run the suite, from whatever its greeting says."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remotest.compat.node import interpreter_info
from remotest.errors import ConnectError, EnvError
from remotest.preflight import Interpreter, Preflight, check_interpreter, read_interpreter

GREETING: Final[dict[str, Any]] = {
    "implementation": "CPython",
    "version_info": [3, 9, 18],
    "executable": "/opt/python3.9",
    "prefix": "/opt",
    "hostname": "box",
    "pytest_version": "8.4.2",
    "cpu_count": 8,
}
INTERPRETER: Final = Interpreter(
    implementation="CPython",
    version="3.9.18",
    executable="/opt/python3.9",
    prefix="/opt",
    hostname="box",
    pytest_version="8.4.2",
    cpu_count=8,
)


def test_a_greeting_is_read() -> None:
    assert read_interpreter(GREETING) == INTERPRETER


@given(
    st.dictionaries(
        st.sampled_from([*GREETING, "pid", "cwd", "sysplatform"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5),
    )
)
def test_whatever_a_host_says_can_be_read(greeting: dict[str, Any]) -> None:
    interpreter = read_interpreter(greeting)
    assert isinstance(interpreter.tag, str)
    assert interpreter.cpu_count >= 1
    assert isinstance(interpreter_info(greeting).pid, int)


@pytest.mark.parametrize(
    ("implementation", "version", "tag"),
    [
        ("CPython", [3, 6, 15], "py36"),
        ("CPython", [3, 13, 0], "py313"),
        ("PyPy", [3, 9, 16], "pypy39"),
        ("CPython", [4], "py40"),
    ],
)
def test_short_names(implementation: str, version: list[int], tag: str) -> None:
    greeting = {**GREETING, "implementation": implementation, "version_info": version}
    assert read_interpreter(greeting).tag == tag


@pytest.mark.parametrize("version", ["7.0", "7.0.1", "7.1.0rc1", "8.4.2", "10.0.0", "9.1.dev12+g1"])
def test_a_pytest_that_will_do(version: str) -> None:
    check_interpreter("h", read_interpreter({**GREETING, "pytest_version": version}))


@pytest.mark.parametrize(
    ("version", "cause"),
    [
        (None, "Python 3.9.18 at /opt/python3.9 has no pytest"),
        (
            "6.2.5",
            "Python 3.9.18 at /opt/python3.9 has pytest 6.2.5: workers need 7.0 or newer",
        ),
        (
            "unknown",
            "Python 3.9.18 at /opt/python3.9 has pytest unknown: workers need 7.0 or newer",
        ),
    ],
)
def test_a_pytest_that_will_not_do(version: str | None, cause: str) -> None:
    interpreter = read_interpreter({**GREETING, "pytest_version": version})
    with pytest.raises(EnvError) as caught:
        check_interpreter("ssh=h", interpreter)
    assert caught.value.paragraph() == (
        f"ssh=h: preflight failed: {cause}\n"
        "  try: /opt/python3.9 -m pip install 'pytest>=7.0', there, or name an interpreter that "
        "has one with python="
    )


def failed(cause: str) -> ConnectError:
    return ConnectError(host="h", phase="connect", cause=cause)


def test_a_host_that_cannot_be_reached_leaves_the_others_to_run() -> None:
    preflight = Preflight(2)
    preflight.note("a", None)
    assert not preflight.is_complete
    preflight.note("b", failed("refused"))
    assert preflight.is_complete
    assert (preflight.failures(), preflight.usable()) == ({"b": "refused"}, ["a"])


def test_an_interpreter_without_a_pytest_stops_the_run_everywhere() -> None:
    preflight = Preflight(3)
    preflight.note("a", None)
    preflight.note("b", EnvError(host="h", phase="preflight", cause="no pytest"))
    preflight.note("c", failed("refused"))
    assert preflight.usable() == []
    assert preflight.failures() == {
        "a": "nothing was run: b cannot run the suite",
        "b": "no pytest",
        "c": "refused",
    }


def test_an_agent_that_ends_before_its_start_is_told_has_failed() -> None:
    preflight = Preflight(2)
    assert not preflight.lose("a", "killed")
    preflight.note("a", None)
    preflight.note("b", None)
    assert (preflight.failures(), preflight.usable()) == ({"a": "killed"}, ["b"])
    assert preflight.lose("b", "killed")


def test_what_is_known_of_each() -> None:
    preflight = Preflight(3)
    preflight.note("a", None)
    preflight.note("b", failed("refused"))
    told = {agent: (preflight.is_known(agent), preflight.has_started(agent)) for agent in "abc"}
    assert told == {"a": (True, True), "b": (True, False), "c": (False, False)}
