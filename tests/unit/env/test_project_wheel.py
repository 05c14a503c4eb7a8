"""Which built wheel an interpreter tests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import probes
import pytest

from remotest.env.model import Overlay, Target, Wheel
from remotest.env.project import make_overlay
from remotest.env.target import read_target
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

TARGET = read_target(probes.example(), host="h")  # CPython 3.9, x86_64 Linux


def overlay_of(project: str, base: Path, target: Target = TARGET) -> Overlay:
    return make_overlay(base, project, target, base / "cache")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a-1-py3-none-any.whl"], ["a-1-py3-none-any.whl"]),
        # The most special of the newest version.
        (
            [
                "a-2-py3-none-any.whl",
                "a-2-cp39-cp39-manylinux2014_x86_64.whl",
                "a-2-cp39-abi3-manylinux2014_x86_64.whl",
                "a-2-cp310-cp310-manylinux2014_x86_64.whl",
                "a-1-cp39-cp39-linux_x86_64.whl",
            ],
            ["a-2-cp39-cp39-manylinux2014_x86_64.whl"],
        ),
        (["a-2-1-py3-none-any.whl", "a-2-10-py3-none-any.whl"], ["a-2-10-py3-none-any.whl"]),
        (["a-1-cp36-abi3-linux_x86_64.whl"], ["a-1-cp36-abi3-linux_x86_64.whl"]),
        # Several projects of a monorepo.
        (
            ["a-1-py3-none-any.whl", "b-1-py3-none-any.whl", "b-2-py3-none-any.whl"],
            ["a-1-py3-none-any.whl", "b-2-py3-none-any.whl"],
        ),
    ],
)
def test_the_best_wheel_of_the_newest_version(
    tmp_path: Path, names: list[str], expected: list[str]
) -> None:
    (tmp_path / "dist").mkdir()
    for name in [*names, "a-9.tar.gz"]:
        (tmp_path / "dist" / name).touch()
    overlay = overlay_of("wheel", tmp_path)
    assert [wheel.filename for wheel in overlay.wheels] == expected
    assert (overlay.files, overlay.hides_sources) == ((), True)
    assert overlay.names == {name[0] for name in expected}


@pytest.mark.parametrize("glob", ["out/*/demo*.whl", "{base}/out/*/demo*.whl"])
def test_a_glob_is_relative_to_the_project(tmp_path: Path, glob: str) -> None:
    wheel = tmp_path / "out" / "new" / "Demo_App-1.0+local-py2.py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(b"content")
    glob = glob.format(base=tmp_path).replace("demo", "Demo")
    assert overlay_of(f"wheel:{glob}", tmp_path).wheels == (
        Wheel(
            name="demo-app",
            version="1.0+local",
            filename="Demo_App-1.0+local-py2.py3-none-any.whl",
            sha256=hashlib.sha256(b"content").hexdigest(),
            size_bytes=7,
            path=wheel,
        ),
    )


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        ([], "no wheel matches project=wheel:dist/*.whl in {base}"),
        (
            # An older version that would do is not what somebody means to test.
            ["a-1-py3-none-any.whl", "a-2-cp310-cp310-win_amd64.whl", "a-2-cp39-cp39-win32.whl"],
            (
                "no wheel of dist/*.whl is for this interpreter, which can have "
                f"{TARGET.tags[0]} and {len(TARGET.tags) - 1} other tags down to py30-none-any; "
                "there are: a-2-cp310-cp310-win_amd64.whl, a-2-cp39-cp39-win32.whl"
            ),
        ),
        (["odd.whl"], "{base}/dist/odd.whl has not the name of a wheel: "),
    ],
)
def test_nothing_to_test(tmp_path: Path, names: list[str], cause: str) -> None:
    (tmp_path / "dist").mkdir()
    for name in names:
        (tmp_path / "dist" / name).touch()
    with pytest.raises(Unavailable) as caught:
        overlay_of("wheel", tmp_path)
    assert caught.value.cause.startswith(cause.format(base=tmp_path))


def test_no_project_at_all(tmp_path: Path) -> None:
    (tmp_path / "setup.py").touch()
    assert overlay_of("none", tmp_path) == Overlay()
