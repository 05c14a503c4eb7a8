"""The probe tells what packaging would find out in the same interpreter."""

from __future__ import annotations

import ast
import json
import platform
import struct
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, Final

import interpreters
import pytest
from packaging import tags
from packaging.markers import default_environment

from pytest_remotest import probe

SOURCE: Final = Path(__file__).parents[3] / "plugin" / "pytest_remotest" / "probe.py"


def probe_of(python: Path) -> dict[str, Any]:
    """Return what the file tells when it comes on standard input and nothing else is there."""
    program = SOURCE.read_text() + "\nimport json\nprint(json.dumps(probe()))\n"
    answer = subprocess.run(
        [python, "-I", "-"], input=program, check=True, capture_output=True, text=True
    )
    told: dict[str, Any] = json.loads(answer.stdout)
    return told


def test_it_has_the_grammar_of_3_4() -> None:
    ast.parse(SOURCE.read_text(), feature_version=(3, 4))


def test_markers_are_those_of_packaging() -> None:
    assert probe.probe()["markers"] == default_environment()


def test_values_are_those_that_wheel_tags_are_made_of() -> None:
    told = probe.probe()
    assert told["platform"] == sysconfig.get_platform()
    assert told["config"]["EXT_SUFFIX"] == sysconfig.get_config_var("EXT_SUFFIX")
    assert told["libc"]["kind"] == ("glibc" if platform.libc_ver()[0] else "")
    assert told["is_64bit"] is (sys.maxsize > 2**32)
    version = told["libc"]["version"].replace(".", "_")
    assert f"manylinux_{version}_{told['machine']}" in {tag.platform for tag in tags.sys_tags()}


@pytest.mark.parametrize("name", interpreters.ALL)
def test_every_interpreter_tells_of_itself(name: str) -> None:
    python = interpreters.find_or_skip(name)
    told = probe_of(python)
    assert set(told) == set(probe.probe())
    implementation = "pypy" if name == interpreters.PYPY else "cpython"
    assert told["implementation"] == told["markers"]["implementation_name"] == implementation
    assert told["markers"]["python_full_version"].startswith(told["markers"]["python_version"])
    assert (told["is_virtual"], told["is_conda"]) == (False, False)
    assert told["base_executable"] == str(python)
    assert str(python).startswith(told["base_prefix"])
    assert told["elf"]["bits"] == struct.calcsize("P") * 8
    assert json.loads(json.dumps(told)) == told


def test_virtual_environment_names_its_base() -> None:
    told = probe_of(interpreters.with_pytest("3.9"))
    base = probe_of(interpreters.find_or_skip("3.9"))
    assert told["is_virtual"] is True
    assert (told["base_executable"], told["base_prefix"]) == (
        base["base_executable"],
        base["base_prefix"],
    )


def test_conda_environment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conda-meta").mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert probe.probe()["is_conda"] is True


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("musl libc (x86_64)\nVersion 1.2.2\nDynamic Program Loader\n", "1.2.2"),
        ("\nmusl libc (aarch64)\n\nVersion 1.1.24-git\n", "1.1.24-git"),
        ("musl libc (x86_64)\n", ""),
        ("ld.so: error\nVersion 2.36\n", ""),
        ("musl libc\nversion 1.2\n", ""),
        ("", ""),
    ],
)
def test_version_of_musl(said: str, version: str) -> None:
    assert probe.musl_version(said) == version


def elf(bits: int, order: str, flags: int, interpreter: bytes) -> bytes:
    """Return an ELF file with one program header, which names its loader."""
    wide = bits == 64
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    header_format, row_format = ("HHIQQQIHHH", "IIQQQQQQ") if wide else ("HHIIIIIHHH", "IIIIIIII")
    table = 16 + struct.calcsize(order + header_format)
    row_size = struct.calcsize(order + row_format)
    place = table + row_size
    header = struct.pack(order + header_format, 2, 40, 1, 0, table, 0, flags, 0, row_size, 1)
    size = len(interpreter)
    row = (3, 0, place, 0, 0, size, size, 1) if wide else (3, place, 0, 0, size, size, 0, 1)
    return ident + header + struct.pack(order + row_format, *row) + interpreter


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_elf_file_is_read(tmp_path: Path, bits: int, order: str) -> None:
    path = tmp_path / "python"
    path.write_bytes(elf(bits, order, 0x5000400, b"/lib/ld-linux-armhf.so.3\0"))
    assert probe.read_elf(str(path)) == {
        "bits": bits,
        "is_little_endian": order == "<",
        "machine": 40,
        "flags": 0x5000400,
        "interpreter": "/lib/ld-linux-armhf.so.3",
    }


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(20)])
def test_other_file_is_no_elf_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "python"
    path.write_bytes(data)
    assert probe.read_elf(str(path)) is None
    assert probe.read_elf(str(tmp_path / "missing")) is None


def test_musl_is_told_by_its_loader(tmp_path: Path) -> None:
    loader = tmp_path / "ld-musl-x86_64.so.1"
    loader.write_text("#!/bin/sh\nprintf 'musl libc (x86_64)\\nVersion 1.2.4\\n' >&2\nexit 1\n")
    loader.chmod(0o755)
    assert probe._musl({"interpreter": str(loader)}) == "1.2.4"
