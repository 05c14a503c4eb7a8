"""How a run begins leaves this process as it was."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from remotest.start import without_collections

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[True, False])
def collects(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Let this process collect garbage, or not; return which."""
    if not request.param:
        gc.disable()
    yield request.param
    gc.enable()


def test_garbage_is_collected_afterwards_as_before(collects: bool) -> None:
    with without_collections():
        assert not gc.isenabled()
    assert gc.isenabled() is collects
