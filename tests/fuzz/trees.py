"""Trees: the rules of what travels, and what a host makes of a manifest and the blobs behind it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import tempfile
from pathlib import Path
from typing import Any, Final

from fuzz.guard import watching
from fuzz.inputs import JSON, TEXTS, edited, lines_of, to_json, with_changes
from fuzz.target import Target
from hypothesis import strategies as st
from synctrees import NOTHING
from wireexamples import EXAMPLES

from pytest_remotest import entries, envstore, frames, holders, manifests, messages
from pytest_remotest.envreceive import Builder
from pytest_remotest.envstore import SCHEMA, EnvStore
from pytest_remotest.holders import process_space
from pytest_remotest.mirror import Mirror, remove
from pytest_remotest.receive import Receiver
from remotest.env.wheelcache import LOCKS, WheelCache
from remotest.errors import UsageError
from remotest.sync.rules import Rules, parse_rule

RULE_WORDS: Final = (
    *("*", "**", "/", "!", "./", "../", "[", "]", "[!a", "[]a]", "[b-a]", "[a-", "\\", "?", ".env"),
    *("build", "*.log", "/home/me", "id_*", "**/" * 8, "*a" * 8, "a" * 30, "\n"),
)
PATHS: Final = ("/home/me/build/" + "a" * 40 + ".log", "/home/me/.env", "/x/\udcff/y\nz", "/")


def check_rules(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    with watching():
        try:
            rules = [parse_rule(line, "/home/me") for line in text.split("\n") if line]
        except UsageError:
            return
        for path in PATHS:
            Rules(rules, top="/home/me", leaves_junk=True).decide(path, is_directory=False)


RULES: Final = Target(
    name="rsyncignore",
    check=check_rules,
    inputs=lines_of(RULE_WORDS, max_size=3)
    | edited([b"!build/**/keep\n*.[oa]\n/home/me/x\n"], [word.encode() for word in RULE_WORDS]),
)


# -- what a host makes of it -------------------------------------------------------------------

AN_ENVIRONMENT: Final = next(
    example for example in EXAMPLES if isinstance(example, messages.EnvOpen)
)._replace(key="00ff00ff", wheels=[])
CONTENTS: Final = (b"", b"VALUE = 1\n", b"x" * 3000)
DIGESTS: Final = tuple(hashlib.sha256(content).hexdigest() for content in CONTENTS)
PLACES: Final = (
    *("base", "base/a", "base/a/b", "base/b", "outside", "outside/x", "base/a/b/c"),
    *("base/link", "base/link/x", "base/../x", "../x", "/etc/x", "base//x", "base/.", ""),
    *(
        ".remotest",
        ".remotest/owner.9",
        "base/\udcff",
        "base/\ud800",
        "base/\0",
        "base/" + "a" * 300,
    ),
    *("base/A", "base/a\u0301", "base/\u00e1", "base/__pycache__", "base/__pycache__/a.pyc"),
)


def check_receiver(data: bytes) -> None:
    """Whatever a peer orders, only the cache is written to, and nothing that is ordered is run."""
    orders = _orders(data)
    with tempfile.TemporaryDirectory(prefix="remotest-fuzz-") as top:
        home = Path(top, "home")
        home.mkdir()
        Path(top, "secret").write_text("mine")
        answers: list[Any] = []
        environ = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
        receiver, builder = Receiver(answers.append, environ), Builder(answers.append, environ)
        take_blob = receiver.blob
        takers = {
            messages.AskAhead: receiver.ask_ahead,
            messages.SyncAhead: receiver.ahead,
            messages.SyncManifest: receiver.manifest,
            messages.SyncCommit: receiver.commit,
        }
        with watching(home):
            try:
                for message in orders:
                    # As the agent does it; places that the controller's user named are allowed.
                    if isinstance(message, messages.SyncOpen):
                        take_blob = receiver.blob
                        receiver.open(message._replace(cache=None, directory=None))
                    elif isinstance(message, messages.EnvOpen):
                        take_blob = builder.blob
                        builder.open(message._replace(cache=None))
                    elif isinstance(message, messages.Blob):
                        take_blob(message)
                    elif type(message) in takers:
                        takers[type(message)](message)
            except messages.ProtocolError:
                pass
            finally:
                receiver.release()
                builder.release()
        _check_trees(answers)
        assert sorted(path.name for path in Path(top).iterdir()) == ["home", "secret"]
        for child in home.iterdir():
            remove(os.fsencode(child))  # Modes in it may forbid even us to look.


def _orders(data: bytes) -> list[Any]:
    """Return messages: each line is one frame, of a blob where it is digest, last and content."""
    orders: list[Any] = []
    with contextlib.suppress(messages.ProtocolError):
        for line in data.split(b"\n"):
            kind, _, rest = line.partition(b" ")
            if kind == b"blob" and rest.isdigit():
                number = int(rest[:3]) % (2 * len(CONTENTS))
                content, digest = CONTENTS[number // 2], DIGESTS[number // 2]
                half = len(content) // 2
                if number % 2:
                    orders.append(messages.Blob(digest, False, content[:half]))
                    content = content[half:]
                orders.append(messages.Blob(digest, True, content))
            elif line:
                orders += frames.decode_body(line)
    return orders


def _check_trees(answers: list[Any]) -> None:
    """What is said to be done is there."""
    for answer in answers:
        if isinstance(answer, messages.SyncDone):
            assert Path(answer.tree).is_dir()


def _manifest_rows() -> st.SearchStrategy[Any]:
    places = st.sampled_from(PLACES) | TEXTS
    modes = st.sampled_from([0o755, 0o644, 0o444, 0o000, 0o4777, -1, 2**40])
    sizes = st.sampled_from([len(content) for content in CONTENTS]) | st.integers()
    numbers = st.sampled_from([0, 1, 10**18, 2**63 - 1, -(2**63)])
    targets = st.sampled_from(["a", "../../..", "/etc/passwd", "", "x" * 5000, "\0", "\udcff"])
    files = st.tuples(st.sampled_from(range(3)), modes, numbers).map(
        lambda drawn: ["f", drawn[1], len(CONTENTS[drawn[0]]), DIGESTS[drawn[0]], drawn[2]]
    )
    kinds = (
        files
        | st.tuples(st.just("f"), modes, sizes, st.sampled_from([*DIGESTS, "x"]), numbers).map(list)
        | st.tuples(st.just("d"), modes).map(list)
        | st.tuples(st.just("l"), targets).map(list)
    )
    sound = st.tuples(st.sampled_from(["base/a", "base/b", "base/link"]), files | kinds)
    row = st.tuples(places, kinds).map(lambda drawn: [drawn[0], *drawn[1]])
    tops = st.just([["base", "d", 0o755]])
    rows = st.lists(sound.map(lambda drawn: [drawn[0], *drawn[1]]) | row, max_size=4)
    others = st.builds(lambda first, more: first + more, tops, rows)
    return others | st.lists(row | JSON.filter(lambda value: isinstance(value, list)), max_size=3)


def announcement(rows: list[Any]) -> list[Any]:
    """Return a SyncManifest that holds all of a manifest."""
    lines = sorted(to_json(row).decode() for row in rows)
    text = "\n".join(lines).encode()
    return ["SyncManifest", manifests.digest_of(text), len(text), NOTHING, [], lines, ""]


def _conversations() -> st.SearchStrategy[bytes]:
    opens = st.builds(lambda name: ["SyncOpen", name, "u", None, None], st.just("p") | TEXTS)
    wheel = st.tuples(
        st.sampled_from([*DIGESTS, "../x"]),
        st.sampled_from(["demo-1.0-py3-none-any.whl", "../../x-1-py3-none-any.whl", "a/b", "-"]),
        st.integers(-1, 4000),
    ).map(list)
    line = st.one_of(
        opens.map(lambda one: to_json([one])),
        _manifest_rows().map(
            lambda rows: to_json(
                [["SyncOpen", "p", "u", None, None], announcement(rows), ["SyncCommit", True]]
            )
        ),
        _manifest_rows().map(
            lambda rows: to_json(
                [["SyncOpen", "p", "u", None, None], ["AskAhead"], ["SyncAhead", rows]]
            )
        ),
        _manifest_rows().map(lambda rows: to_json([announcement(rows), ["SyncCommit", True]])),
        st.integers(0, 5).map(lambda number: b"blob %d" % number),
        st.lists(wheel | JSON.map(lambda value: [value]), max_size=2).map(
            lambda rows: frames.encode_body([AN_ENVIRONMENT._replace(wheels=rows)])
        ),
    )
    return st.lists(line, min_size=1, max_size=6).map(b"\n".join)


RECEIVER: Final = Target(name="receiver", check=check_receiver, inputs=_conversations())

# -- what is kept between runs -----------------------------------------------------------------

KEY: Final = "00ff00ff"
MARK: Final = {"schema": SCHEMA, "key": KEY, "packages": {"a": "1"}, "files": {"bin/python": 0}}
INDEX: Final = {
    "boot": holders.boot(),
    "files": {"base/a": [10, 1, 1, 1, DIGESTS[1]]},
}
HOLDER: Final = {
    "run": "u",
    "machine": socket.gethostname(),
    "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
    "processes": process_space(),
    "pid": 1,
    "start": "5",
}
RECORD: Final = {"created_s": 1.0, "content": {"packages": []}}


def check_kept(data: bytes) -> None:
    """A file that the disk has torn, or somebody has changed, counts as none."""
    with tempfile.TemporaryDirectory(prefix="remotest-fuzz-") as name:
        top = Path(name)
        with watching(top):
            _check_index(top / "index", data)
            _check_mark(top / "store", data)
            path = os.fsencode(top / "holder")
            holders.create(path, data)
            holders.is_alive(path)
            holders.name_of(path)
            cache = WheelCache(top / "wheels")
            cache.remember(LOCKS, "key", {})
            (top / "wheels" / LOCKS / "key.json").write_bytes(data)
            cache.recall(LOCKS, "key")
            list(cache.entries())


def _check_index(folder: Path, data: bytes) -> None:
    (folder / "base").mkdir(parents=True)
    (folder / "base" / "a").write_bytes(CONTENTS[1])
    (folder / "index.json").write_bytes(data)
    tree = [
        entries.Entry("base", entries.DIRECTORY, 0o755),
        entries.Entry("base/a", entries.FILE, 0o644, 10, DIGESTS[1], 1),
        entries.Entry("base/b", entries.FILE, 0o644, 3000, DIGESTS[2], 1),
    ]
    mirror = Mirror(os.fsencode(folder), os.fsencode(folder), entries.check_tree(tree))
    assert DIGESTS[2] in mirror.lacking()


def _check_mark(folder: Path, data: bytes) -> None:
    folder.mkdir()
    store = EnvStore(os.fsencode(folder))
    environment = folder / "envs" / f"{KEY}.1"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").touch()
    (environment / os.fsdecode(envstore.MARK)).write_bytes(data)
    store.kept()
    store.find(KEY)


KEPT: Final = Target(
    name="kept",
    check=check_kept,
    inputs=st.sampled_from([MARK, INDEX, HOLDER, RECORD]).flatmap(with_changes).map(to_json)
    | edited([to_json(one) for one in (MARK, INDEX, HOLDER, RECORD)], [b"[]", b"null", b"1e999"])
    | JSON.map(to_json),
)

TARGETS: Final = (RULES, RECEIVER, KEPT)
