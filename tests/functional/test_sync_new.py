"""What is new since the last sync goes along with the manifest, if it is little."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from synctrees import Host, announce, request_of, snapshot

from pytest_remotest import frames, messages
from remotest.errors import SyncError
from remotest.sync import newcontents
from remotest.sync.memory import ScanMemory
from remotest.sync.push import Destination, Lacking, preview
from remotest.sync.scan import scan, survey

if TYPE_CHECKING:
    from remotest.sync.plan import Manifest

DIGEST = hashlib.sha256(b"x").hexdigest()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    (path / "pkg").mkdir(parents=True)
    (path / "pkg/module.py").write_text("x = 1\n")
    (path / "pkg/other.py").write_text("y = 1\n")
    return path


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "home").mkdir()
    return Host(tmp_path / "home")


def scanned(project: Path) -> Manifest:
    """Return what travels, with what the scan before it has remembered."""
    request = request_of(project)
    memory = ScanMemory(project.parent / "cache", "p")
    manifest = scan(request, survey(request), memory)
    memory.save(manifest.text)
    return manifest


def asked_by(host: Host, project: Path, manifest: Manifest) -> tuple[list[int], Any]:
    """Return how many contents a host has asked for each time, and what was pushed."""
    answers: list[Any] = []
    receive = host.receive

    def listen(timeout_s: float) -> Any:
        answers.append(receive(timeout_s))
        return answers[-1]

    host.receive = listen  # type: ignore[method-assign]  # Only to hear what it says.
    pushed = host.push_and_release(manifest)
    host.receive = receive  # type: ignore[method-assign]  # As it was.
    assert snapshot(Path(pushed.tree) / "base") == snapshot(project)
    wants = [answer for answer in answers if isinstance(answer, messages.SyncWant)]
    return [len(want.digests) for want in wants], pushed


def test_a_host_asks_for_nothing_that_is_new(project: Path, host: Host) -> None:
    first = scanned(project)
    assert first.contents == {}
    asked, _ = asked_by(host, project, first)
    assert asked == [2]

    (project / "pkg/module.py").write_text("x = 12\n")
    (project / "pkg/copy.py").write_text("x = 12\n")
    (project / "pkg/empty.py").touch()
    (project / "pkg/other.py").unlink()
    asked, pushed = asked_by(host, project, scanned(project))
    assert asked == [0]
    paths = ("base/pkg/copy.py", "base/pkg/empty.py", "base/pkg/module.py")
    assert (pushed.sent_bytes, pushed.sent) == (7, paths)

    asked, pushed = asked_by(host, project, scanned(project))
    assert (asked, pushed.sent_bytes, pushed.sent) == ([0], 0, ())


def test_what_a_host_lacks_besides_it_asks_for(project: Path, host: Host) -> None:
    _, pushed = asked_by(host, project, scanned(project))
    (Path(pushed.tree) / "base/pkg/other.py").unlink()
    (project / "pkg/module.py").write_text("x = 12\n")
    asked, pushed = asked_by(host, project, scanned(project))
    assert (asked, pushed.sent_bytes) == ([1], 13)


def test_a_host_with_another_manifest_uses_it_all_the_same(project: Path, host: Host) -> None:
    asked_by(host, project, scanned(project))
    for text in ("x = 2\n", "x = 3\n"):
        (project / "pkg/module.py").write_text(text)
        manifest = scanned(project)
    asked, _ = asked_by(host, project, manifest)
    assert asked == [1, 0]


def test_a_host_that_has_it_already_does_not_write_it(project: Path, host: Host) -> None:
    asked_by(host, project, scanned(project))
    (project / "pkg/module.py").write_text("x = 2\n")
    manifest = scanned(project)
    _, pushed = asked_by(host, project, manifest)
    module = Path(pushed.tree) / "base/pkg/module.py"
    before = module.stat()
    asked, _ = asked_by(host, project, manifest)
    assert asked == [0]
    assert module.stat() == before


def test_much_that_is_new_is_asked_for(
    project: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newcontents, "NEW_BYTES", 10)
    asked_by(host, project, scanned(project))
    (project / "pkg/module.py").write_text("x = 2\n")
    (project / "pkg/other.py").write_text("y = 2\n")
    manifest = scanned(project)
    assert manifest.contents == {}
    asked, _ = asked_by(host, project, manifest)
    assert asked == [2]


def test_what_was_only_read_again_is_not_new(project: Path) -> None:
    scanned(project)
    (project / "pkg/module.py").touch()
    (project / "pkg/other.py").rename(project / "pkg/another.py")
    assert scanned(project).contents == {}


def test_what_only_some_interpreters_can_import_is_not_sent_unasked(project: Path) -> None:
    scanned(project)
    (project / "pkg/fast.cpython-39-x86_64-linux-gnu.so").write_bytes(b"new")
    assert scanned(project).contents == {}


def test_a_preview_counts_it_and_sends_none(project: Path, host: Host) -> None:
    asked_by(host, project, scanned(project))
    (project / "pkg/module.py").write_text("x = 2\n")
    destination = Destination(host="box", project="project-1", run_uid="r")
    host.push_and_release(scanned(project), project="project-1")
    (project / "pkg/module.py").write_text("x = 3\n")
    manifest = scanned(project)
    assert len(manifest.contents) == 1
    _, lacking = preview(manifest, destination, host.send, host.receive)
    assert lacking == Lacking(file_count=1, byte_count=6)


def test_a_disk_that_takes_none_of_it_is_told(
    project: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_by(host, project, scanned(project))
    (project / "pkg/module.py").write_text("x = 2\n")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pytest_remotest.mirror.write", refuse)
    with pytest.raises(SyncError, match="disk is full"):
        host.push(scanned(project))
    host.receiver.release()


@pytest.mark.parametrize(
    "contents",
    [
        "/w==",
        "no base64",
        "\u00fc",
        frames.to_text([messages.Blob(DIGEST, last=True, data=b"y")]),
        frames.to_text([messages.Blob(DIGEST, last=True, data=b"xx")]),
    ],
    ids=["kind", "base64", "text", "digest", "size"],
)
def test_contents_that_are_not_what_they_are_called_are_refused(host: Host, contents: str) -> None:
    rows = [["base", "d", 0o700], ["base/x", "f", 0o600, 1, DIGEST, 0]]
    manifest = announce(rows)._replace(contents=contents)
    opening = [messages.SyncOpen("p", "r", None, None), manifest, messages.SyncCommit(held=True)]
    with pytest.raises(messages.ProtocolError):
        host.send(frames.encode(opening))
    host.receiver.release()
    assert list(host.home.rglob("x")) == []


def test_contents_are_told_as_a_text_and_come_out_of_it() -> None:
    blobs = [
        messages.Blob("00", last=True, data=b"a" * 100_000),
        messages.Blob("ff", last=True, data=b""),
    ]
    text = frames.to_text(blobs)
    assert frames.from_text(text) == blobs
    assert len(text) < 1000
    assert (frames.to_text([]), frames.from_text("")) == ("", [])
