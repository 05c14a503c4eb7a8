"""The engine is made once, and anew if what is kept of it is not whole."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from remotest.gateways import downlevel
from remotest.gateways.enginecache import engine_source

if TYPE_CHECKING:
    from pathlib import Path


def test_the_engine_is_kept(tmp_path: Path) -> None:
    root = tmp_path / "cache" / "v1"
    made = downlevel.engine_source()
    assert engine_source(root) == made
    [path] = root.iterdir()
    before = path.stat()
    assert engine_source(root) == made
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_what_is_torn_or_was_changed_is_not_used(tmp_path: Path) -> None:
    made = engine_source(tmp_path)
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:-100], whole + b"import os\n", whole[:9] + b"\xff" + whole[10:]):
        path.write_bytes(damaged)
        assert engine_source(tmp_path) == made
        assert path.read_bytes() == whole


def test_a_disk_that_is_full_keeps_no_part(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        made = engine_source(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert made == downlevel.engine_source()
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert engine_source(tmp_path / "file" / "v1") == downlevel.engine_source()
