"""Archives of sources, whole and broken, kind and hostile."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_remotest import sourceunpack
from pytest_remotest.wheelnames import WheelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILE, FOLDER = tarfile.REGTYPE, tarfile.DIRTYPE
SYMLINK, HARDLINK = tarfile.SYMTYPE, tarfile.LNKTYPE

Row = tuple[str, bytes, str]
"""Name, kind, and what a link leads to or a file holds."""


def tar(folder: Path, rows: Iterable[Row], mode: str = "w:gz") -> Path:
    path = folder / "demo-1.0.tar.gz"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # a mode of it
        for name, kind, text in rows:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.mode = 0o755 if name.endswith(".sh") else 0o644
            if kind == FILE:
                info.size = len(text)
            else:
                info.linkname = text
            archive.addfile(info, io.BytesIO(text.encode()) if kind == FILE else None)
    return path


def unpack(path: Path) -> Path:
    folder = os.fsencode(path.parent / "out")
    return path.parent / os.fsdecode(sourceunpack.unpack(os.fsencode(path), path.name, folder))


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz", "w"])
def test_a_tar_archive_is_unpacked_however_it_is_packed(tmp_path: Path, mode: str) -> None:
    rows = [
        ("./demo-1.0/", FOLDER, ""),
        ("./demo-1.0/setup.py", FILE, "setup()"),
        ("demo-1.0/src/deep/run.sh", FILE, "exit"),
        ("demo-1.0/src/link", SYMLINK, "deep/run.sh"),
        ("demo-1.0/src/deep/up", SYMLINK, "../../setup.py"),
        ("demo-1.0/again.py", HARDLINK, "./demo-1.0/setup.py"),
    ]
    root = unpack(tar(tmp_path, rows, mode))
    assert root == tmp_path / "out" / "demo-1.0"
    assert contents(root) == {
        "setup.py": "setup()",
        "again.py": "setup()",
        "src/deep/run.sh": "exit",
        "src/link": "exit",
        "src/deep/up": "setup()",
    }
    assert os.access(root / "src/deep/run.sh", os.X_OK)
    assert not os.access(root / "setup.py", os.X_OK)


def test_a_zip_archive_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "demo.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("setup.py", "setup()")
        archive.writestr("pkg/", "")
        archive.writestr("pkg/a.py", "a")
    root = unpack(path)
    assert root == tmp_path / "out"
    assert contents(root) == {"setup.py": "setup()", "pkg/a.py": "a"}


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("../evil.py", FILE, "")], "'../evil.py' leads elsewhere"),
        ([("/etc/evil", FILE, "")], "'/etc/evil' leads elsewhere"),
        ([("a/../../evil", FOLDER, "")], "'a/../../evil' leads elsewhere"),
        ([("C:evil", FILE, "")], "'C:evil' is no portable path"),
        ([("a", SYMLINK, "/etc")], "'/etc' leads elsewhere"),
        ([("a", SYMLINK, "../b")], "the link 'a' leads elsewhere"),
        ([("a/b", SYMLINK, "../../c")], "the link 'a/b' leads elsewhere"),
        # ``a/b/up`` is the top: what is above that is outside.
        (
            [("a/b/up", SYMLINK, "../.."), ("x", SYMLINK, "a/b/up/../y")],
            "'a/b/up/../y' leads elsewhere",
        ),
        ([("a", SYMLINK, "b"), ("a/c", FILE, "")], "'a' comes twice"),
        ([("a", FILE, "1"), ("a", FILE, "2")], "'a' comes twice"),
        ([("a", FILE, "1"), ("a/b", FILE, "2")], "'a' is a folder and a file"),
        ([("a", HARDLINK, "/etc/passwd")], "it cannot be unpacked"),
        ([("a", tarfile.FIFOTYPE, "")], "'a' is a special file"),
        ([("a", tarfile.CHRTYPE, "")], "'a' is a special file"),
    ],
)
def test_what_leads_out_of_the_folder_is_refused(
    tmp_path: Path, rows: list[Row], reason: str
) -> None:
    with pytest.raises(WheelError) as caught:
        unpack(tar(tmp_path, rows))
    assert caught.value.reason.startswith("demo-1.0.tar.gz: ")
    assert reason in caught.value.reason
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo-1.0.tar.gz", "out"]


def test_a_link_in_a_zip_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo.zip"
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(WheelError, match="'link' is a link or a special file"):
        unpack(path)


@pytest.mark.parametrize("name", ["demo.tar.gz", "demo.zip"])
@pytest.mark.parametrize("part", [0, 0.5, 0.9])
def test_what_is_not_whole_is_refused(tmp_path: Path, name: str, part: float) -> None:
    whole = tmp_path / "whole"
    if name.endswith("zip"):
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("a", os.urandom(5000))
    else:
        (tmp_path / "in").mkdir()
        whole = tar(tmp_path / "in", [("a", FILE, os.urandom(5000).hex())])
    content = whole.read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(WheelError, match="it cannot be unpacked"):
        unpack(path)


def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sourceunpack, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(WheelError, match="it unpacks to more than 1000 bytes"):
        unpack(tar(tmp_path, [("a", FILE, "x" * 600), ("b", FILE, "x" * 600)]))
