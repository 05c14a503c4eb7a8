"""Wheels are unpacked as an installer does it, and what is not to be trusted is refused."""

from __future__ import annotations

import contextlib
import csv
import os
import stat
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wheels import Draft, record_hash

from pytest_remotest import wheelunpack
from pytest_remotest.wheelnames import WheelError
from pytest_remotest.wheelunpack import Layout, Unpacked, unpack

PLAIN: Final = {"demo/__init__.py": "VALUE = 1\n"}
DATA: Final = "demo-1.0.data"
INFO: Final = "demo-1.0.dist-info"


def layout(root: Path) -> Layout:
    top = os.fsencode(root)
    return Layout(
        root=top,
        purelib=top + b"/lib/site",
        platlib=top + b"/lib/plat",
        scripts=top + b"/bin",
        data=top,
        headers=top + b"/include",
    )


def unpacked(draft: Draft, tmp_path: Path) -> Unpacked:
    path = draft.write(tmp_path).path
    return unpack(os.fsencode(path), draft.filename, layout(tmp_path / "env"))


def files_in(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir())


def test_every_file_goes_to_its_place(tmp_path: Path) -> None:
    draft = Draft(
        files={
            **PLAIN,
            f"{DATA}/purelib/pure.py": "",
            f"{DATA}/platlib/plat.py": "",
            f"{DATA}/scripts/tool": "#!python3 -u\nprint(1)\n",
            f"{DATA}/scripts/shell": "#!/bin/sh\n",
            f"{DATA}/data/share/demo/words.txt": "words",
            f"{DATA}/headers/demo.h": "int x;\n",
        },
        entry_points="[console_scripts]\nrun = demo.cli:main.go [extra]\n",
    )
    answer = unpacked(draft, tmp_path)
    env = tmp_path / "env"
    assert files_in(env) == sorted(answer.files)
    assert sorted(answer.files) == [
        "bin/run",
        "bin/shell",
        "bin/tool",
        "include/demo/demo.h",
        "lib/plat/plat.py",
        f"lib/site/{INFO}/INSTALLER",
        f"lib/site/{INFO}/METADATA",
        f"lib/site/{INFO}/RECORD",
        f"lib/site/{INFO}/WHEEL",
        f"lib/site/{INFO}/entry_points.txt",
        "lib/site/demo/__init__.py",
        "lib/site/pure.py",
        "share/demo/words.txt",
    ]
    assert (answer.name, answer.version) == ("demo", "1.0")
    assert answer.files == {name: (env / name).stat().st_size for name in answer.files}


def test_record_is_true_of_what_was_written(tmp_path: Path) -> None:
    draft = Draft(
        files={**PLAIN, f"{DATA}/scripts/tool": "#!python\n", 'a, "b".txt': "x"},
        entry_points="[console_scripts]\nrun = demo:main\n",
    )
    answer = unpacked(draft, tmp_path)
    site = tmp_path / "env" / "lib" / "site"
    with (site / INFO / "RECORD").open(newline="") as file:
        rows = {name: (checksum, size) for name, checksum, size in csv.reader(file)}
    assert rows.pop(f"{INFO}/RECORD") == ("", "")
    there = {os.path.relpath(tmp_path / "env" / name, site) for name in answer.files}
    assert set(rows) == there - {f"{INFO}/RECORD"}
    for name, (checksum, size) in rows.items():
        data = (site / name).read_bytes()
        assert (checksum, size) == (record_hash(data), str(len(data)))
    assert (site / INFO / "INSTALLER").read_text() == "remotest\n"


def test_platform_wheel_goes_to_platlib(tmp_path: Path) -> None:
    answer = unpacked(Draft(files=PLAIN, pure=False), tmp_path)
    assert "lib/plat/demo/__init__.py" in answer.files


@pytest.mark.parametrize(
    ("name", "mode", "expected"),
    [
        ("demo/run.sh", 0o100755, 0o755),
        ("demo/plain.sh", 0o100644, 0o644),
        ("demo/odd.sh", 0o104711, 0o755),
        ("demo/none.sh", 0, 0o644),
        (f"{DATA}/scripts/tool", 0o100644, 0o755),
    ],
)
def test_programs_can_be_run(tmp_path: Path, name: str, mode: int, expected: int) -> None:
    draft = Draft(files={name: "echo\n"}, modes={name: mode})
    before = os.umask(0o022)
    try:
        unpacked(draft, tmp_path)
    finally:
        os.umask(before)
    (path,) = (tmp_path / "env").rglob(Path(name).name)
    assert stat.S_IMODE(path.stat().st_mode) == expected


