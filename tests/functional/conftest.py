"""What several tests of resolving and fetching begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packageindex import PackageIndex
from resolveworld import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    """A package index of the test's own."""
    with PackageIndex() as index:
        yield index


@pytest.fixture(params=["uv", pytest.param("pip", marks=pytest.mark.slow)])
def tool(request: pytest.FixtureRequest) -> str:
    """What resolves."""
    name: str = request.param
    return name


@pytest.fixture
def world(index: PackageIndex, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which ``tool`` knows of ``index`` only."""
    return World.alone(index, tmp_path, tool, monkeypatch)
