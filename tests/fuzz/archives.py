"""Wheels and sources: whatever is in one, only its own folder is written to."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any, Final

from fuzz.guard import watching
from fuzz.inputs import edited, lines_of
from fuzz.target import Target
from hypothesis import strategies as st

from pytest_remotest import sourceunpack, wheeltexts, wheelunpack
from pytest_remotest.wheelnames import WheelError

FILENAME: Final = "demo-1.0-py3-none-any.whl"
INFO: Final = "demo-1.0.dist-info"
DATA: Final = "demo-1.0.data"
MAX_UNPACKED_BYTES: Final = 1024**2  # In the place of 16 GB, so that a bomb is a small one.

NAMES: Final = (
    *("demo/__init__.py", "demo/a.py", "Demo/A.py", "demo", "demo/", "demo/\u00e1", "demo/a\u0301"),
    *("../evil", "/evil", "demo/../../evil", "demo/./a", "demo//a", "C:evil", "demo\\evil", "a\0b"),
    *(f"{DATA}/scripts/tool", f"{DATA}/scripts/../x", f"{DATA}/data/pyvenv.cfg", f"{DATA}/x/y"),
    *(f"{DATA}/data/lib/site/demo/a.py", f"{DATA}/headers/demo.h", f"{DATA}/purelib/demo/a.py"),
    *(f"{INFO}/entry_points.txt", f"{INFO}/INSTALLER", f"{INFO}/RECORD", f"{INFO}/RECORD.jws"),
    *("a" * 300, "a/" * 600 + "a", "\udcff", "demo/\u202e.py", "con", "demo-2.0.dist-info/WHEEL"),
)
TEXTS: Final = (
    *("", "VALUE = 1\n", "#!python\nprint(1)\n", "[console_scripts]\nrun = demo:main\n"),
    *("[console_scripts]\n../x = demo:main\n", "[console_scripts]\nrun = demo:main\nrun=a:b\n"),
    *("Wheel-Version: 1.0\nRoot-Is-Purelib: false\n", "Wheel-Version: 2.0\n", "\x00" * 3_000_000),
)
MODES: Final = (0o100644, 0o100755, 0o120777, 0o040755, 0o010644, 0o104755, 0)


def _layout(root: Path) -> wheelunpack.Layout:
    top = os.fsencode(root)
    site = top + b"/lib/site"
    return wheelunpack.Layout(
        root=top,
        purelib=site,
        platlib=site,
        scripts=top + b"/bin",
        data=top,
        headers=top + b"/include",
    )


def check_wheel(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="remotest-fuzz-") as top:
        wheel, root = Path(top, "wheel"), Path(top, "env")
        wheel.write_bytes(data)
        root.mkdir()
        limit = wheelunpack.MAX_UNPACKED_BYTES
        wheelunpack.MAX_UNPACKED_BYTES = MAX_UNPACKED_BYTES
        try:
            with watching(root), contextlib.suppress(WheelError):
                unpacked = wheelunpack.unpack(os.fsencode(wheel), FILENAME, _layout(root))
                _check_is_as_told(root, unpacked)
        finally:
            wheelunpack.MAX_UNPACKED_BYTES = limit
        assert sorted(path.name for path in Path(top).iterdir()) == ["env", "wheel"]
        assert not any(path.is_symlink() for path in root.rglob("*"))


def _check_is_as_told(root: Path, unpacked: wheelunpack.Unpacked) -> None:
    there = {
        str(path.relative_to(root)): path.stat().st_size
        for path in root.rglob("*")
        if not path.is_dir()
    }
    assert there == unpacked.files
    assert not any(name.startswith(".") for name in there)


def _hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest}"


def _written(members: list[tuple[str, str, int, int]], lie: str) -> bytes:
    """Return an archive of members (name, text, mode, compression); RECORD may lie about them."""
    own = {"METADATA": "Name: demo\n", "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"}
    named = [(f"{INFO}/{name}", text, 0o100644, 8) for name, text in own.items()]
    everything = [*members, *named]
    lines = [f'"{name}",{_hash(text.encode())},{len(text)}' for name, text, *_ in everything]
    if lie == "names what is not there":
        lines.append(f'"../evil",{_hash(b"")},0')
    elif lie == "is silent":
        lines = lines[1:]
    elif lie == "has other hashes":
        lines[0] = lines[0].replace("sha256=", "sha256=A")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # That a name comes twice is what is tried.
        for name, text, mode, compression in [
            *everything,
            (f"{INFO}/RECORD", "\n".join([*lines, f"{INFO}/RECORD,,"]), 0o100644, 8),
        ]:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name.encode("utf-8", "replace").decode()
            info.external_attr = mode << 16
            info.create_system = 3
            archive.writestr(info, text.encode("utf-8", "replace"), compression)
    return stream.getvalue()


def _members() -> st.SearchStrategy[Any]:
    member = st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(TEXTS[:6]) | st.sampled_from(TEXTS),
        st.sampled_from(MODES[:2]) | st.sampled_from(MODES),
        st.sampled_from([0, 8]),
    )
    return st.lists(member, max_size=4)


LIES: Final = ("", "", "names what is not there", "is silent", "has other hashes")
ARCHIVES: Final = st.builds(_written, _members(), st.sampled_from(LIES))
SOUND: Final = _written([("demo/__init__.py", "VALUE = 1\n", 0o100644, 0)], "")

WHEEL: Final = Target(
    name="wheel",
    check=check_wheel,
    inputs=ARCHIVES
    | edited([SOUND], [b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"\xff\xff\xff\xff", b"../"])
    | st.builds(lambda data, at: data[:at], ARCHIVES, st.integers(0, 400)),
)


def check_wheel_texts(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in (wheeltexts.read_record, wheeltexts.scripts, wheeltexts.is_pure):
        with watching(), contextlib.suppress(WheelError):
            read(text)


WHEEL_TEXTS: Final = Target(
    name="wheel-texts",
    check=check_wheel_texts,
    inputs=lines_of(
        (
            *("[console_scripts]", "[gui_scripts]", "run = ", "demo:main", "a.b:c [x]", "%(run)s"),
            *(
                '"',
                ",",
                "sha256=",
                "sha256=%%%",
                "sha1=",
                "demo.py",
                "99999999999999999999",
                "\x00",
            ),
            *("Wheel-Version: ", "1.0", "\u0661", "Root-Is-Purelib: true", "[DEFAULT]", "=", "\r"),
        )
    )
    | edited([b"demo.py,sha256=AAAA,3\ndemo/x,,\n", b"[console_scripts]\nrun = demo.cli:main\n"]),
)

# -- sources -----------------------------------------------------------------------------------

SOURCE_NAMES: Final = (
    *("demo-1/setup.py", "demo-1/", "demo-1/d/", "demo-1/d", "./demo-1/a", ".", "../evil", "/evil"),
    *("demo-1/link", "demo-1/d/link", "demo-1/d/link/x", "demo-1/link/x", "demo-1/a/../../../evil"),
)
LINKS: Final = ("..", "../..", ".", "d", "link", "d/link", "../../evil", "/etc/passwd", "setup.py")


def check_source(data: bytes) -> None:
    """Nothing of a source leads out of its folder."""
    filename = "demo-1.zip" if data.startswith(b"PK") else "demo-1.tar.gz"
    limit = sourceunpack.MAX_UNPACKED_BYTES
    sourceunpack.MAX_UNPACKED_BYTES = MAX_UNPACKED_BYTES
    try:
        with tempfile.TemporaryDirectory(prefix="remotest-fuzz-") as top:
            archive, folder = Path(top, "archive"), Path(top, "source")
            archive.write_bytes(data)
            with watching(folder), contextlib.suppress(WheelError):
                sourceunpack.unpack(os.fsencode(archive), filename, os.fsencode(folder))
            assert sorted(path.name for path in Path(top).iterdir()) in (
                ["archive"],
                ["archive", "source"],
            )
            for path in folder.rglob("*"):
                assert Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    finally:
        sourceunpack.MAX_UNPACKED_BYTES = limit


def _tar(members: list[tuple[str, bytes, str, str]]) -> bytes:
    """Return a tar archive of members: name, kind, target of a link, text."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, target, text in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = target
            member.size = len(text) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(text.encode()))
    return stream.getvalue()


KINDS: Final = (
    tarfile.REGTYPE,
    tarfile.SYMTYPE,
    tarfile.DIRTYPE,
    tarfile.LNKTYPE,
    tarfile.FIFOTYPE,
)
TARS: Final = st.lists(
    st.tuples(
        st.sampled_from(SOURCE_NAMES),
        st.sampled_from(KINDS[:2]) | st.sampled_from(KINDS),
        st.sampled_from(LINKS),
        st.sampled_from(TEXTS[:3]),
    ),
    max_size=4,
).map(_tar)
SOUND_TAR: Final = _tar([("demo-1/setup.py", tarfile.REGTYPE, "", "import setuptools\n")])

SOURCE: Final = Target(
    name="source",
    check=check_source,
    inputs=TARS
    | ARCHIVES
    | TARS.map(gzip.compress)
    | edited([SOUND_TAR, SOUND], [b"../", b"ustar"]),
)

TARGETS: Final = (WHEEL, WHEEL_TEXTS, SOURCE)