def test_scripts_run_with_the_python_beside_them_however_long_the_path(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200) / "with space '\""
    deep.mkdir(parents=True)
    draft = Draft(
        files={
            "demo.py": "def main():\n    print('demo')\n    return 3\n",
            f"{DATA}/scripts/tool": "#!pythonw\nimport sys\nprint(sys.argv[1:])\n",
        },
        entry_points="[console_scripts]\nrun = demo:main\n",
    )
    unpacked(draft, deep)
    env = deep / "env"
    (env / "bin" / "python").symlink_to(sys.executable)
    variables = {"PYTHONPATH": str(env / "lib" / "site")}

    def run(*command: str) -> tuple[int, str]:
        answer = subprocess.run(
            [env / "bin" / command[0], *command[1:]],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
            env=variables,
        )
        return answer.returncode, answer.stdout

    assert run("run") == (3, "demo\n")
    assert run("tool", "a b", "$HOME") == (0, "['a b', '$HOME']\n")


def test_files_that_wheels_share_are_the_last_ones(tmp_path: Path) -> None:
    for name in ("one", "two"):
        draft = Draft(name=name, files={"shared/__init__.py": f"# {name}\n"})
        unpacked(draft, tmp_path)
    shared = tmp_path / "env" / "lib" / "site" / "shared" / "__init__.py"
    assert shared.read_text() == "# two\n"


def recorded(**files: str) -> bytes:
    return Draft(files=PLAIN | files).made_record()


REFUSED: Final[dict[str, tuple[Draft, str]]] = {
    "up": (Draft(files={"../evil.py": ""}), "'../evil.py' leads elsewhere"),
    "up inside": (Draft(files={"a/../../evil.py": ""}), "'a/../../evil.py' leads elsewhere"),
    "here": (Draft(files={"a/./b.py": ""}), "'a/./b.py' leads elsewhere"),
    "absolute": (Draft(files={"/evil.py": ""}), "'/evil.py' leads elsewhere"),
    "doubled": (Draft(files={"a//b.py": ""}), "'a//b.py' leads elsewhere"),
    "up in data": (Draft(files={f"{DATA}/data/../x": ""}), f"'{DATA}/data/../x' leads elsewhere"),
    "drive": (Draft(files={"C:evil.py": ""}), "'C:evil.py' is no portable path"),
    "backslash": (Draft(files={"a\\b.py": ""}), "'a\\\\b.py' is no portable path"),
    "long name": (Draft(files={"n" * 256: ""}), f"the name '{'n' * 199}... is too long"),
    "long path": (Draft(files={"a/" * 500 + "b": ""}), f"the path '{'a/' * 99}a... is too long"),
    "link": (
        Draft(files={"link": "/etc/passwd"}, modes={"link": 0o120777}),
        "'link' is a link or a special file",
    ),
    "device": (Draft(files={"null": ""}, modes={"null": 0o020666}), "is a link or a special file"),
    "file as folder": (
        Draft(files={"odd": ""}, modes={"odd": 0o040755}),
        "'odd' is a file and a directory",
    ),
    "case": (Draft(files={"a.py": "", "A.py": ""}), "'A.py' collides with 'a.py'"),
    "case of folder": (Draft(files={"a/x.py": "", "A/y.py": ""}), "'A' collides with 'a'"),
    "accents": (Draft(files={"\u00e9": "", "e\u0301": ""}), "collides with"),
    "file and folder": (Draft(files={"a": "", "a/b": ""}), "'a' collides with 'a'"),
    "both libs": (
        Draft(files={f"{DATA}/purelib/x.py": "", f"{DATA}/platlib/x.py": ""}),
        "'x.py' collides with 'x.py'",
    ),
    "unknown scheme": (Draft(files={f"{DATA}/etc/x": ""}), f"'{DATA}/etc/x' has no place"),
    "no scheme": (Draft(files={f"{DATA}/x": ""}), f"'{DATA}/x' has no place"),
    "own config": (Draft(files={f"{DATA}/data/pyvenv.cfg": ""}), "has no place"),
    "own mark": (Draft(files={f"{DATA}/data/.ok": ""}), "has no place"),
    "two infos": (Draft(files={"x-1.dist-info/METADATA": ""}), "it has 2 dist-info folders"),
    "unlisted": (Draft(files=PLAIN, record=b""), "RECORD does not name '"),
    "not there": (
        Draft(files=PLAIN, record=recorded(gone="")),
        "RECORD names what is not there: 'gone'",
    ),
    "changed": (
        Draft(files={"demo/__init__.py": "VALUE = 2\n"}, record=recorded()),
        "'demo/__init__.py' is not what RECORD says",
    ),
    "other size": (
        Draft(files=PLAIN, record=recorded().replace(b",10\n", b",11\n")),
        "'demo/__init__.py' is not what RECORD says",
    ),
    "no hash": (
        Draft(files=PLAIN, record=b"demo/__init__.py,,\n" + recorded().partition(b"\n")[2]),
        "RECORD has no hash of 'demo/__init__.py'",
    ),
    "weak hash": (
        Draft(files=PLAIN, record=recorded().replace(b"sha256=", b"md5=")),
        "RECORD has no usable hash of",
    ),
    "odd size": (
        Draft(files=PLAIN, record=recorded().replace(b",10\n", b",-1\n")),
        "RECORD has no usable size of",
    ),
    "twice": (Draft(files=PLAIN, record=recorded() + b"\n" + recorded()), "twice"),
    "two fields": (Draft(files=PLAIN, record=b"demo,\n"), "RECORD cannot be read"),
    "no text": (Draft(files=PLAIN, record=b"\xff"), "RECORD' is no text"),
    "later version": (
        Draft(files={}, overrides={"WHEEL": "Wheel-Version: 2.0\n"}),
        "its Wheel-Version is '2.0'",
    ),
    "no version": (Draft(overrides={"WHEEL": "x"}), "its Wheel-Version is None"),
    "entry point": (
        Draft(entry_points="[console_scripts]\nrun = demo\n"),
        "'demo' is no entry point of a program",
    ),
    "entry point elsewhere": (
        Draft(entry_points="[console_scripts]\n../run = demo:main\n"),
        "'../run' leads elsewhere",
    ),
    "entry point below": (
        Draft(entry_points="[console_scripts]\na/run = demo:main\n"),
        "is no entry point of a program",
    ),
    "entry points": (Draft(entry_points="run = demo:main\n"), "entry_points.txt cannot be read"),
}


