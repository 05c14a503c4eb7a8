"""Byte code that is kept: found again as it was written, and not at all if anything is amiss."""

from __future__ import annotations

import marshal
import os
import sys
import types
from typing import TYPE_CHECKING, Final

import pytest

from pytest_remotest import bytecode, codekeeper, loader
from pytest_remotest.bytecode import ByteCode
from pytest_remotest.loader import BundleFinder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY: Final = "0" * 64
BUNDLE: Final = {"pytest_remotest": "", "pytest_remotest.one": "x = 1\n"}
DAY_S: Final = 24 * 3600


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte code may be written, and what finds modules is there for one test."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))


def serve_from(code: ByteCode) -> None:
    others = [finder for finder in sys.meta_path if not hasattr(finder, "remotest_bundle")]
    sys.meta_path[:] = [*others, BundleFinder(BUNDLE, b"", code)]


def run(cache: Path, key: str = KEY, *, is_kept: bool = True) -> ByteCode:
    """Import a module of the bundle as an agent does, and return the code when it has ended."""
    code = ByteCode([os.fsencode(cache)], key)
    serve_from(code)
    module = types.ModuleType("pytest_remotest.one")
    loader.finder().exec_module(module)
    assert module.x == 1
    if is_kept:
        codekeeper.keep()
    return code


def file_in(cache: Path) -> Path:
    (path,) = (cache / "remotest/v1/code").iterdir()
    return path


def test_what_was_compiled_is_found_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert (first.cache, sorted(first.compiled)) == (None, sorted(BUNDLE))
    second = run(tmp_path)
    assert (second.cache, second.compiled) == (os.fsencode(tmp_path), {})
    assert file_in(tmp_path).stat().st_mode & 0o777 == 0o600


def test_another_bundle_finds_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path, "1" * 64, is_kept=False).cache is None


def test_the_best_cache_is_asked_first(tmp_path: Path) -> None:
    run(tmp_path / "worse")
    caches = [os.fsencode(tmp_path / name) for name in ("better", "worse")]
    assert ByteCode(caches, KEY).cache == caches[1]
    run(tmp_path / "better")
    assert ByteCode(caches, KEY).cache == caches[0]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])


def write_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def let_others_write(path: Path) -> None:
    path.chmod(0o620)


def give_away(path: Path) -> None:
    os.chown(path, 65534, 65534)


def make_huge(path: Path) -> None:
    content = bytes(bytecode.MAX_BYTES)
    path.write_bytes(bytecode.digest(os.fsencode(path.name), content) + content)


def put_another_there(path: Path) -> None:
    """Whole in itself, but made of something else."""
    content = marshal.dumps({})
    path.write_bytes(bytecode.digest(b"another name", content) + content)


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_link(path: Path) -> None:
    there = path.rename(path.parents[3] / "elsewhere")
    path.symlink_to(there)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def forbid(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.write_bytes(b"")


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        change,
        write_zeros,
        empty,
        let_others_write,
        pytest.param(
            give_away, marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can")
        ),
        make_huge,
        put_another_there,
        make_directory,
        make_link,
        make_fifo,
        forbid,
    ],
)
def test_what_is_amiss_is_not_used(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    run(tmp_path)
    damage(file_in(tmp_path))
    code = run(tmp_path)
    assert (code.cache, "pytest_remotest.one" in code.compiled) == (None, True)
    # A folder in the file's place stays, as does a file in the folder's; all else is replaced.
    can_be_mended = damage not in (make_directory, forbid)
    assert (ByteCode([os.fsencode(tmp_path)], KEY).cache is not None) == can_be_mended
    assert not list(tmp_path.rglob(".tmp-*"))


def test_two_may_write_the_same(tmp_path: Path) -> None:
    """The second has found nothing, and comes to write when the first has written."""
    late = ByteCode([os.fsencode(tmp_path)], KEY)
    run(tmp_path)
    serve_from(late)
    codekeeper.keep()
    assert run(tmp_path).compiled == {}
    assert file_in(tmp_path).is_file()


def test_who_wants_no_byte_code_on_the_disk_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_written_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "remotest").write_text("in the way")
    assert run(tmp_path).cache is None
    assert [path.name for path in tmp_path.iterdir()] == ["remotest"]


def test_what_is_old_or_too_much_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codekeeper, "MAX_FILES", 3)
    for age_days, name in enumerate(["new", "used", "too-much", ".tmp-left"]):
        path = tmp_path / name
        path.write_bytes(b"")
        os.utime(path, (-age_days * DAY_S, -age_days * DAY_S))
    codekeeper.sweep(os.fsencode(tmp_path), 0.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "too-much", "used"]
    codekeeper.sweep(os.fsencode(tmp_path), codekeeper.MAX_AGE_S - 1.5 * DAY_S)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "used"]


def test_a_use_is_noted_once_a_day(tmp_path: Path) -> None:
    run(tmp_path)
    path = file_in(tmp_path)
    for age_s, is_noted in ((DAY_S / 2, False), (2 * DAY_S, True)):
        before = path.stat().st_mtime - age_s
        os.utime(path, (before, before))
        run(tmp_path)
        assert (path.stat().st_mtime > before) == is_noted
