"""What a host says of itself, and what it answers when it is sent trees and wheels."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import probes
from fuzz.frames import as_received
from fuzz.guard import watching
from fuzz.inputs import JSON, TEXTS, edited, to_json, with_changes
from fuzz.target import Target, scratch
from hypothesis import strategies as st

from pytest_remotest import frames, messages
from pytest_remotest.entries import DIRECTORY, FILE, Entry
from remotest.compat.node import interpreter_info
from remotest.env import hostcache, ship
from remotest.env.model import Contents, Wheel
from remotest.env.target import read_target
from remotest.errors import ConnectError, HostError
from remotest.gateways import bootlines
from remotest.gateways.bootstrap import Boot
from remotest.preflight import check_interpreter, read_interpreter
from remotest.reporting import cachetable
from remotest.sync import push
from remotest.sync.plan import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MARK: Final = b"<marker>"
"""Stands in an input for the marker of the boot, which is random."""

ANSWERS: Final = [
    b"Welcome!\n"
    + MARK
    + b" pid 17\n"
    + MARK
    + b" python ((3, 9, 18), 'cpython', '/bin/python')\n",
    MARK + b" missing:/usr/bin/python3.8:/opt/python3.11\n",
    MARK + b" pid 17\n" + MARK + b" setup 3\n",
]
WORDS: Final = (
    *(MARK, b"\n", b" python ", b" pid ", b" missing", b" setup ", b"((3, 9, 1), 'cpython', "),
    *(b"'", b'"', b"(" * 300, b"{[]: 1}", b"'\\d'", b"b'x'", b"-" * 9000 + b"1)", b"9" * 5000),
)


class _Talk:
    """The stream of a host that says all that it ever says at once, whatever it is told."""

    def __init__(self, said: bytes) -> None:
        self._said = [said]

    def write(self, _: bytes, stall_s: float) -> None:
        pass

    def read(self, _: int, __: float) -> bytes:
        return self._said.pop() if self._said else b""

    def exit_status(self, _: float) -> int | None:
        return None

    def error_tail(self) -> str:
        return ""


def check_boot(data: bytes) -> None:
    for setup in (None, "module load python"):
        boot = Boot(None, host="h", python=None, setup=setup)  # type: ignore[arg-type]  # now:
        boot._stream = _Talk(data.replace(MARK, bytes(boot._marker)))  # type: ignore[assignment]  # enough of one
        with watching(), contextlib.suppress(ConnectError):
            boot.say("shell", 0)
            str(boot.hear(1.0).interpreter)


def check_boot_answer(data: bytes) -> None:
    with watching(), contextlib.suppress(ValueError):
        str(bootlines.parse_answer(data))


BOOT: Final = Target(
    name="boot",
    check=check_boot,
    inputs=edited(ANSWERS, WORDS) | st.lists(st.sampled_from(WORDS)).map(b"".join),
)
BOOT_ANSWER: Final = Target(
    name="boot-answer",
    check=check_boot_answer,
    inputs=edited([b"python ((3, 9, 18), 'cpython', '/bin/python')", b"missing:/x"], WORDS)
    | st.builds(
        lambda text: b"python ((3, 9, 1), 'cpython', %s)" % text.encode("ascii", "replace"),
        st.text("'\"\\ux0[]{}()-+*,:ab\n ", max_size=20) | st.sampled_from(WORDS).map(bytes.decode),
    ),
)


INFO: Final = {
    **probes.example(),
    "version": "3.9.18 (main)",
    "version_info": [3, 9, 18, "final", 0],
    "implementation": "CPython",
    "executable": "/usr/bin/python3.9",
    "prefix": "/usr",
    "sysplatform": "linux",
    "platform": "Linux-6.1.0-x86_64",
    "hostname": "box",
    "home": "/home/me",
    "cwd": "/home/me",
    "pid": 17,
    "user_id": 1000,
    "cpu_count": 8,
    "memory_bytes": 2**34,
    "caches": [{"path": "/home/me/.cache", "is_own": True, "free_bytes": 10**9}],
    "pytest_version": "8.4.2",
    "clock": 1.5e9,
}
"""What an agent tells of its host."""


def check_greeting(data: bytes) -> None:
    """It is refused, or read to the end: on the main thread, where the stack is deeper."""
    with watching():
        for message in as_received(data):
            if isinstance(message, messages.Greeting):
                _read_greeting(message.info)


def _read_greeting(info: dict[str, Any], stack: int = 50) -> None:
    if stack:  # About as many calls as pytest has below the loop of a run.
        _read_greeting(info, stack - 1)
        return
    interpreter_info(info)
    interpreter = read_interpreter(info)
    str(interpreter.tag)
    for read in (lambda: check_interpreter("h", interpreter), lambda: read_target(info, host="h")):
        with contextlib.suppress(HostError):
            read()


GREETING: Final = Target(
    name="greeting",
    check=check_greeting,
    inputs=with_changes(INFO, count=3).map(
        lambda info: to_json([["Greeting", messages.PROTOCOL, info]])
    ),
)


# -- conversations -----------------------------------------------------------------------------

CONTENT: Final = b"VALUE = 1\n"
DIGEST: Final = hashlib.sha256(CONTENT).hexdigest()


@functools.cache
def _file() -> Path:
    path = scratch("conversation") / "demo-1.0-py3-none-any.whl"
    path.write_bytes(CONTENT)
    return path


def _hosts_answers(data: bytes) -> Callable[[float], Any]:
    """Return what takes the next answer of a host; there is none after those in ``data``."""
    waiting = deque(as_received(data))

    def receive(_: float) -> Any:
        if not waiting:
            raise TimeoutError
        return waiting.popleft()

    return receive


def check_conversation(data: bytes) -> None:
    """A host gets what it was offered, each once, and the talk ends with an answer or an error."""
    sent: list[bytes] = []
    file = _file()
    entries = (
        Entry("base", DIRECTORY, 0o755),
        Entry("base/a.py", FILE, 0o644, len(CONTENT), DIGEST, 1),
    )
    manifest = Manifest(entries=entries, sources={DIGEST: str(file)})
    tree = push.Destination(host="h", project="p", run_uid="u")
    wheel = Wheel(
        name="demo", version="1.0", filename=file.name, sha256=DIGEST, size_bytes=10, path=file
    )
    contents = Contents(key="00ff00ff", wheels=(wheel,))
    asked = {"host": "h", "cache": None, "send": sent.append}
    talks: list[Callable[[], Any]] = [
        lambda: push.push(lambda: manifest, tree, sent.append, _hosts_answers(data)),
        lambda: push.preview(manifest, tree, sent.append, _hosts_answers(data)),
        lambda: ship.ship(contents, ship.Destination(host="h"), sent.append, _hosts_answers(data)),
        lambda: _list_cache(hostcache.ask_cache("list", (), receive=_hosts_answers(data), **asked)),  # type: ignore[arg-type]  # of three types
    ]
    for talk in talks:
        sent.clear()
        with watching(), contextlib.suppress(HostError):
            talk()
        blobs = [message for one in sent for message in frames.decode(one)[1] if _is_blob(message)]
        assert sum(len(blob.data) for blob in blobs) <= len(CONTENT)


def _list_cache(found: hostcache.HostCache) -> None:
    for line in cachetable.listing(found.place, found.things, 0.0):
        str(line)


def _is_blob(message: Any) -> bool:
    return isinstance(message, messages.Blob)


def _conversations() -> st.SearchStrategy[bytes]:
    digests = st.lists(st.sampled_from([DIGEST, DIGEST, "0" * 64, "../x", ""]), max_size=3)
    row = st.tuples(TEXTS, TEXTS, TEXTS, st.integers(), st.floats(), st.booleans()).map(list) | JSON
    said = st.one_of(
        st.builds(lambda names, last: ["SyncWant", names, last, ["zlib"]], digests, st.booleans()),
        st.builds(lambda tree, notes: ["SyncDone", tree, notes], TEXTS, st.lists(TEXTS)),
        st.builds(lambda reason, remedy: ["SyncFailed", reason, remedy], TEXTS, TEXTS),
        st.builds(lambda *fields: ["Room", *fields], TEXTS, st.integers(), st.integers(), JSON),
        st.builds(lambda names: ["EnvWant", names], digests),
        st.builds(
            lambda folder, packages, notes: ["EnvDone", folder, True, packages, notes],
            *(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=2), st.lists(TEXTS, max_size=2)),
        ),
        st.builds(lambda rows, last: ["CacheTold", "/c", rows, last], st.lists(row), st.booleans()),
        st.just(["Pong"]),
    )
    return st.lists(said, max_size=5).map(to_json)


CONVERSATION: Final = Target(name="conversation", check=check_conversation, inputs=_conversations())

TARGETS: Final = (BOOT, BOOT_ANSWER, GREETING, CONVERSATION)
