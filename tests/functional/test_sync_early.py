"""What a host takes of a tree before its manifest, and what that makes of the manifest."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from synctrees import Host

from pytest_remotest import frames, manifests, messages
from pytest_remotest.messages import ProtocolError

if TYPE_CHECKING:
    from pathlib import Path

A_FILE = ["base/a.py", "f", 0o644, 1, "00" * 32, 0]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr("pytest_remotest.early.FREE_BYTES", 0)
    monkeypatch.setattr("pytest_remotest.early.FREE_FILES", 0)
    return Host(tmp_path)


@pytest.mark.parametrize(
    "rows",
    [
        [A_FILE],
        [["base", "d", 0o755], ["base/link", "l", "/etc"]],
        [["base", "d", 0o755], ["base/../x", "d", 0o755]],
        [["elsewhere", "d", 0o755]],
        [["base", "d", 0o755], A_FILE, ["base/a.py/x", "f", 0o644, 1, "00" * 32, 0]],
    ],
    ids=["nowhere", "link", "upwards", "elsewhere", "in-a-file"],
)
def test_nothing_comes_early_that_is_outside_of_the_tree(host: Host, rows: list[list[Any]]) -> None:
    host.send(frames.encode([messages.SyncOpen("p", "r", None, None), messages.AskAhead()]))
    with pytest.raises(ProtocolError):
        host.send(frames.encode([messages.SyncAhead(rows)]))
    assert [path.name for path in host.home.rglob("*.py")] == []


@pytest.mark.parametrize("data", [b"x", b"xy", b""])
def test_contents_that_come_early_are_those_that_were_announced(host: Host, data: bytes) -> None:
    host.send(frames.encode([messages.SyncOpen("p", "r", None, None), messages.AskAhead()]))
    host.send(frames.encode([messages.SyncAhead([["base", "d", 0o755], A_FILE])]))
    with pytest.raises(ProtocolError, match="the bytes sent are not those of"):
        host.send(frames.encode_blobs([messages.Blob("00" * 32, True, data)]))
    assert [path.name for path in host.home.rglob("*.py")] == []


def test_files_come_early_only_where_that_was_asked_for(host: Host) -> None:
    host.send(frames.encode([messages.SyncOpen("p", "r", None, None)]))
    with pytest.raises(ProtocolError, match="takes none"):
        host.send(frames.encode([messages.SyncAhead([])]))


def test_a_manifest_without_what_has_come_is_asked_for(host: Host) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    directory, gone = ["base", "d", 0o755], ["base/gone.py", "f", 0o644, 1, digest, 0]
    stays = ["base/stays.py", *gone[1:]]
    rows = [json.dumps(row, separators=(",", ":")) for row in (directory, stays)]
    text = "\n".join(sorted(rows)).encode()
    known_by = manifests.digest_of(text)
    host.send(frames.encode([messages.SyncOpen("p", "r", None, None), messages.AskAhead()]))
    host.send(frames.encode([messages.SyncAhead([directory, gone])]))
    host.send(frames.encode_blobs([messages.Blob(digest, last=True, data=b"x")]))
    assert [path.name for path in host.home.rglob("*.py")] == ["gone.py"]

    nothing = manifests.digest_of(b"")
    announced = messages.SyncManifest(known_by, len(text), nothing, [], rows, "")
    host.send(frames.encode([announced, messages.SyncCommit(held=True)]))
    host.send(frames.encode_blobs([messages.Blob(known_by, last=True, data=text)]))
    host.send(frames.encode_blobs([messages.Blob(digest, last=True, data=b"x")]))

    taken, first, second, done = host.answers
    assert taken.is_taken
    assert [first.digests, second.digests] == [[known_by], [digest]]
    assert isinstance(done, messages.SyncDone)
    assert [path.name for path in host.home.rglob("*.py")] == ["stays.py"]
