"""Frames and messages: what is sent arrives, and nothing else does."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import interpreters
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wireexamples import EXAMPLES, REPORT

from pytest_remotest import frames, packing, reportwire, values
from pytest_remotest import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN: Final = Path(__file__).with_name("golden")
ROOT: Final = Path(__file__).parents[2]
PROTOCOL_PAGE: Final = ROOT / "docs" / "protocol.md"

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
NAMES: Final = st.from_regex(r"[A-Za-z0-9_]{1,20}", fullmatch=True)
# A high and a low half that stand side by side are one character in JSON.
TEXTS: Final = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\ud800\ud801"))
INTEGERS: Final = st.integers(-(2**63), 2**63 - 1)
FIELDS: Final[dict[Any, st.SearchStrategy[Any]]] = {
    Any: JSON,
    str: TEXTS,
    int: INTEGERS,
    bool: st.booleans(),
    float: st.floats(-(2.0**62), 2.0**62),
    bytes: st.binary(),
    str | None: st.none() | TEXTS,
    int | None: st.none() | INTEGERS,
    float | None: st.none() | st.floats(-(2.0**62), 2.0**62),
    list[int]: st.lists(INTEGERS),
    list[float]: st.lists(st.floats(-(2.0**62), 2.0**62)),
    list[str]: st.lists(TEXTS),
    list[Any]: st.lists(JSON),
    list[list[Any]]: st.lists(st.lists(JSON)),
    list[Any] | None: st.none() | st.lists(JSON),
    dict[str, Any]: st.dictionaries(TEXTS, JSON),
    dict[str, str]: st.dictionaries(TEXTS, TEXTS),
}
MESSAGE_TYPES: Final[tuple[Any, ...]] = m.MESSAGES


def builtin_type(kind: Any) -> Any:
    """Return ``typing.List[int]`` as ``list[int]``, to look a field's type up."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union:
        return builtin_type(arguments[0]) | None
    return origin[tuple(map(builtin_type, arguments))] if origin else kind


def messages_of(kind: Any) -> st.SearchStrategy[Any]:
    fields = {name: FIELDS[builtin_type(field)] for name, field in kind.__annotations__.items()}
    return st.builds(kind, **fields)


MESSAGES: Final = st.one_of([messages_of(kind) for kind in MESSAGE_TYPES if kind is not m.Blob])


@given(st.lists(MESSAGES, max_size=3), st.none() | NAMES)
def test_what_is_sent_arrives(batch: list[Any], worker: str | None) -> None:
    received = frames.decode(frames.encode(batch, worker))
    assert received == (worker, batch)
    assert [type(message) for message in received[1]] == [type(message) for message in batch]


@given(st.one_of(messages_of(m.TestReport), messages_of(m.CollectReport)))
def test_a_last_field_that_is_encoded_already_makes_the_same_bytes(message: Any) -> None:
    encoded = frames.Encoded(frames.to_json(message.data))
    assert frames.encode_message(message._replace(data=encoded)) == frames.encode_message(message)


@given(st.lists(messages_of(m.Blob), min_size=1, max_size=3), st.sampled_from(["", "zlib"]))
def test_blobs_arrive(blobs: list[m.Blob], encoding: str) -> None:
    assert frames.decode(frames.encode_blobs(blobs, encoding)) == (None, blobs)


@pytest.mark.parametrize("encoding", packing.encodings())
def test_blobs_are_packed_where_that_makes_them_smaller(encoding: str) -> None:
    text, noise = b"a line of text\n" * 10_000, os.urandom(150_000)
    blobs = [m.Blob("00ff", True, text), m.Blob("ff", False, b"")]
    frame = frames.encode_blobs(blobs, encoding)
    assert len(frame) < 0.1 * len(text)
    assert frames.decode(frame) == (None, blobs)
    as_it_is = frames.encode_blobs([m.Blob("00ff", True, noise)], encoding)
    assert as_it_is == frames.encode_blobs([m.Blob("00ff", True, noise)])


