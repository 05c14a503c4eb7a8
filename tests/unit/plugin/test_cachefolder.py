"""Where a host keeps things: what is known of the places that may be."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

from pytest_remotest import cachefolder, cacheplaces

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_candidates_are_told_and_not_made(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "a" / "b")}
    told = cachefolder.tell(environ)
    assert [one["path"] for one in told] == [
        str(tmp_path / "a" / "b"),
        str(tmp_path / ".cache"),
        f"/var/tmp/remotest-{os.geteuid()}",
    ]
    disk = os.statvfs(tmp_path)
    assert [told[0]["is_own"], told[0]["is_writable"], told[0]["is_noexec"]] == [
        True,
        True,
        bool(disk.f_flag & os.ST_NOEXEC),
    ]
    assert 0 < told[0]["free_bytes"] <= disk.f_blocks * disk.f_frsize
    assert list(tmp_path.iterdir()) == []


def test_place_where_no_program_starts_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_NOEXEC | os.ST_NOSUID)
    )
    assert cachefolder.is_noexec(os.fsencode(tmp_path)) is True


def test_user_whom_nobody_knows_has_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert cacheplaces.home_directory({}) == b"/"
