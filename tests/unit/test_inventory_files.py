"""Inventory files: what is refused and where, and that the schema agrees with the loader."""

from __future__ import annotations

import contextlib
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from inventories import SCHEMA, THREE, is_valid_by_schema, loaded, refusal

from remotest import inventory, yaml_nodes
from remotest.errors import SpecError, UsageError
from remotest.inventory import load
from remotest.spec import MAX_WORKERS_PER_TX, parse_tx
from remotest.spec_rules import MAX_CONNECT_TIMEOUT_S, MAX_NICE, MIN_NICE

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "hosts.example.yaml"
DOCS_PAGE = ROOT / "docs" / "reference" / "inventory.md"


# Refused by the loader and by the schema.
BAD = [
    ("", "1: the file is empty"),
    ("- a\n", "1: an inventory: has to be a mapping, key: value"),
    ("defaults: {}\n", "1: hosts: is missing: a mapping of names to hosts"),
    ("hosts: {}\n", "1: hosts: names no host"),
    ("hosts:\n", "1: hosts: has to be a mapping, key: value"),
    ("host: {}\n", "1: an inventory: unknown key 'host': did you mean 'hosts'?"),
    (
        "hosts:\n  a: {zzz: h}\n",
        "2: hosts.a: unknown key 'zzz': the keys are " + ", ".join(inventory.HOST_KEYS),
    ),
    (
        "hosts:\n  a: {ssh: h,\n    pyhton: p}\n",
        "3: hosts.a: unknown key 'pyhton': did you mean 'python'?",
    ),
    (
        "hosts:\n  a: {python: p}\n",
        "2: hosts.a: exactly one of popen, ssh=, socket= is needed, found none",
    ),
    (
        "hosts:\n  a: {ssh: h, popen: true}\n",
        "2: hosts.a: exactly one of popen, ssh=, socket= is needed, found popen and ssh",
    ),
    ("hosts:\n  a: ssh=h\n", "2: hosts.a: has to be a mapping, key: value"),
    (
        "hosts:\n  a: {popen: true, python: 3.10}\n",
        "2: hosts.a.python: 3.10 is a number here: put it in quotes",
    ),
    ("hosts:\n  a: {ssh: 022}\n", "2: hosts.a.ssh: 022 is a number here: put it in quotes"),
    (
        "hosts:\n  no: {popen: true}\n",
        "2: hosts: the key: no is a yes or no here: put it in quotes",
    ),
    (
        "hosts:\n  a: {popen: true, sync: no}\n",
        "2: hosts.a.sync: no is a yes or no here: put it in quotes",
    ),
    (
        "hosts:\n  a: {popen: true, chdir: 2020-01-01}\n",
        "2: hosts.a.chdir: 2020-01-01 is a date here: put it in quotes",
    ),
    ("hosts:\n  a: {popen: true, python: }\n", "2: hosts.a.python: has no value"),
    (
        "hosts:\n  a: {popen: true, python: [p]}\n",
        "2: hosts.a.python: has to be a text, not a mapping or a list",
    ),
    (
        "hosts:\n  a: {popen: true, python: ''}\n",
        "2: hosts.a: python= has an empty value: allowed is python=PATH-OR-NAME",
    ),
    ("hosts:\n  a: {popen: false}\n", "2: hosts.a.popen: is true, or left out"),
    ("hosts:\n  a: {popen: 1}\n", "2: hosts.a.popen: has to be true or false"),
    (
        "hosts:\n  a: {popen: true, nice: 20}\n",
        "2: hosts.a: nice='20' is not a whole number from -20 to 19",
    ),
    (
        "hosts:\n  a: {popen: true, nice: '5'}\n",
        "2: hosts.a.nice: has to be a number, without quotes",
    ),
    (
        "hosts:\n  a: {popen: true, connect_timeout: .inf}\n",
        "2: hosts.a: connect_timeout='.inf' is not a number of seconds above 0 and up to 3600",
    ),
    (
        "hosts:\n  a: {popen: true, hostkey: strict}\n",
        "2: hosts.a: hostkey= goes with ssh= only, and this is popen",
    ),
    (
        "hosts:\n  a: {ssh: h, hostkey: none}\n",
        "2: hosts.a: hostkey='none' is none of strict, accept-new",
    ),
    ("hosts:\n  a: {popen: true, workers: 0}\n", None),
    ("hosts:\n  a: {popen: true, workers: 1025}\n", None),
    (
        "hosts:\n  a: {popen: true, workers: 1.5}\n",
        "2: hosts.a.workers: '1.5' is no number of workers",
    ),
    (
        "hosts:\n  a: {popen: true, workers: many}\n",
        "2: hosts.a.workers: is neither a number nor auto",
    ),
    (
        "hosts:\n  a: {popen: true, id: x, workers: 2}\n",
        "2: hosts.a: id=x names one worker, but 2* asks for more",
    ),
    ("hosts:\n  a: {popen: true, labels: gpu}\n", "2: hosts.a.labels: has to be a list, [a, b]"),
    ("hosts:\n  a: {popen: true, labels: [g, g]}\n", "2: hosts.a.labels: 'g' is there twice"),
    (
        "hosts:\n  a: {popen: true, labels: [3]}\n",
        "2: hosts.a.labels: 3 is a number here: put it in quotes",
    ),
    (
        "hosts:\n  -a: {popen: true}\n",
        (
            "2: hosts: as a name, id='-a' has to be 1 to 64 letters, digits, '_', '.', '-', not"
            " starting with '.' or '-'"
        ),
    ),
    ("hosts:\n  a: {ssh: -oProxyCommand=x}\n", None),
    ("hosts:\n  a: {ssh: 'h;x'}\n", None),
    ("hosts:\n  a: {ssh: '::1'}\n", None),
    ("hosts:\n  a: {socket: h}\n", None),
    ("hosts:\n  a: {popen: true, python: -c}\n", None),
    ('hosts:\n  a: {popen: true, python: "a\\0b"}\n', None),
    (
        'hosts:\n  a: {popen: true, env: {A: "\\0"}}\n',
        (
            "2: hosts.a.env: the value of env:A holds a NUL character, which no path and no"
            " variable can"
        ),
    ),
    (
        "hosts:\n  a: {popen: true, env: {A: 1}}\n",
        "2: hosts.a.env.A: is a number here: put it in quotes",
    ),
    ("hosts:\n  a: {popen: true, env: {1A: x}}\n", None),
    ("hosts:\n  a: {popen: true, env: [A]}\n", "2: hosts.a.env: has to be a mapping, key: value"),
    (
        "hosts: {a: {popen: true}}\ndefaults: {ssh: h}\n",
        "2: defaults: 'ssh' belongs to one host, not to all",
    ),
    (
        "hosts: {a: {popen: true}}\ndefaults: {pyton: h}\n",
        "2: defaults: unknown key 'pyton': did you mean 'python'?",
    ),
    ("hosts: {a: {popen: true}}\ngroups: {g: []}\n", "2: groups.g: names no host"),
    ("hosts: {a: {popen: true}}\ngroups: {g: a}\n", "2: groups.g: has to be a list, [a, b]"),
    ("hosts: {a: {popen: true}}\ngroups: {g: [a, a]}\n", "2: groups.g: 'a' is there twice"),
    ("hosts: {a: {popen: true}\n", "2: is not YAML: expected ',' or '}', but got '<stream end>'"),
    ("hosts: {a: {ssh: [::1]:22}}\n", None),
    ("a: 1\n--- \nb: 2\n", "2: is not YAML: but found another document"),
]

