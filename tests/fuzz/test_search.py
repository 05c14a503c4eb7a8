"""The fuzzer finds what it is to find: readers that fail, or do what they must not."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from fuzz.guard import watching
from fuzz.search import search
from fuzz.target import Target
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCH_S: Final = 30.0
"""Long enough: what is planted here is found at once."""


def target_of(check: Callable[[bytes], None]) -> Target:
    return Target(name="planted", check=check, inputs=st.binary(max_size=4))


def test_a_failure_is_found_and_made_small() -> None:
    def check(data: bytes) -> None:
        if any(byte > 100 for byte in data):
            raise KeyError("planted")

    tries, finding = search(target_of(check), SEARCH_S, first_seed=1)
    assert tries > 0
    assert finding is not None
    assert finding.data == b"\x65"
    assert "KeyError: 'planted'" in finding.story


def test_what_is_sound_is_tried_for_as_long_as_it_may() -> None:
    assert search(target_of(len), 0.0, first_seed=1) == (0, None)


@pytest.mark.parametrize(
    ("act", "event"),
    [
        (lambda folder: (folder.parent / "x").write_text(""), "open"),
        (lambda folder: (folder / "link" / "x").write_text(""), "open"),
        (lambda folder: (folder.parent / "x").mkdir(), "os.mkdir"),
        (lambda folder: (folder.parent / "x").symlink_to("/"), "os.symlink"),
        (lambda folder: (folder / "one").rename(folder.parent / "one"), "os.rename"),
        (lambda _: subprocess.run([sys.executable, "-c", ""], check=True), "subprocess.Popen"),
        (lambda _: socket.create_connection(("127.0.0.1", 9)), "socket.getaddrinfo"),
    ],
    ids=["file", "through a link", "folder", "link", "rename", "process", "connection"],
)
def test_what_a_reader_must_not_do_is_seen(
    tmp_path: Path, act: Callable[[Path], object], event: str
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "link").symlink_to("..")
    (folder / "one").touch()
    with pytest.raises(AssertionError, match=event), watching(folder):
        act(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own"]


def test_a_reader_may_write_to_its_own_folder(tmp_path: Path) -> None:
    with watching(tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "link").symlink_to("/")
        (tmp_path / "file").write_text("x")
        (tmp_path / "file").rename(tmp_path / "other")
        assert Path(__file__).read_bytes()
