"""What is kept on a host of what was built there."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from pytest_remotest.envstore import EnvStore, WheelFile

KEY = "00ff"
NAME = "demo-1.0-py3-none-any.whl"
CONTENT = bytes(range(256)) * 100


@pytest.mark.parametrize("offset", [100, -400, -10])
def test_a_built_wheel_is_found_unless_it_is_broken(tmp_path: Path, offset: int) -> None:
    store = EnvStore(os.fsencode(tmp_path))
    assert store.find_built(KEY) is None
    built = tmp_path / NAME
    with zipfile.ZipFile(built, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demo.py", CONTENT)
        archive.writestr("demo-1.0.dist-info/WHEEL", CONTENT)
    kept = WheelFile(KEY, NAME, built.stat().st_size)
    assert store.keep_built(KEY, os.fsencode(built)) == kept
    assert store.find_built(KEY) == kept

    with Path(os.fsdecode(store.wheel_path(KEY, NAME))).open("r+b") as file:
        file.seek(offset, os.SEEK_SET if offset > 0 else os.SEEK_END)
        file.write(b"\xff" * 8)

    assert store.find_built(KEY) is None