# Refused by the loader: a schema sees the data and not the text, and cannot look names up.
BAD_FOR_THE_LOADER_ONLY = [
    (
        "hosts:\n  a: {popen: true}\n  b: {popen: true}\n  a: {popen: true}\n",
        "4: hosts: 'a' is there twice, see line 2",
    ),
    (
        "hosts: {big: {popen: true}}\ngroups:\n  g:\n    - bgi\n",
        "4: groups.g: there is no 'bgi': did you mean 'big'?",
    ),
    (
        "hosts: {a: {popen: true}}\ngroups:\n  a: [a]\n",
        "3: groups.a: a host has this name already",
    ),
    ("hosts: {a: {popen: true}}\ngroups: {g: [g]}\n", "2: groups: a circle: g -> g"),
    (
        "hosts: &x\n  a: {popen: true}\n",
        (
            "1: anchors (&) and aliases (*) are not used here: put what hosts have in common under"
            " defaults, and a text that starts with & or * in quotes"
        ),
    ),
    (
        "hosts:\n  a: {ssh: 'h:65536'}\n",
        "2: hosts.a: ssh='h:65536' has port 65536: a port is 1 to 65535",
    ),
    (
        "hosts:\n  a: {popen: true, nice: 010}\n",
        "2: hosts.a: nice='010' is not a whole number from -20 to 19",
    ),
    (
        "hosts:\n  a: {popen: true, workers: 010}\n",
        "2: hosts.a.workers: '010' is no number of workers",
    ),
    (
        "hosts:\n  a: {ssh: '[:::]'}\n",
        "2: hosts.a: ssh='[:::]' holds no valid IPv6 address between its brackets",
    ),
]

