"""The inventory: which environment a host has, by the loader and by the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from inventories import is_valid_by_schema, loaded, refusal

if TYPE_CHECKING:
    from pathlib import Path

BAD = [
    (
        "hosts:\n  a: {ssh: h, env_mode: manged}\n",
        (
            "2: hosts.a: env=*** is none of auto, system, managed, fresh, venv:PATH: did you mean"
            " 'managed'?"
        ),
    ),
    (
        "hosts:\n  a: {ssh: h, env: managed}\n",
        "2: hosts.a.env: holds variables, name: value; what a spec calls env= is env_mode",
    ),
    (
        "hosts:\n  a: {ssh: h, env_mode: 'venv:v', python: p}\n",
        (
            "2: hosts.a: env=venv: names the interpreter, the one in there, and so does python=:"
            " leave one of them out"
        ),
    ),
    (
        "hosts: {a: {ssh: h}}\ndefaults: {env_mode: 'venv:v', python: p}\n",
        (
            "2: defaults: env=venv: names the interpreter, the one in there, and so does python=:"
            " leave one of them out"
        ),
    ),
    (
        "hosts:\n  a: {socket: 'h:1', setup: x}\n",
        "2: hosts.a: setup= is not for socket=: the server is the interpreter already",
    ),
    ("hosts:\n  a: {socket: 'h:1', env_mode: 'venv:v'}\n", None),
    ("hosts:\n  a: {socket: 'h:1', interpreters: uv}\n", None),
    ("hosts:\n  a: {ssh: h, interpreters: 'no'}\n", None),
    ('hosts:\n  a: {ssh: h, setup: "a\\nb"}\n', None),
    ("hosts:\n  a: {ssh: h, group: [test]}\n", None),
    ("hosts:\n  a: {ssh: h, extra: 'a,'}\n", None),
    ("hosts:\n  a: {ssh: h, project: 'wheel:'}\n", None),
    ("hosts:\n  a: {ssh: h, wheels: there}\n", None),
]

GOOD = [
    (
        "defaults: {env_mode: managed, group: 'test,docs', project: 'wheel:dist/*.whl', tox: t}\n"
        "hosts: {a: {ssh: h, env_mode: 'venv:/opt/v', wheels: remote, setup: . env.sh && x}}\n"
    ),
    (
        "defaults: {python: p, setup: x, interpreters: uv}\n"
        "hosts: {a: {ssh: h, env_mode: 'venv:v'}, b: {socket: 'h:1'}}\n"
    ),
    "defaults: {env_mode: 'venv:v'}\nhosts: {a: {ssh: h, python: p}, b: {socket: 'h:1'}}\n",
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_environment_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str | None
) -> None:
    answer = refusal(tmp_path, text)
    assert message is None or answer == f"remotest.yaml:{message}"
    assert not is_valid_by_schema(text)


@pytest.mark.parametrize("text", GOOD)
def test_a_good_file_is_good_for_both(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text).hosts
    assert is_valid_by_schema(text)


def test_a_default_that_contradicts_a_host_is_left_out(tmp_path: Path) -> None:
    text = (
        "defaults: {env_mode: 'venv:v', setup: x, interpreters: uv, env: {A: b}}\n"
        "hosts: {a: {ssh: h, python: p}, b: {socket: 'h:1'}, c: {ssh: h, env_mode: 'venv:w'}}\n"
    )
    specs = [str(host.spec) for host in loaded(tmp_path, text).hosts.values()]
    assert specs == [
        "ssh=h//python=p//setup=x//interpreters=uv//env:A=b",
        "socket=h:1//env:A=b",
        "ssh=h//env=venv:w//setup=x//interpreters=uv//env:A=b",
    ]
