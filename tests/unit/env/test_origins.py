"""Why each package of an environment is there, and in which words that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import probes
import pytest
import wheelfiles

from remotest.env.model import Contents, Target, Wanted
from remotest.env.origins import trace
from remotest.env.target import read_target

if TYPE_CHECKING:
    from pathlib import Path

ADDITIONS = ("pytest>=7.0,<=9.2.0", "pytest-timeout<=2.4")


def target() -> Target:
    return read_target({**probes.example(), "distributions": {}}, host="h")


def reasons(wheels: list[Path], wanted: Wanted) -> dict[str, tuple[str, ...]]:
    contents = Contents(key="0" * 8, wheels=tuple(map(wheelfiles.wheel, wheels)))
    packages = trace(contents, wanted, ADDITIONS, target())
    return {f"{package.name} {package.version}": package.reasons for package in packages}


def test_every_requirement_that_names_a_package_is_told(tmp_path: Path) -> None:
    wheels = [
        wheelfiles.make(tmp_path, "pytest", "8.4.2", requires=["iniconfig>=1", "pluggy<2,>=1.5"]),
        wheelfiles.make(tmp_path, "pytest_timeout", "2.4", requires=["pytest>=7"]),
        wheelfiles.make(tmp_path, "pluggy", "1.6.0", requires=["tox; extra == 'testing'"]),
        wheelfiles.make(tmp_path, "iniconfig", "2.1.0"),
        wheelfiles.make(tmp_path, "toolz", "1.0"),
    ]
    wanted = Wanted(
        source="group 'test'",
        requirements=("toolz>=0.9; python_version < '4'", "toolz<3", "absent; os_name == 'nt'"),
        constraints=("iniconfig<3", "numpy<2"),
    )
    assert reasons(wheels, wanted) == {
        "iniconfig 2.1.0": ("iniconfig>=1: needed by pytest", "iniconfig<3: constraint"),
        "pluggy 1.6.0": ("pluggy<2,>=1.5: needed by pytest",),
        "pytest 8.4.2": (
            "pytest<=9.2.0,>=7.0: no newer than here",
            "pytest>=7: needed by pytest-timeout",
        ),
        "pytest-timeout 2.4": ("pytest-timeout<=2.4: no newer than here",),
        "toolz 1.0": ("toolz>=0.9: group 'test'", "toolz<3: group 'test'"),
    }


def test_an_extra_brings_what_only_it_needs(tmp_path: Path) -> None:
    wheels = [
        wheelfiles.make(
            tmp_path,
            "web",
            "1",
            requires=["base", "socks; extra == 'proxy'"],
            extras=["proxy"],
        ),
        wheelfiles.make(tmp_path, "base", "2"),
        wheelfiles.make(tmp_path, "socks", "3", requires=["web"]),
    ]
    assert reasons(wheels, Wanted(source="here", requirements=("web[proxy]",))) == {
        "base 2": ("base: needed by web",),
        "socks 3": ("socks: needed by web",),
        "web 1": ("web[proxy]: here", "web: needed by socks"),
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pylock.toml", "[[packages]]\nname = 'Pluggy'\n"),
        ("uv.lock", "[[package]]\nname = 'pluggy'\n"),
    ],
)
def test_what_a_lock_says_comes_from_it(tmp_path: Path, name: str, text: str) -> None:
    lock = tmp_path / name
    lock.write_text(text)
    wheels = [
        wheelfiles.make(tmp_path, "pluggy", "1.6.0"),
        wheelfiles.make(tmp_path, "pytest", "8.4.2", requires=["pluggy"]),
    ]
    assert reasons(wheels, Wanted(source=f"lock {name}", lock=lock)) == {
        "pluggy 1.6.0": (f"lock {name}", "pluggy: needed by pytest"),
        "pytest 8.4.2": ("pytest<=9.2.0,>=7.0: no newer than here",),
    }


def test_a_wheel_that_cannot_be_read_needs_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "toolz-1.0-py3-none-any.whl"
    broken.write_bytes(b"no zip")
    odd = wheelfiles.make(tmp_path, "odd", "1", requires=["not a requirement", "toolz"])
    wanted = Wanted(source="here", requirements=("odd",))
    assert reasons([broken, odd], wanted) == {
        "odd 1": ("odd: here",),
        "toolz 1.0": ("toolz: needed by odd",),
    }
