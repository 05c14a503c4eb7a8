"""uv explains at length; an error has one paragraph."""

from __future__ import annotations

from typing import Final

import pytest

from remotest.env.uvtool import WORDS_CHARS, blamed_requirements, first_cause, shortened

CONFLICT: Final = """\
warning: The requested Python version 3.8 is not available; 3.11.7 will be used instead.
error: No solution found when resolving dependencies for split (markers: ...)
  cause: Because the requested Python version (>=3.8) does not satisfy Python>=3.9 and
         numpy>=2 depends on Python>=3.9, we can conclude that numpy>=2 cannot be used.
         And because you require numpy>=2, we can conclude that your requirements are
         unsatisfiable.

hint: The `requires-python` value (>=3.8) includes Python versions that are not supported.
"""

UNREACHABLE: Final = """\
error: Request failed after 3 retries in 6.4s
  cause: Failed to fetch: http://127.0.0.1:9/simple/pytest/
  cause: error sending request for url (http://127.0.0.1:9/simple/pytest/)
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            CONFLICT,
            (
                "Because the requested Python version (>=3.8) does not satisfy Python>=3.9 and "
                "numpy>=2 depends on Python>=3.9, we can conclude that numpy>=2 cannot be used. "
                "And because you require numpy>=2, we can conclude that your requirements are "
                "unsatisfiable."
            ),
        ),
        (UNREACHABLE, "Failed to fetch: http://127.0.0.1:9/simple/pytest/"),
        ("error: unexpected argument '--x' found\n\ntip: a\n", "unexpected argument '--x' found"),
        ("something else\nat last\n", "at last"),
        ("", "it says nothing"),
    ],
)
def test_the_first_cause_is_told_in_one_line(words: str, expected: str) -> None:
    assert first_cause(words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (first_cause(CONFLICT), ["numpy>=2; python_version < '4'"]),
        ("Because you require a>=2 and b<1, we can conclude", ["a>=2", "b<1"]),
        ("no requirement is named", ["a>=2", "b<1", "numpy>=2; python_version < '4'"]),
    ],
)
def test_the_requirements_that_uv_names_are_blamed(words: str, expected: list[str]) -> None:
    requirements = ["a>=2", "b<1", "numpy>=2; python_version < '4'"]
    assert blamed_requirements(words, requirements) == expected


def test_a_long_explanation_keeps_its_two_ends() -> None:
    assert shortened("short") == "short"
    words = "Because " + "x" * 10_000 + " unsatisfiable."
    cut = shortened(words)
    assert cut.startswith("Because x")
    assert cut.endswith("x unsatisfiable.")
    assert len(cut) <= WORDS_CHARS + len(" ... ")
