"""What every environment has: pytest and the plugins of here, none newer than here."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from remotest.env.plugins import additions, not_newer


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.2.3", "<=1.2.3"),
        ("1.2.3.post1", "<=1.2.3.post1"),
        ("2.0rc1", "<=2.0rc1"),
        ("1.2.3+cpu", "<=1.2.3"),
        ("1.2.3.dev4+gabcdef0", "<1.2.3"),
        ("1.2.3.dev4", "<1.2.3"),
        ("2.0rc1.dev4+g1", "<2.0"),
        ("1.2.3.post1.dev4+g1.d20240101", "<=1.2.3"),
        ("1!2.0.dev1", "<1!2.0"),
        ("unknown", ""),
    ],
)
def test_not_newer_than_a_version(text: str, expected: str) -> None:
    assert not_newer(text) == expected


@pytest.mark.parametrize(
    ("built", "allowed", "refused"),
    [
        ("1.2.3.dev4+g1", ["1.2.2", "1.0"], ["1.2.3", "1.2.3.dev3", "1.2.3rc1", "1.2.4"]),
        ("1.2.3.post1.dev4+g1", ["1.2.3", "1.2.2"], ["1.2.3.post1", "1.2.4"]),
    ],
)
def test_a_build_from_a_checkout_means_the_release_before_it(
    built: str, allowed: list[str], refused: list[str]
) -> None:
    specifier = Requirement(f"p{not_newer(built)}").specifier
    assert [text for text in [*allowed, *refused] if specifier.contains(text)] == allowed


def test_pytest_and_the_plugins_of_here() -> None:
    plugins = {
        "pytest-cov": "5.0.0",
        "Pytest_Mock": "3.14.0",
        "pytest": "9.2.0",
        "pytest-xdist": "3.8.0",
        "remotest": "0.1.0",
        "my.project": "1.0",
        "pytest-qt": "4.4",
        "pytest-own": "unknown",
    }
    assert additions("9.2.0", plugins, exclude=["pytest_Qt"], project="My-Project") == (
        "pytest>=7.0,<=9.2.0",
        "pytest-cov<=5.0.0",
        "pytest-mock<=3.14.0",
        "pytest-own",
    )


def test_a_pytest_from_a_checkout() -> None:
    assert additions("9.3.0.dev12+gabc", {}) == ("pytest>=7.0,<9.3.0",)
