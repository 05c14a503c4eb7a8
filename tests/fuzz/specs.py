"""What users write to say where: specs after ``--tx``, and inventories."""

from __future__ import annotations

import contextlib
from typing import Final

from fuzz.guard import watching
from fuzz.inputs import edited, lines_of
from fuzz.target import Target, scratch
from hostile_specs import HOSTILE_SPECS
from hypothesis import strategies as st

from remotest import inventory
from remotest.errors import SpecError, UsageError
from remotest.spec import parse_tx, shown
from remotest.spec_rules import KEYS

SECRET: Final = "hunter2"
"""Stands in an input for the value of a variable, which nothing may repeat."""

WORDS: Final = (
    *(f"{key}=" for key in KEYS),
    *("popen", "ssh=", "socket=", "//", "*", "auto*", "3*", "@", '"', "\\", "=", ":", "%", "~/"),
    *(f"env:TOKEN={SECRET}", f'env:A="{SECRET}//x"', "me@h", "[::1]:22", "venv:", "fresh", "none"),
)


def check_spec(data: bytes) -> None:
    """A spec is refused, or its text means the same again; no variable's value is told."""
    text = data.decode("utf-8", "surrogateescape")
    hidden = f"//env:TOKEN={SECRET}"
    is_secret = text.count(SECRET) == 1 and hidden in text and '"' not in text
    with watching():
        seen = [shown(text)]
        try:
            request = parse_tx(text)
        except SpecError as error:
            seen.append(str(error))
        else:
            assert parse_tx(str(request)) == request
            seen += [repr(request), request.redacted()]
        assert not is_secret or SECRET not in "".join(seen)


SPEC: Final = Target(
    name="spec",
    check=check_spec,
    inputs=lines_of(WORDS, max_size=1)
    | edited(
        [
            *(text.encode("utf-8", "surrogatepass") for text in HOSTILE_SPECS),
            b"3*ssh=me@[::1]:22//python=python3.9//env:TOKEN=hunter2//nice=5//id=a",
        ],
        [word.encode() for word in WORDS],
    ),
)

INVENTORY_EXAMPLE: Final = b"""\
defaults:
  python: python3.11
  env: {TOKEN: hunter2, HOME_OF: null}
  workers: auto
hosts:
  big: {ssh: me@big.example.org, labels: [gpu, fast], nice: 5, connect_timeout: 2.5}
  here: {popen: true, workers: 3}
  old: {socket: "10.0.0.1:8888", id: old}
groups:
  all: [big, here, rest]
  rest: [old]
"""
YAML_WORDS: Final = (
    *(b"&a ", b"*a", b"<<: ", b"!!python/object/apply:os.system ", b"- ", b"? ", b"|\n ", b">\n "),
    *(b"{", b"}", b"[", b"]", b": ", b"\n  ", b"null", b"~", b"0x7f", b"1e400", b"2001-01-01"),
    *(b"\xff", b"\xef\xbb\xbf", b"\x85", b"%YAML 9.9\n", b"---\n", b"...", b"[" * 40, b"{a: " * 40),
)


def check_inventory(data: bytes) -> None:
    path = scratch("inventory") / inventory.FILE_NAME
    path.write_bytes(data)
    with watching(), contextlib.suppress(SpecError, UsageError):
        found = inventory.load(path)
        for name in (*found.hosts, *found.groups, "label:gpu", "none"):
            with contextlib.suppress(SpecError):
                found.expand(f"2*@{name}//nice=3")


INVENTORY: Final = Target(
    name="inventory",
    check=check_inventory,
    inputs=edited([INVENTORY_EXAMPLE], YAML_WORDS)
    | st.lists(st.sampled_from([*YAML_WORDS, *INVENTORY_EXAMPLE.splitlines(keepends=True)])).map(
        b"".join
    ),
)

TARGETS: Final = (SPEC, INVENTORY)
