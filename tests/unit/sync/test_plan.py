"""Where roots go, what a manifest is on the wire, and what is no manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synctrees import NOTHING

from pytest_remotest import manifests
from pytest_remotest.entries import Entry, check_tree, from_row, to_bytes, to_row, to_text
from pytest_remotest.messages import ProtocolError
from remotest.sync.plan import CHANGES_BYTES, Manifest, lay_out, project_key


def places(base: str, roots: list[str], *, python_path: list[str] | None = None) -> dict[str, str]:
    """Return the place of each root; hashes are replaced by the anchors that they stand for."""
    layout = lay_out(base, roots, python_path=python_path or [])
    found = {}
    for root in roots:
        place = layout.locate(root)
        assert place is not None
        for item in layout.places:
            if item.there.startswith("outside/"):
                place = place.replace(item.there, f"<{item.anchor}>")
        found[root] = place
    return found


def test_roots_inside_the_base_keep_their_paths() -> None:
    assert places("/p", ["/p/a/tests", "/p/b/tests", "/p"]) == {
        "/p/a/tests": "base/a/tests",
        "/p/b/tests": "base/b/tests",
        "/p": "base",
    }


def test_roots_outside_do_not_collide() -> None:
    assert places("/p", ["/x/tests", "/y/tests", "/p/tests", "/x/lib"]) == {
        "/x/tests": "</x>/tests",
        "/y/tests": "</y>/tests",
        "/p/tests": "base/tests",
        "/x/lib": "</x>/lib",
    }


def test_a_root_outside_is_put_below_what_makes_it_importable() -> None:
    roots = ["/x/lib/pkg/sub", "/z/pkg"]
    assert places("/p", roots, python_path=["/x", "/x/lib", "/x/lib/pkg/sub"]) == {
        "/x/lib/pkg/sub": "</x/lib>/pkg/sub",
        "/z/pkg": "</z>/pkg",
    }


def test_a_root_in_a_root_stays_in_it() -> None:
    assert places("/p", ["/x", "/x/y/z"]) == {
        "/x": "<//>/x".replace("//", "/"),
        "/x/y/z": "</>/x/y/z",
    }


def test_a_root_that_holds_the_base_takes_its_place() -> None:
    layout = lay_out("/mono/pkg", ["/mono", "/mono/lib"])
    assert [layout.locate(path) for path in ("/mono", "/mono/pkg", "/mono/lib", "/x")] == [
        "base",
        "base/pkg",
        "base/lib",
        None,
    ]


def test_project_keys_are_names_that_differ_for_projects_and_machines() -> None:
    keys = [
        project_key("/home/me/my project", "laptop"),
        project_key("/home/me/other/my project", "laptop"),
        project_key("/home/me/my project", "desktop"),
        project_key("/", "laptop"),
        project_key("/home/me/..ü", "laptop"),
    ]
    assert [key.rpartition("-")[0] for key in keys] == [
        *["my-project"] * 3,
        "project",
        "project",
    ]
    assert len(set(keys)) == len(keys)


names = st.binary(min_size=1, max_size=20).filter(
    lambda name: not set(name) & {0, ord("/")} and name not in (b".", b"..")
)
places_of_entries = st.builds(
    lambda top, parts: "/".join([top, *map(to_text, parts)]),
    st.sampled_from(["base", "outside"]),
    st.lists(names, max_size=4),
)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
modes = st.integers(0, 0o777)
entries = st.one_of(
    st.builds(
        lambda path, mode, size, digest, time: Entry(path, "f", mode, size, digest, time),
        places_of_entries,
        modes,
        st.integers(0, 2**60),
        digests,
        st.integers(-(2**62), 2**62),
    ),
    st.builds(lambda path, mode: Entry(path, "d", mode), places_of_entries, modes),
    st.builds(
        lambda path, target: Entry(path, "l", target=to_text(target)), places_of_entries, names
    ),
)


@given(st.lists(entries, unique_by=lambda entry: entry.path))
def test_a_manifest_is_the_same_at_the_other_end(given_entries: list[Entry]) -> None:
    text = manifests.to_text(given_entries)
    received = manifests.to_checked_tree(text)
    assert received == {entry.path: entry for entry in given_entries}
    assert manifests.to_text(received.values()) == text
    assert [from_row(row) for row in map(json.loads, text.splitlines())] == [
        from_row(json.loads(json.dumps(to_row(received[json.loads(line)[0]]))))
        for line in text.splitlines()
    ]


@given(st.lists(entries, max_size=8), st.lists(entries, max_size=8), st.lists(entries, max_size=8))
def test_a_manifest_comes_of_another(stay: list[Entry], old: list[Entry], new: list[Entry]) -> None:
    former, text = manifests.to_text({*stay, *old}), manifests.to_text({*stay, *new})
    assert manifests.apply(former, manifests.changes_between(former, text)) == text


def manifest(count: int, former: bytes = b"") -> Manifest:
    entries = tuple(Entry(f"base/{number:0100}", "d", 0o755) for number in range(count))
    return Manifest(entries=entries, sources={}, former=former)


def test_a_host_is_told_what_it_may_lack_of_a_manifest_if_that_is_little() -> None:
    small, large = manifest(10), manifest(CHANGES_BYTES // 100)
    assert small.announcement.base == NOTHING
    assert len(small.announcement.added) == 10
    assert large.announcement.added == []
    one_more = manifest(len(large.entries) + 1, former=large.text).announcement
    assert (one_more.base, one_more.dropped, len(one_more.added)) == (large.digest, [], 1)
    one_less = manifest(len(large.entries) - 1, former=large.text).announcement
    assert (one_less.dropped, one_less.added) == ([len(large.entries) - 1], [])


FILE = ["f", 0o644, 1, "0" * 64, 0]


@pytest.mark.parametrize(
    "row",
    [
        [],
        ["base"],
        [1, "d", 0o755],
        ["base", "x", 0o755],
        ["", "d", 0o755],
        ["/base", "d", 0o755],
        ["/etc/passwd", *FILE],
        ["../base", "d", 0o755],
        ["base/../../x", *FILE],
        ["base/./x", *FILE],
        ["base//x", *FILE],
        ["base/", *FILE],
        ["base/x\0y", *FILE],
        ["base/\ud800", *FILE],
        [".remotest/index.json", *FILE],
        ["elsewhere", "d", 0o755],
        ["base/" + "x" * 5000, *FILE],
        ["base", "d", 0o4755],
        ["base", "d", -1],
        ["base", "d", True],
        ["base/x", "f", 0o644, -1, "0" * 64, 0],
        ["base/x", "f", 0o644, 1, "0" * 63, 0],
        ["base/x", "f", 0o644, 1, "G" * 64, 0],
        ["base/x", "f", 0o644, 1, "0" * 64],
        ["base/x", "l", ""],
        ["base/x", "l", "a\0b"],
    ],
)
def test_malformed_entries_are_refused(row: list[Any]) -> None:
    with pytest.raises(ProtocolError):
        from_row(row)


@given(st.lists(st.one_of(st.text(), st.integers(), st.none(), st.booleans()), max_size=7))
def test_nothing_but_a_protocol_error_escapes(row: list[Any]) -> None:
    try:
        entry = from_row(row)
    except ProtocolError:
        return
    assert to_row(entry) == row
    assert to_text(to_bytes(entry.path)) == entry.path


@pytest.mark.parametrize(
    "tree",
    [
        [Entry("base", "d"), Entry("base", "d")],
        [Entry("base/x", "d")],
        [Entry("base", "l", target="/etc"), Entry("base/passwd", "f")],
        [Entry("base", "d"), Entry("base/x", "l", target=".."), Entry("base/x/y", "d")],
        [Entry("base", "f"), Entry("base/x", "f")],
    ],
)
def test_no_path_leads_through_a_link_or_file(tree: list[Entry]) -> None:
    with pytest.raises(ProtocolError):
        check_tree(tree)
