"""Which interpreters are used as they are, and for which an environment is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import probes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remotest.env.choose import choose
from remotest.env.decision import Decision, choose_at_once
from remotest.env.key import environment_key
from remotest.env.model import Target, Wanted
from remotest.env.target import read_target
from remotest.errors import EnvError
from remotest.spec import parse_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTEST = "pytest>=7.0,<=9.2.0"


def target(distributions: Mapping[str, str] = {}, **changes: Any) -> Target:
    info = {**probes.example(**changes), "distributions": dict(distributions)}
    return read_target(info, host="h")


def decision(
    spec: str = "ssh=h",
    *,
    there: Target | None = None,
    wanted: Wanted | None = None,
    is_controllers_own: bool = False,
) -> str:
    return str(
        choose(
            parse_spec(spec),
            there or target(),
            wanted or Wanted(source="nothing"),
            [PYTEST],
            host="h",
            is_controllers_own=is_controllers_own,
        )
    )


@pytest.mark.parametrize(
    ("spec", "is_virtual", "is_controllers_own", "expected"),
    [
        ("popen", False, True, "as it is: the interpreter that runs this command"),
        ("popen//env=auto", True, True, "as it is: the interpreter that runs this command"),
        ("popen//env=managed", True, True, "managed: env=managed"),
        ("popen//env=fresh", False, True, "fresh: env=fresh"),
        ("popen//env=system", False, True, "as it is: env=system"),
        ("ssh=h", True, False, "as it is: it lies in a virtual or conda environment"),
        ("ssh=h//env=managed", True, False, "managed: env=managed"),
        ("ssh=h//env=fresh", True, False, "fresh: env=fresh"),
        ("ssh=h//env=system", False, False, "as it is: env=system"),
        ("ssh=h//env=venv:v", False, False, "as it is: env=venv: names it"),
        ("ssh=h", False, False, "managed: it lacks pytest<=9.2.0,>=7.0"),
        ("ssh=h//env=auto", False, False, "managed: it lacks pytest<=9.2.0,>=7.0"),
    ],
)
def test_each_mode_decides(
    spec: str, is_virtual: bool, is_controllers_own: bool, expected: str
) -> None:
    there = target(is_virtual=is_virtual)
    assert decision(spec, there=there, is_controllers_own=is_controllers_own) == expected


@pytest.mark.parametrize(
    ("distributions", "requirements", "constraints", "expected"),
    [
        ({"pytest": "9.2.0"}, (), (), "as it is: it has all that is wanted"),
        ({"pytest": "9.3.0"}, (), (), "managed: it lacks pytest<=9.2.0,>=7.0"),
        ({"pytest": "6.2.5"}, (), (), "managed: it lacks pytest<=9.2.0,>=7.0"),
        ({"pytest": "9.0rc1"}, (), (), "as it is: it has all that is wanted"),
        ({"pytest": "unknown"}, (), (), "managed: it lacks pytest<=9.2.0,>=7.0"),
        ({"pytest": "8", "my-pkg": "2"}, ("My_Pkg>=2",), (), "as it is: it has all that is wanted"),
        ({"pytest": "8", "a": "1"}, ("A>=2", "b[x]"), (), "managed: it lacks A>=2, b"),
        ({"pytest": "8"}, tuple("abcde"), (), "managed: it lacks a, b, c and 2 more"),
        (
            {"pytest": "8"},
            ("tomli; python_version < '3.9'",),
            (),
            "as it is: it has all that is wanted",
        ),
        (
            {"pytest": "8"},
            ("tomli; python_version < '3.10'",),
            (),
            "managed: it lacks tomli",
        ),
        ({"pytest": "8"}, ("a; extra == 'x'",), (), "as it is: it has all that is wanted"),
        ({"pytest": "8", "a": "1"}, ("a @ file:///a",), (), "managed: it lacks a"),
        ({"pytest": "8", "a": "1"}, ("a",), ("A<1", "b<1"), "managed: it lacks A<1"),
        ({"pytest": "8", "b": "1"}, (), ("b<1",), "as it is: it has all that is wanted"),
    ],
)
def test_an_interpreter_that_has_everything_is_used_as_it_is(
    distributions: dict[str, str],
    requirements: tuple[str, ...],
    constraints: tuple[str, ...],
    expected: str,
) -> None:
    wanted = Wanted(source="s", requirements=requirements, constraints=constraints)
    assert decision(there=target(distributions), wanted=wanted) == expected


def test_a_lock_is_taken_whatever_is_there() -> None:
    wanted = Wanted(source="pylock.toml", lock=Path("pylock.toml"))
    there = target({"pytest": "9.2.0"})
    assert decision(there=there, wanted=wanted) == "managed: a lock says what it holds"


@pytest.mark.parametrize(
    ("allowed", "full_version", "is_allowed"),
    [
        ("", "3.9.18", True),
        (">=3.9", "3.9.18", True),
        (">=3.10", "3.9.18", False),
        (">=3.14", "3.14.0a1+", False),
        (">=3.13", "3.14.0a1+", True),
        ("<4,>=3.8,!=3.9.*", "3.9.18", False),
    ],
)
def test_requires_python(allowed: str, full_version: str, is_allowed: bool) -> None:
    markers = {**probes.example()["probe"]["markers"], "python_full_version": full_version}
    there = target({"pytest": "9.2.0"}, markers=markers)
    wanted = Wanted(source="s", requires_python=allowed)
    if is_allowed:
        assert decision(there=there, wanted=wanted) == "as it is: it has all that is wanted"
        return
    with pytest.raises(EnvError) as caught:
        decision(there=there, wanted=wanted)
    assert caught.value.cause == (
        f"CPython {full_version} on linux x86_64 is none that the project allows: its"
        f" requires-python is '{allowed}'"
    )
    # Who names the environment knows what it is for.
    assert decision("ssh=h//env=system", there=there, wanted=wanted) == "as it is: env=system"


def test_what_is_wanted_need_not_be_known_where_it_does_not_count() -> None:
    spec = parse_spec("ssh=h")
    known = choose_at_once(spec, is_own=True, is_controllers_own=False)
    assert known == Decision(use="as it is", reason="it lies in a virtual or conda environment")
    assert choose_at_once(spec, is_own=False, is_controllers_own=False) is None


@given(st.lists(st.sampled_from(["a1", "b2", "c3"])))
def test_the_key_is_of_the_set_of_wheels(digests: list[str]) -> None:
    key = environment_key(target(), digests)
    assert key == environment_key(target(), sorted(set(digests), reverse=True))
    assert len(key) == 32
    assert key != environment_key(target(), [*digests, "d4"])
    assert key != environment_key(target(base_prefix="/opt"), digests)
