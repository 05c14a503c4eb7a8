"""Which interpreters of a host one ``python=`` means."""

from __future__ import annotations

import pytest

from remotest.errors import SpecError, UsageError
from remotest.interpreters import choose_found, expand, is_open, uv_request
from remotest.spec import parse_tx

FOUND = (
    "/usr/bin/python3",
    "/usr/bin/python3.11",
    "/usr/bin/pypy3",
    "/usr/bin/pypy3.9",
    "/home/me/.pyenv/versions/2.7.18/bin/python2.7",
    "/home/me/.pyenv/versions/3.11.7/bin/python3.11",
    "/home/me/.pyenv/versions/3.8.18/bin/python3.8",
    "/home/me/.pyenv/versions/3.10.13/bin/python3.10",
    "/opt/old/bin/python3.5",
    "/opt/old/bin/python3.6",
)
"""As a host tells it: the first of a name is the one on its PATH."""


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("ssh=box", ["ssh=box"]),
        ("ssh=box//python=python3.9", ["ssh=box//python=python3.9"]),
        ("ssh=box//python=3.9", ["ssh=box//python=python3.9"]),
        ("ssh=box//python=py313t", ["ssh=box//python=python3.13t"]),
        (
            "2*ssh=box//python=3.8,py39,pypy3//nice=5",
            [f"2*ssh=box//python={name}//nice=5" for name in ("python3.8", "python3.9", "pypy3")],
        ),
        (
            "popen//python=/opt/a/bin/python,~/b/bin/python",
            ["popen//python=/opt/a/bin/python", "popen//python=~/b/bin/python"],
        ),
        ("popen//python=odd,name/bin/python", ["popen//python=odd,name/bin/python"]),
        ("ssh=box//python=all", ["ssh=box//python=all"]),
        ("ssh=box//python=3.8+", ["ssh=box//python=3.8+"]),
    ],
)
def test_a_list_is_taken_apart(text: str, expanded: list[str]) -> None:
    assert [str(request) for request in expand(parse_tx(text))] == expanded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ssh=box//python=3.8,,3.9",
            "--tx ssh=box//python=3.8,,3.9: python='3.8,,3.9' has an empty part",
        ),
        (
            "ssh=box//python=3.8,3.9//id=one",
            (
                "--tx ssh=box//python=3.8,3.9//id=one: id=one names one worker, "
                "but python= names 2 interpreters"
            ),
        ),
    ],
)
def test_what_cannot_be_taken_apart(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        expand(parse_tx(text))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("python", "answer"), [("all", True), ("3.8+", True), ("3.8", False), ("python3.8", False)]
)
def test_what_only_the_host_can_tell(python: str, answer: bool) -> None:
    assert is_open(parse_tx(f"ssh=box//python={python}")) is answer


@pytest.mark.parametrize(
    ("python", "requires_python", "chosen"),
    [
        ("3.10+", ">=3.99", ["3.10.13/bin/python3.10", "/usr/bin/python3.11"]),
        ("3.11+", "", ["/usr/bin/python3.11"]),
        ("3.12+", "", []),
        ("all", ">=3.10.2,<3.11", ["3.10.13/bin/python3.10"]),
        (
            "all",
            "",
            [
                "/opt/old/bin/python3.6",
                "3.8.18/bin/python3.8",
                "3.10.13/bin/python3.10",
                "/usr/bin/python3.11",
                "/usr/bin/pypy3.9",
            ],
        ),
        (
            "3.1+",
            "",
            [
                "/opt/old/bin/python3.6",
                "3.8.18/bin/python3.8",
                "3.10.13/bin/python3.10",
                "/usr/bin/python3.11",
                "/usr/bin/pypy3.9",
            ],
        ),
    ],
)
def test_what_is_chosen_of_what_a_host_has(
    python: str, requires_python: str, chosen: list[str]
) -> None:
    pyenv = "/home/me/.pyenv/versions/"
    assert choose_found(python, FOUND, requires_python) == tuple(
        path if path.startswith("/") else pyenv + path for path in chosen
    )


@pytest.mark.parametrize(
    ("python", "request_of_uv"),
    [
        (None, "3"),
        ("python", None),
        ("python2.7", None),
        ("python3", "3"),
        ("python3.9", "3.9"),
        ("python3.13t", "3.13t"),
        ("pypy3", "pypy3"),
        ("pypy3.10", "pypy3.10"),
        ("python3.9-config", None),
        ("/opt/python3.9", None),
        ("~/python3.9", None),
        ("-3.9", None),
    ],
)
def test_what_uv_calls_an_interpreter(python: str | None, request_of_uv: str | None) -> None:
    assert uv_request(python) == request_of_uv


def test_a_requirement_that_is_none() -> None:
    with pytest.raises(UsageError) as caught:
        choose_found("all", FOUND, "3.8 or so")
    assert str(caught.value) == (
        "requires-python '3.8 or so' of the project is no version specifier: "
        "write for example >=3.8"
    )
