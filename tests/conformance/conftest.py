"""Interpreters of this machine for the tests of agents and workers, with our agent in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import interpreters
import pytest
from agentworld import Host
from gatewayworld import World, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with make_world("popen", tmp_path) as world:
        yield world


@pytest.fixture
def host(world: World) -> Host:
    return Host(world, interpreters.with_pytest("3.13"))
