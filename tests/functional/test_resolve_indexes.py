"""Several places for one package, of which one has a wheel for some interpreters only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packageindex import PackageIndex
from resolveworld import TARGETS, World, filenames

from remotest.errors import EnvError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLATFORM = "manylinux_2_17_x86_64"
OF = {"py36": "cp36-cp36m", "py39": "cp39-cp39", "py313": "cp313-cp313"}
CPYTHONS = {name: TARGETS[name] for name in OF}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An index that has ``native`` for everybody, in 1.0 and 2.0."""
    with PackageIndex() as index:
        for version in ("1.0", "2.0"):
            for tag in (*OF.values(), "pp39-pypy39_pp73"):
                index.add("native", version, f"{tag}-{PLATFORM}")
        yield World.alone(index, tmp_path, "uv", monkeypatch)


@pytest.fixture
def other() -> Iterator[PackageIndex]:
    with PackageIndex() as index:
        yield index


def only_uv_knows(world: World, monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Tell uv of the index, and pip of nothing that there is."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    for name, value in {"UV_DEFAULT_INDEX": world.index.url, **variables}.items():
        monkeypatch.setenv(name, value)


def expected(newest: str) -> dict[str, list[str]]:
    """Return what everybody is given where only 3.13 has the wheel elsewhere, of this version."""
    return {
        name: [f"native-{newest if name == 'py313' else '2.0'}-{tag}-{PLATFORM}.whl"]
        for name, tag in OF.items()
    }


@pytest.mark.parametrize("newest", ["2.0", "3.0"])
def test_a_directory_that_has_one_wheel_of_the_newest_keeps_nobody_from_others(
    world: World, monkeypatch: pytest.MonkeyPatch, newest: str
) -> None:
    wheels = world.folder / "wheels"
    wheels.mkdir()
    filename = f"native-{newest}-cp313-cp313-{PLATFORM}.whl"
    with PackageIndex() as maker:
        maker.add("native", newest, f"cp313-cp313-{PLATFORM}")
        (wheels / filename).write_bytes(maker.answer(f"/files/{filename}", None)[2])
    only_uv_knows(world, monkeypatch, UV_FIND_LINKS=str(wheels))
    assert world.give("native", targets=CPYTHONS) == expected(newest)
    pypy = world.give("native", targets={"pypy": TARGETS["pypy"]})
    assert pypy == {"pypy": [f"native-2.0-pp39-pypy39_pp73-{PLATFORM}.whl"]}


@pytest.mark.parametrize("newest", ["2.0", "3.0"])
@pytest.mark.parametrize("way", ["uv", "pip"])
def test_an_index_that_has_one_wheel_of_the_newest_keeps_nobody_from_others(
    world: World, other: PackageIndex, monkeypatch: pytest.MonkeyPatch, newest: str, way: str
) -> None:
    """If all of them are trusted alike, as pip does, and uv where it is told so."""
    other.add("native", newest, f"cp313-cp313-{PLATFORM}")
    if way == "uv":
        strategy = "unsafe-best-match"
        only_uv_knows(world, monkeypatch, UV_INDEX=other.url, UV_INDEX_STRATEGY=strategy)
    else:
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", other.url)
    assert world.give("native", targets=CPYTHONS) == expected(newest)


def test_a_package_of_ones_own_is_not_looked_for_where_everybody_can_put_one(
    world: World, other: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv takes a package from the first index that has it: what pip is set up for is no way out."""
    world.index.add("ours", "9.9")
    other.add("ours", "1.0", f"cp313-cp313-{PLATFORM}")
    monkeypatch.setenv("UV_INDEX", other.url)
    monkeypatch.setenv("UV_DEFAULT_INDEX", world.index.url)

    answers = world.resolve("ours", targets={**CPYTHONS, "pypy": TARGETS["pypy"]})

    assert filenames(answers["py313"]) == [f"ours-1.0-cp313-cp313-{PLATFORM}.whl"]
    for name in ("py36", "py39", "pypy"):
        answer = answers[name]
        assert isinstance(answer, EnvError)
        assert "No wheel found" in answer.cause
    assert "ours-9.9-py3-none-any.whl" not in world.index.files_asked()