@pytest.mark.parametrize(
    "frame",
    [
        frames.encode_blobs([m.Blob("00ff", True, b"x" * 99)], "zlib").replace(b"99]", b"98]"),
        frames.encode_blobs([m.Blob("00ff", True, b"x" * 99)], "zlib").replace(b"zlib", b"zl!b"),
        frames.encode_blobs([m.Blob("00ff", True, b"x" * 99)], "zlib")[:-8],
        frames.encode_blobs([m.Blob("00ff", True, b"x")]).replace(b"1]", b"2]"),
        b'B\0\0\0\x04[""]',
        b'B\0\0\0\x14["",["00ff",true,-1]]',
        b'B\0\0\0\x1c["",["00ff",true,99999999999]]',
    ],
    ids=["size", "encoding", "torn", "plain size", "none", "negative", "large"],
)
def test_blobs_that_are_not_what_they_say_are_refused(frame: bytes) -> None:
    with pytest.raises(m.ProtocolError):
        frames.decode(frame)


@given(st.lists(MESSAGES, max_size=3), NAMES)
def test_a_worker_frame_is_split_without_a_look_inside(batch: list[Any], worker: str) -> None:
    assert frames.split_worker_frame(frames.encode(batch, worker)) == (
        worker,
        frames.encode_body(batch),
    )


# -- bodies are merged -------------------------------------------------------------------------

LARGE: Final = m.SessionOutput("x" * (m.MAX_BATCH_BYTES // 2 - 100))


@given(st.lists(st.lists(st.sampled_from([LARGE, m.Busy()]), min_size=1, max_size=3), max_size=5))
def test_merged_bodies_hold_the_same_messages_in_the_same_order(batches: list[list[Any]]) -> None:
    bodies = [frames.encode_body(batch) for batch in batches]
    merged = frames.merge_bodies(bodies)
    assert [message for body in merged for message in frames.decode_body(body)] == [
        message for batch in batches for message in batch
    ]
    assert all(len(body) <= m.MAX_BATCH_BYTES or body in bodies for body in merged)
    assert all(map(frames.is_body, bodies))


@pytest.mark.parametrize("body", [b"", b"[", b"]", b"[]", b"{}", b"\0\0", b"text"])
def test_what_has_no_messages_or_no_end_is_no_body(body: bytes) -> None:
    assert not frames.is_body(body)


def test_as_many_bodies_are_merged_as_fit() -> None:
    bodies = [frames.encode_body([LARGE])] * 5
    sizes = [len(frames.decode_body(body)) for body in frames.merge_bodies(bodies)]
    assert sizes == [2, 2, 1]


# -- only ProtocolError escapes ----------------------------------------------------------------

FRAMES: Final = (
    st.binary()
    | st.builds(
        bytes.__add__, st.sampled_from([b"A", b"W", b"B", b"W\x03gw0", b"B\0\0\0\x02"]), st.binary()
    )
    | st.builds(lambda value: b"A" + json.dumps(value).encode(), JSON)
)


def only_protocol_errors() -> contextlib.AbstractContextManager[None]:
    return contextlib.suppress(m.ProtocolError)


@pytest.mark.parametrize("decoder", [frames.decode, frames.decode_body, frames.split_worker_frame])
@given(frame=FRAMES)
def test_a_broken_frame_is_a_protocol_error(decoder: Callable[[bytes], Any], frame: bytes) -> None:
    with only_protocol_errors():
        decoder(frame)


@given(st.sampled_from(MESSAGE_TYPES), st.lists(JSON, max_size=9))
def test_fields_of_other_types_are_a_protocol_error(kind: Any, fields: list[Any]) -> None:
    body = json.dumps([[kind.__name__, *fields]]).encode()
    try:
        (message,) = frames.decode_body(body)
    except m.ProtocolError:
        return
    assert message == kind(*fields)


@given(JSON)
def test_a_broken_packed_value_is_a_protocol_error(form: Any) -> None:
    with only_protocol_errors():
        values.unpack(form)


@given(st.dictionaries(st.sampled_from([*REPORT, "extra"]), JSON))
def test_a_broken_report_is_a_protocol_error(wire: dict[str, Any]) -> None:
    with only_protocol_errors():
        reportwire.report_from_wire({**REPORT, **wire})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 1_000_000, id="brackets"),
        pytest.param(b'[["InternalError",' + b"[" * 1_000_000, id="brackets in a message"),
        pytest.param(b'[["ItemFinished",' + b"1" * 100_000 + b",0]]", id="digits"),
        pytest.param(b'[["InternalError","\xff"]]', id="not ascii"),
        pytest.param(b'[["Blob","00",true]]', id="a blob among messages"),
        pytest.param(b'[["ItemFinished",true,0]]', id="a bool for an int"),
        pytest.param(b'[["ItemFinished",0]]', id="a field too few"),
        pytest.param(b'[["Finish",0]]', id="a field too many"),
        pytest.param(b'[["encode"]]', id="no message"),
        pytest.param(b"[[]]", id="no name"),
        pytest.param(b'[{"0":"Finish"}]', id="no row"),
        pytest.param(b"{}", id="no list"),
    ],
)
def test_a_hostile_body_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(m.ProtocolError):
        frames.decode_body(body)


