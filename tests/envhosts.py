"""Hosts that environments are brought to: in this process, or in one of any interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from pytest_remotest import frames, messages
from pytest_remotest.cachekeeper import CacheKeeper
from pytest_remotest.envreceive import Builder
from remotest.env.hostcache import HostCache, ask_cache
from remotest.env.model import Contents
from remotest.env.ship import Destination, Shipped, ship

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from remotest.env.model import Wheel

PLUGIN: Final = Path(__file__).resolve().parents[1] / "plugin"

KEY: Final = "3fa9c1" * 5

PROGRAM: Final = """
import json, os, struct, sys
sys.path.insert(0, sys.argv[1])
from pytest_remotest import frames, messages, overlay
from pytest_remotest.envreceive import Builder

def send(message):
    data = frames.encode([message])
    sys.stdout.buffer.write(struct.pack("!I", len(data)) + data)
    sys.stdout.buffer.flush()

builder = Builder(send, {"HOME": sys.argv[2]})
overlays = overlay.Overlays()
while True:
    head = sys.stdin.buffer.read(4)
    if not head:
        break
    frame = sys.stdin.buffer.read(struct.unpack("!I", head)[0])
    for message in frames.decode(frame)[1]:
        if isinstance(message, messages.EnvOpen):
            builder.open(message)
        elif isinstance(message, messages.Blob):
            builder.blob(message)
        else:
            made = overlays.made_for(message, sys.argv[2])
            send(messages.WorkerOutput("", os.fsdecode(made.python)))
builder.release()
"""


class Host:
    """A host's side in this process, with a home directory of its own."""

    def __init__(self, home: Path, is_over: Callable[[], bool] = lambda: False) -> None:
        self.sent: list[Any] = []
        self.answers: deque[Any] = deque()
        environ = {"HOME": str(home)}
        self.builder = Builder(self._answer, environ, is_over)
        self._handlers = {
            messages.EnvOpen: self.builder.open,
            messages.Blob: self.builder.blob,
            messages.AskCache: CacheKeeper(self._answer, environ).ask,
        }

    def _answer(self, message: Any) -> None:
        self.answers += frames.decode(frames.encode([message]))[1]

    def send(self, frame: bytes) -> None:
        for message in frames.decode(frame)[1]:
            self.sent.append(message)
            self._handlers[type(message)](message)

    def receive(self, timeout_s: float) -> Any:
        if not self.answers:
            raise TimeoutError(f"nothing to wait {timeout_s} s for")
        return self.answers.popleft()

    def ship(self, wheels: Sequence[Wheel], key: str = KEY, **where: Any) -> Shipped:
        return self.bring(Contents(key=key, wheels=tuple(wheels)), **where)

    def bring(self, contents: Contents, **where: Any) -> Shipped:
        return ship(contents, Destination(host="box", **where), self.send, self.receive)

    def ask(self, action: Any, *things: Any) -> HostCache:
        return ask_cache(
            action, things, host="box", cache=None, send=self.send, receive=self.receive
        )

    def release(self) -> None:
        """End the run: whoever held something may be another process from here on."""
        self.builder.release()


@final
class HostProcess(Host):
    """The host's side in a process of an interpreter; a context that ends it in order."""

    def __init__(
        self,
        home: Path,
        python: Path | str = sys.executable,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(home)
        self.process = subprocess.Popen(
            [python, "-B", "-c", PROGRAM, str(PLUGIN), str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environ or {})},
        )

    def __enter__(self) -> HostProcess:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def send(self, frame: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(len(frame).to_bytes(4, "big") + frame)
        self.process.stdin.flush()

    def receive(self, _: float = 0) -> Any:
        assert self.process.stdout
        while not self.answers:
            head = self.process.stdout.read(4)
            assert head, "the host's process has ended"
            frame = self.process.stdout.read(int.from_bytes(head, "big"))
            self.answers += frames.decode(frame)[1]
        return self.answers.popleft()

    def overlay(
        self,
        env_folder: str | None,
        files: Sequence[tuple[str, str]],
        extensions_folder: str | None = None,
    ) -> Path:
        """Return the python of an overlay."""
        rows = [list(row) for row in files]
        start = messages.SpawnWorker(
            "", [], "", {}, [], False, 0, None, env_folder, rows, extensions_folder, "spawn"
        )
        self.send(frames.encode([start]))
        answer: messages.WorkerOutput = self.receive()
        return Path(answer.text)
