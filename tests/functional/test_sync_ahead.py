"""What was packed before a host has asked for it is sent where it helps, and what else it lacks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from synctrees import Host, manifest_of, snapshot

from pytest_remotest import frames, packing
from remotest.sync.ahead import PackedAhead, Parcel, parcels_of
from remotest.sync.contents import BLOB_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from remotest.sync.plan import Manifest

TEXT = "what is sent gets smaller\n" * 500


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    for name in ("a.py", "b.py", "c.py"):
        (path / name).write_text(name + TEXT)
    (path / "same.py").write_text("a.py" + TEXT)
    (path / "empty.py").touch()
    (path / "large").write_bytes(os.urandom(BLOB_BYTES))
    return path


@pytest.fixture
def hosts(tmp_path: Path) -> list[Host]:
    homes = [tmp_path / "home-1", tmp_path / "home-2"]
    for home in homes:
        home.mkdir()
    return [Host(home) for home in homes]


def digest_of(manifest: Manifest, name: str) -> str:
    return next(entry.digest for entry in manifest.entries if entry.path == f"base/{name}")


def contents_of(parcels: list[Parcel]) -> dict[str, bytes]:
    blobs = [blob for parcel in parcels for blob in frames.decode(parcel.frame)[1]]
    assert len(blobs) == len({blob.digest for blob in blobs})
    return {blob.digest: blob.data for blob in blobs if blob.last}


def test_each_content_is_packed_once_unless_it_is_large_or_has_changed(project: Path) -> None:
    manifest = manifest_of(project)
    (project / "b.py").write_text("another")

    parcels = list(parcels_of(manifest))

    packed = ("a.py", "c.py", "empty.py")
    contents = {digest_of(manifest, name): (project / name).read_bytes() for name in packed}
    assert contents_of(parcels) == contents
    assert [parcel.digests for parcel in parcels] == [frozenset(contents)]
    assert [parcel.byte_count for parcel in parcels] == [sum(map(len, contents.values()))]
    assert len(parcels[0].frame) < 1000


def test_a_host_far_away_is_sent_what_is_packed_and_then_the_rest(
    project: Path, hosts: list[Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remotest.sync.pace.NEAR_S", 0.0)
    manifest = manifest_of(project)
    ahead = PackedAhead(manifest, host_count=len(hosts))

    pushed = [host.push(manifest, ahead=ahead) for host in hosts]

    (parcel,) = parcels_of(manifest)
    for host, one in zip(hosts, pushed, strict=True):
        assert snapshot(f"{one.tree}/base") == snapshot(project)
        assert host.frames[-2] == parcel.frame
    assert ahead.take([]) == ahead.take(manifest.sources) == []


@pytest.mark.parametrize("near_s", [0.0, float("inf")], ids=["far", "near"])
def test_a_host_that_has_some_of_it_or_is_near_is_sent_no_parcel(
    project: Path, hosts: list[Host], monkeypatch: pytest.MonkeyPatch, near_s: float
) -> None:
    monkeypatch.setattr("remotest.sync.pace.NEAR_S", near_s)
    host = hosts[0]
    if not near_s:
        host.push_and_release(manifest_of(project))
        (project / "b.py").write_text("b.py" + TEXT + TEXT)
    manifest = manifest_of(project)

    pushed = host.push(manifest, ahead=PackedAhead(manifest, host_count=1))

    assert snapshot(f"{pushed.tree}/base") == snapshot(project)
    assert [parcel.frame in host.frames for parcel in parcels_of(manifest)] == [False]


def test_what_does_not_get_smaller_goes_as_it_is(project: Path) -> None:
    for path in project.iterdir():
        path.write_bytes(os.urandom(1000))

    (parcel,) = parcels_of(manifest_of(project))

    assert frames.encode_blobs(frames.decode(parcel.frame)[1], packing.PLAIN) == parcel.frame
