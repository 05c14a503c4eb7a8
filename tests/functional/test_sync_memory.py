"""A file that was hashed before is read again only if it may have changed since."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from synctrees import request_of

from remotest.sync.memory import MANIFESTS, SCANS, ScanMemory
from remotest.sync.scan import scan, survey

if TYPE_CHECKING:
    from pathlib import Path

    from remotest.sync.plan import Manifest

OLD_S = 1_000_000_000
SETTLED_S = 10


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    (path / "module.py").write_text("x = 1\n")
    (path / "other.py").write_text("y = 1\n")
    return path


def scanned(project: Path, root: Path) -> Manifest:
    request = request_of(project)
    memory = ScanMemory(root, "p")
    manifest = scan(request, survey(request), memory)
    memory.save(manifest.text)
    return manifest


def settle(root: Path) -> None:
    """Let the last scan be long after everything that it has seen."""
    path = root / SCANS / "p.json"
    later_ns = path.stat().st_mtime_ns + SETTLED_S * 10**9
    os.utime(path, ns=(later_ns, later_ns))


def poison(root: Path, manifest: Manifest) -> None:
    """Write wrong digests into the memory: they show whether it was believed."""
    path = root / SCANS / "p.json"
    text = path.read_text()
    for digest in manifest.sources:
        assert digest in text
        text = text.replace(digest, "0" * 64)
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))


def digests(manifest: Manifest) -> set[str]:
    return {entry.digest for entry in manifest.entries if entry.digest}


@pytest.mark.parametrize("is_settled", [True, False])
def test_only_what_was_settled_at_the_last_scan_is_not_read(
    project: Path, tmp_path: Path, is_settled: bool
) -> None:
    root = tmp_path / "cache"
    first = scanned(project, root)
    if is_settled:
        settle(root)
    poison(root, first)
    assert digests(scanned(project, root)) == ({"0" * 64} if is_settled else digests(first))


@pytest.mark.parametrize("change", ["content", "content of the same size and time", "replaced"])
def test_what_has_changed_is_read(project: Path, tmp_path: Path, change: str) -> None:
    root = tmp_path / "cache"
    path = project / "module.py"
    os.utime(path, (OLD_S, OLD_S))
    first = scanned(project, root)
    settle(root)
    if change == "content":
        path.write_text("x = 12\n")
    elif change == "replaced":
        (project / "new").write_text("x = 2\n")
        (project / "new").replace(path)
    else:
        path.write_text("x = 2\n")
        os.utime(path, (OLD_S, OLD_S))
    second = scanned(project, root)
    assert len(digests(second) - digests(first)) == 1
    assert second.former == first.text


def test_memory_that_is_torn_or_cannot_be_written_is_none(project: Path, tmp_path: Path) -> None:
    root = tmp_path / "cache"
    first = scanned(project, root)
    settle(root)
    for part in (SCANS, MANIFESTS):
        path = root / part / "p.json"
        path.write_bytes(path.read_bytes()[:-9])
    assert digests(scanned(project, root)) == digests(first)
    (tmp_path / "file").touch()
    assert digests(scanned(project, tmp_path / "file" / "v1")) == digests(first)


def test_memory_is_for_the_user_alone(project: Path, tmp_path: Path) -> None:
    root = tmp_path / "cache" / "remotest" / "v1"
    scanned(project, root)
    folders = [root.parent, root, root / SCANS, root / MANIFESTS]
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
