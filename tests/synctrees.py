"""Whole trees for the tests of sync: making them, sending them in this process, comparing them."""

from __future__ import annotations

import os
import stat
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_remotest import frames, manifests, messages
from pytest_remotest.receive import Receiver
from remotest.sync.plan import Manifest, project_key
from remotest.sync.push import Destination, Pushed, push
from remotest.sync.rules import parse_rule
from remotest.sync.scan import Request, scan, survey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.sync.ahead import Ahead

NOTHING: Final = manifests.digest_of(b"")
"""What the manifest without entries is known by."""

ROUND_TRIP_S: Final = 0.001
"""To a host of these tests, which is this process."""


def snapshot(top: Path | str) -> dict[bytes, tuple[Any, ...]]:
    """Return (kind, mode, content or target) of everything below a directory, by path."""
    found: dict[bytes, tuple[Any, ...]] = {}
    waiting = [os.fsencode(top)]
    while waiting:
        for item in os.scandir(waiting.pop()):
            status = item.stat(follow_symlinks=False)
            mode = stat.S_IMODE(status.st_mode)
            name = os.path.relpath(item.path, os.fsencode(top))
            if item.is_symlink():
                found[name] = ("link", os.readlink(item.path))  # noqa: PTH115  the path is bytes
            elif item.is_dir():
                found[name] = ("directory", mode)
                waiting.append(item.path)
            elif item.is_file():
                found[name] = ("file", mode, Path(os.fsdecode(item.path)).read_bytes())
            else:
                found[name] = ("special", mode)
    return found


def manifest_of(
    base: Path,
    *,
    named: Iterable[Path] = (),
    rules: Iterable[str] = (),
    ahead: Ahead | None = None,
) -> Manifest:
    """Return what is sent of a directory: those named in it, or all of it."""
    request = request_of(base, named=named, rules=rules)
    manifest = scan(request, survey(request), ahead=ahead)
    if ahead is not None:
        ahead.end()
    return manifest


def request_of(
    base: Path, *, named: Iterable[Path] = (), rules: Iterable[str] = (), **others: Any
) -> Request:
    return Request(
        base=str(base),
        root_dir=str(base),
        invocation_dir=str(base),
        named=tuple(str(path) for path in named),
        rules=tuple(parse_rule(rule, str(base)) for rule in rules),
        **others,
    )


def paths_of(manifest: Manifest) -> list[str]:
    """Return the files and links of a manifest, without ``base/`` in front."""
    return [entry.path.removeprefix("base/") for entry in manifest.entries if entry.kind != "d"]


def trees_in(cache: Path) -> Path:
    """Return where a host keeps its trees in a cache directory."""
    return cache / "remotest" / "v1" / "trees"


def announce(rows: list[list[Any]]) -> messages.SyncManifest:
    """Return the message that holds all of a manifest."""
    lines = sorted(frames.to_json(row) for row in rows)
    text = "\n".join(lines).encode()
    return messages.SyncManifest(
        manifests.digest_of(text), len(text), NOTHING, dropped=[], added=lines, contents=""
    )


class Host:
    """A receiver in this process, with a home directory of its own."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.answers: deque[Any] = deque()
        self.sent: list[Any] = []
        self.frames: list[bytes] = []
        self.receiver = Receiver(self._answer, {"HOME": str(home), **environ})

    def _answer(self, message: Any) -> None:
        frame = frames.encode([message])
        self.answers.extend(frames.decode(frame)[1])

    def send(self, frame: bytes) -> None:
        """Hand a frame of the controller to the receiver, as an agent does."""
        handlers = {
            messages.SyncOpen: self.receiver.open,
            messages.AskAhead: self.receiver.ask_ahead,
            messages.SyncAhead: self.receiver.ahead,
            messages.SyncManifest: self.receiver.manifest,
            messages.Blob: self.receiver.blob,
            messages.SyncCommit: self.receiver.commit,
            messages.AskRoom: self.receiver.tell_room,
        }
        self.frames.append(frame)
        for message in frames.decode(frame)[1]:
            self.sent.append(message)
            handlers[type(message)](message)

    def receive(self, timeout_s: float) -> Any:
        if not self.answers:
            raise TimeoutError(f"nothing to wait {timeout_s} s for")
        return self.answers.popleft()

    def push(self, manifest: Manifest, *, ahead: Ahead | None = None, **where: Any) -> Pushed:
        where.setdefault("project", project_key("/home/me/project", "laptop"))
        destination = Destination(host="box", run_uid="run", **where)
        return push(
            lambda: manifest,
            destination,
            self.send,
            self.receive,
            ahead=ahead,
            round_trip_s=lambda: ROUND_TRIP_S,
        )

    def push_and_release(self, manifest: Manifest, **where: Any) -> Pushed:
        try:
            return self.push(manifest, **where)
        finally:
            self.receiver.release()
