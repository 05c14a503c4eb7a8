"""A user's shell in which every host is at hand, and a project of his."""

from __future__ import annotations

from typing import TYPE_CHECKING

import machine
import projects
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from projects import Project


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Environment variables of a shell in which any host name is a real sshd on loopback."""
    directory = tmp_path / "machine"
    directory.mkdir()
    with machine.running(directory, ()) as environment:
        yield environment


@pytest.fixture
def project(tmp_path: Path, shell: dict[str, str]) -> Project:
    """An empty project of the user of ``shell``."""
    return projects.make(tmp_path / "work" / "project", shell, {})