def test_a_packed_value_of_any_depth_is_read_or_is_a_protocol_error() -> None:
    for depth in range(1, 2000, 50):
        text = '{"tuple":[' * depth + "]}" * depth
        with only_protocol_errors():
            values.unpack_text(text)


def test_a_frame_over_the_limit_is_a_protocol_error() -> None:
    with pytest.raises(m.ProtocolError, match="a frame of 16777217 bytes is over the limit"):
        frames.decode(bytes(m.MAX_FRAME_BYTES + 1))


# -- golden files ------------------------------------------------------------------------------


def golden_body(message: Any) -> bytes:
    return (GOLDEN / f"{type(message).__name__}.json").read_bytes().rstrip(b"\n")


def test_there_is_an_example_of_each_message() -> None:
    assert {type(message) for message in EXAMPLES} == set(MESSAGE_TYPES) - {m.Blob}
    assert {path.stem for path in GOLDEN.iterdir()} == {type(e).__name__ for e in EXAMPLES}


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_a_message_looks_on_the_wire_as_it_always_did(message: Any) -> None:
    """A change here is a change of the protocol: raise ``PROTOCOL`` when it is released."""
    assert frames.encode_body([message]) == golden_body(message)
    assert frames.decode_body(golden_body(message)) == [message]


def test_frames_look_as_they_always_did() -> None:
    assert frames.encode([m.Finish(), m.Goodbye()]) == b'A[["Finish"],["Goodbye"]]'
    assert frames.encode([m.Finish()], "gw10") == b'W\x04gw10[["Finish"]]'
    assert frames.encode_blobs([m.Blob("00ff", True, b"\xff"), m.Blob("0f", False, b"a")]) == (
        b'B\0\0\0\x23["",["00ff",true,1],["0f",false,1]]\xffa'
    )


PEER: Final = """
import sys
sys.path[:0] = sys.argv[1:]
from wireexamples import EXAMPLES
from pytest_remotest import frames
for line in sys.stdin:
    (message,) = frames.decode_body(line.strip().encode("ascii"))
    assert message in EXAMPLES, line
    print(frames.encode_body([message]).decode("ascii"))
"""


@pytest.mark.parametrize("name", ["3.6", interpreters.PYPY])
def test_every_interpreter_speaks_the_same(name: str) -> None:
    goldens = [golden_body(message).decode() for message in EXAMPLES]
    answer = subprocess.run(
        [interpreters.find_or_skip(name), "-c", PEER, ROOT / "plugin", ROOT / "tests"],
        input="\n".join(goldens),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.stdout.splitlines(), answer.stderr) == (goldens, "")


# -- the page ----------------------------------------------------------------------------------


def test_the_page_lists_each_message_and_its_fields() -> None:
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in PROTOCOL_PAGE.read_text().splitlines()
        if line.startswith("| `")
    ]
    listed = {row[0].strip("`"): row[1].replace("`", "") for row in rows if len(row) == 3}
    assert {
        name: fields
        for name, fields in listed.items()
        if name in {t.__name__ for t in MESSAGE_TYPES}
    } == {kind.__name__: ", ".join(kind._fields) for kind in MESSAGE_TYPES}