@pytest.mark.parametrize(("draft", "reason"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_not_to_be_trusted_is_refused(tmp_path: Path, draft: Draft, reason: str) -> None:
    with pytest.raises(WheelError) as caught:
        unpacked(draft, tmp_path)
    assert caught.value.reason.startswith("demo-1.0-py3-none-any.whl: ")
    assert reason in caught.value.reason
    outside = [path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "env")]
    assert outside == [tmp_path / "demo-1.0-py3-none-any.whl"]


def test_same_name_twice_in_an_archive_is_refused(tmp_path: Path) -> None:
    draft = Draft(files=PLAIN)
    path = draft.write(tmp_path).path
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("demo/__init__.py", "VALUE = 1\n")
    with pytest.raises(WheelError, match=r"'demo/__init__\.py' collides with"):
        unpack(os.fsencode(path), draft.filename, layout(tmp_path / "env"))


def test_nul_hides_nothing(tmp_path: Path) -> None:
    draft = Draft(files={"a.py_.txt": "x"})
    path = draft.write(tmp_path).path
    path.write_bytes(path.read_bytes().replace(b"a.py_.txt", b"a.py\0.txt"))
    with pytest.raises(WheelError, match="is no portable path"):
        unpack(os.fsencode(path), draft.filename, layout(tmp_path / "env"))


@pytest.mark.parametrize(
    ("limit", "reason"),
    [("MAX_UNPACKED_BYTES", "it unpacks to more than 5000"), ("MAX_TEXT_BYTES", "is larger than")],
)
def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, reason: str) -> None:
    monkeypatch.setattr(wheelunpack, limit, 5000)
    draft = Draft(files={"big": "0" * 5000}, overrides={"WHEEL": "#" * 5001})
    if limit == "MAX_UNPACKED_BYTES":
        draft.overrides.clear()
    with pytest.raises(WheelError, match=reason):
        unpacked(draft, tmp_path)


def test_link_that_is_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").symlink_to(tmp_path / "outside")
    with pytest.raises(WheelError, match="is taken"):
        unpacked(Draft(files={f"{DATA}/scripts/python": "#!python\n"}), tmp_path)
    assert (tmp_path / "outside").read_text() == "mine"


@pytest.mark.parametrize(
    "filename", ["demo.whl", "demo-1.0-py3-none-any.zip", "other-1.0-py3-none-any.whl"]
)
def test_name_that_is_not_the_wheels_is_refused(tmp_path: Path, filename: str) -> None:
    path = Draft(files=PLAIN).write(tmp_path).path
    with pytest.raises(WheelError):
        unpack(os.fsencode(path), filename, layout(tmp_path / "env"))


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """A wheel with some of its bytes changed, or with files of odd names, or anything at all."""
    names = st.text("ab./\\:\0 \u00e9\u0301A~", min_size=1, max_size=8)
    prefixes = st.sampled_from(["", "../", "/", f"{DATA}/", f"{DATA}/data/", f"{INFO}/"])
    odd = draw(st.dictionaries(st.tuples(prefixes, names).map("".join), st.binary(max_size=9)))
    draft = Draft(
        files={**PLAIN, **odd},
        modes=dict.fromkeys(odd, draw(st.sampled_from([0o120777, 0o100644, 0]))),
    )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there twice
        data = bytearray(draft.write(Path(folder)).path.read_bytes())
    for place, value in draw(
        st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=5)
    ):
        data[place] = value
    return bytes(data[: draw(st.just(len(data)) | st.integers(0, len(data)))])


@given(data=archives() | st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_whatever_a_wheel_is_nothing_else_happens(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "wheel").write_bytes(data)
        (folder / "outer" / "env").mkdir(parents=True)
        with contextlib.suppress(WheelError):
            unpack(
                os.fsencode(folder / "wheel"),
                "demo-1.0-py3-none-any.whl",
                layout(folder / "outer" / "env"),
            )
        assert [path.name for path in (folder / "outer").iterdir()] == ["env"]
        assert sorted(path.name for path in folder.iterdir()) == ["outer", "wheel"]
        assert not any(path.is_symlink() for path in folder.rglob("*"))
