"""What uv calls the platform of an interpreter."""

from __future__ import annotations

from dataclasses import replace

import pytest
from packageindex import target
from packaging.tags import Tag

from remotest.env.uv_target import uv_platform

OLD = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64")


def glibc(minor: int, machine: str = "x86_64") -> list[str]:
    return [f"manylinux_2_{number}_{machine}" for number in range(minor, 4, -1)]


@pytest.mark.parametrize(
    ("platforms", "markers", "word"),
    [
        (OLD, {}, "x86_64-manylinux2014"),
        (glibc(30), {}, "x86_64-manylinux_2_28"),
        (glibc(36), {}, "x86_64-manylinux_2_36"),
        (glibc(99), {}, "x86_64-manylinux_2_40"),
        (glibc(12), {}, None),
        (glibc(36, "aarch64"), {"platform_machine": "aarch64"}, "aarch64-manylinux_2_36"),
        (glibc(36, "ppc64le"), {"platform_machine": "ppc64le"}, None),
        (["musllinux_1_2_x86_64", "linux_x86_64"], {}, "x86_64-unknown-linux-musl"),
        (["linux_x86_64"], {}, None),
        (
            ["macosx_11_0_arm64"],
            {"platform_machine": "arm64", "sys_platform": "darwin"},
            "aarch64-apple-darwin",
        ),
    ],
)
def test_a_platform_is_the_nearest_that_uv_knows(
    platforms: list[str], markers: dict[str, str], word: str | None
) -> None:
    one = target("3.12", platforms=platforms)
    assert uv_platform(replace(one, markers={**one.markers, **markers})) == word


def test_uv_resolves_for_cpython_as_it_usually_is() -> None:
    free_threaded = Tag("cp313", "cp313t", "linux_x86_64")
    one = target("3.13")
    assert uv_platform(replace(one, tags=(free_threaded, *one.tags))) is None
    assert uv_platform(target("3.9", "PyPy")) is None