GOOD = [
    "hosts: {" + ", ".join(f"h{number}: {{popen: true}}" for number in range(100)) + "}\n",
    "hosts: {a: {popen: yes}}\n",
    THREE,
    "hosts: {a: {ssh: 'me@[::1]:2222'}, b: {socket: 'h:1', via: a}}\ngroups: {}\n",
    "hosts: {a: {popen: true, nice: -5, connect_timeout: 2.5, workers: 1024}}\n",
    "hosts: {a: {popen: true, env: {}, labels: []}}\n",
    "hosts: {a: {popen: true, id: x, workers: 1}}\n",
    "hosts: {a: {popen: true, id: x}}\ndefaults: {workers: 4, ssh_config: f}\n",
    "defaults: {dont_write_bytecode: true}\nhosts: {a: {popen: true, dont_write_bytecode: no}}\n",
    "\ufeffhosts: {a: {popen: true, python: 'C:\\a b\\py.exe', chdir: '/a//b', sync: 'none'}}\n",
    "hosts: {a: {popen: true, python: !!str 3.10}}\n",
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_file_is_refused_with_its_line(
    tmp_path: Path, text: str, message: str | None
) -> None:
    answer = refusal(tmp_path, text)
    assert re.match(r"remotest\.yaml:\d+: ", answer)
    assert message is None or answer == f"remotest.yaml:{message}"
    assert not is_valid_by_schema(text)


@pytest.mark.parametrize(("text", "message"), BAD_FOR_THE_LOADER_ONLY)
def test_what_a_schema_cannot_see_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(tmp_path, text) == f"remotest.yaml:{message}"
    assert is_valid_by_schema(text)


@pytest.mark.parametrize("text", GOOD)
def test_a_good_file_is_good_for_both(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text).hosts
    assert is_valid_by_schema(text.removeprefix("\ufeff"))


VALUES = st.sampled_from(
    [
        True,
        False,
        None,
        0,
        1,
        -5,
        1024,
        2.5,
        "",
        "a",
        "h:1",
        "me@h:22",
        "[::1]:1",
        "-x",
        "a b",
        "auto",
        "managed",
        "venv:v",
        "wheel:w",
        "ship",
        "a,b",
        "a\nb",
        "strict",
        "tree",
        "thread",
        [],
        ["a"],
        ["a", "a"],
        {},
        {"A": "x"},
        {"A": None},
    ]
)


@given(
    st.fixed_dictionaries(
        {
            "hosts": st.dictionaries(
                st.sampled_from(["a", "b"]),
                st.dictionaries(st.sampled_from(inventory.HOST_KEYS), VALUES, max_size=4),
            )
        },
        optional={
            "defaults": st.dictionaries(st.sampled_from(inventory.HOST_KEYS), VALUES, max_size=2),
            "groups": st.dictionaries(st.sampled_from(["g", "h"]), VALUES, max_size=2),
        },
    )
)
def test_whatever_the_file_the_loader_and_the_schema_agree(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "agree.yaml"
    path.write_text(yaml.safe_dump(document))
    try:
        load(path)
    except SpecError as error:
        is_valid = "there is no 'a'" in str(error)  # A group's unknown host: data of its own.
    else:
        is_valid = True
    assert is_valid_by_schema(path.read_text()) == is_valid, document


def test_the_circle_of_groups_is_named(tmp_path: Path) -> None:
    text = "hosts: {h: {popen: true}}\ngroups:\n  a: [h, b]\n  b: [c]\n  c: [a]\n"
    match = re.fullmatch(r"remotest\.yaml:(\d): groups: a circle: (.*)", refusal(tmp_path, text))
    assert match is not None
    circle = match[2].split(" -> ")
    assert set(pairwise(circle)) == {("a", "b"), ("b", "c"), ("c", "a")}
    assert match[1] == {"a": "3", "b": "4", "c": "5"}[circle[0]]


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_bytes(b"hosts:\n  a: {python: \xff}\n")
    with pytest.raises(SpecError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:2: is not UTF-8"


def test_a_character_that_yaml_forbids_is_refused(tmp_path: Path) -> None:
    answer = refusal(tmp_path, "hosts:\n  a: {python: \x07}\n")
    assert answer == "remotest.yaml:2: holds a character that YAML does not allow"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    answer = refusal(tmp_path, "#" * (yaml_nodes.MAX_FILE_BYTES + 1))
    assert answer == "remotest.yaml: is larger than 262144 bytes (MAX_FILE_BYTES)"


@pytest.mark.parametrize("bomb", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000, "? " * 10_000])
def test_a_file_that_is_too_deep_is_refused(tmp_path: Path, bomb: str) -> None:
    assert refusal(tmp_path, bomb) == "remotest.yaml:1: is nested deeper than 16 (MAX_NESTING)"


def test_aliases_cannot_multiply(tmp_path: Path) -> None:
    laughs = "\n".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefgh"))
    assert refusal(tmp_path, f"a: &a [lol]\n{laughs}\n").startswith("remotest.yaml:1: anchors")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert str(caught.value) == f"{tmp_path}: cannot be read: Is a directory"


@pytest.mark.parametrize(
    "value",
    [
        "CANARY: x",
        "*CANARY",
        "&CANARY",
        "!CANARY x",
        "!CANARY!x y",
        "[CANARY]",
        "{CANARY: x}",
        '"CANARY',
        "'CANARY' CANARY",
        "CANARY: [",
        '"CANARY\\0"',
        '"CANARY\\q"',
        "!!int CANARY",
        "2000-01-01 # CANARY",
        "@CANARY",
        "`CANARY",
        "%CANARY",
        "|CANARY",
        "!<CANARY> x",
    ],
)
def test_no_message_repeats_the_value_of_a_variable(tmp_path: Path, value: str) -> None:
    text = f"hosts:\n  a:\n    popen: true\n    env:\n      TOKEN: {value}\n      B: 1\n"
    assert "CANARY" not in refusal(tmp_path, text)


@given(st.text(st.sampled_from("ab:{}[]-?*&!|>'\"%@`#, \n\t\\x0U9<~=.e")))
def test_any_file_is_an_inventory_or_a_spec_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    for candidate in (text, f"hosts: {{a: {{popen: true, {text}}}}}", f"hosts:\n  a: {text}"):
        path.write_text(candidate)
        with contextlib.suppress(SpecError):
            load(path)


def test_the_schema_is_a_schema_and_knows_the_same_keys_and_limits() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    rules = SCHEMA["$defs"]
    assert tuple(SCHEMA["properties"]) == inventory.TOP_KEYS
    assert tuple(rules["host"]["properties"]) == inventory.HOST_KEYS
    assert tuple(SCHEMA["properties"]["defaults"]["properties"]) == inventory.DEFAULT_KEYS
    assert rules["workers"]["oneOf"][1]["maximum"] == MAX_WORKERS_PER_TX
    assert rules["connect_timeout"]["maximum"] == MAX_CONNECT_TIMEOUT_S
    assert (rules["nice"]["minimum"], rules["nice"]["maximum"]) == (MIN_NICE, MAX_NICE)


def test_the_example_is_valid_and_every_spec_of_it_survives_its_text() -> None:
    assert is_valid_by_schema(EXAMPLE.read_text())
    example = load(EXAMPLE)
    for name in (*example.hosts, *example.groups, "label:gpu"):
        for request in example.expand(f"@{name}"):
            assert parse_tx(str(request)).spec == request.spec


def docs_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS_PAGE.read_text(), re.DOTALL)


def test_the_reference_page_shows_valid_files_and_names(tmp_path: Path) -> None:
    (text,) = docs_blocks("yaml")
    assert is_valid_by_schema(text)
    shown = loaded(tmp_path, text)
    for line in "".join(docs_blocks("spec")).splitlines():
        assert shown.expand(line)
    for refused in docs_blocks("refused"):
        assert refusal(tmp_path, refused)
