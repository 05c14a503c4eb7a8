"""Greetings become targets; whatever a host says, nothing but a target or an error comes out."""

from __future__ import annotations

import copy
from typing import Any

import interpreters
import probes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remotest.env.target import read_target
from remotest.errors import ProtocolError


def tags_of(**changes: Any) -> list[str]:
    return [str(tag) for tag in read_target(probes.example(**changes), host="h").tags]


def config(**changes: Any) -> dict[str, Any]:
    return {**probes.example()["probe"]["config"], **changes}


@pytest.mark.parametrize("name", interpreters.ALL)
def test_the_tags_are_those_that_packaging_computes_there(name: str) -> None:
    info = probes.ask(interpreters.with_pytest(name))
    tags = [str(tag) for tag in read_target(info, host="h").tags]
    # Python 3.6 has packaging 21.3, which does not know this one yet.
    assert set(tags) - set(info["tags"]) <= {"cp36-none-any"}
    # Where in the order the bare "linux_x86_64" stands has changed in packaging 26.3.
    portable = [tag for tag in tags if "-linux_" not in tag and tag != "cp36-none-any"]
    assert portable == [tag for tag in info["tags"] if "-linux_" not in tag]


def test_a_target_is_what_was_told() -> None:
    target = read_target(probes.example(), host="h")
    assert dict(target.markers) == probes.example()["probe"]["markers"]
    assert target.ext_suffix == ".cpython-39-x86_64-linux-gnu.so"
    assert not target.is_own
    assert target.distributions == {"pip": "23.0.1", "my-pkg": "1"}


@pytest.mark.parametrize("key", ["is_virtual", "is_conda"])
def test_an_environment_is_somebodys_own(key: str) -> None:
    assert read_target(probes.example(**{key: True}), host="h").is_own


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({}, True),
        ({"is_virtual": True}, True),
        ({"machine": "other"}, True),
        ({"version": "3.9.19 (main)"}, False),
        ({"base_prefix": "/opt/py"}, False),
        ({"base_prefix": "/opt/\udce4"}, False),
        ({"libc": {"kind": "musl", "version": "1.2"}}, False),
        ({"config": config(EXT_SUFFIX=".cpython-39d-x86_64-linux-gnu.so")}, False),
        ({"implementation": "pypy"}, False),
        ({"platform": "linux-aarch64"}, False),
        ({"is_64bit": False}, False),
    ],
)
def test_the_build_tells_apart_what_cannot_share(changes: dict[str, Any], is_same: bool) -> None:
    builds = [read_target(probes.example(**one), host="h").build for one in ({}, changes)]
    assert (builds[0] == builds[1]) == is_same


@pytest.mark.parametrize(
    ("changes", "there", "not_there"),
    [
        (
            {},
            ["cp39-cp39-linux_x86_64", "cp39-abi3-manylinux_2_36_x86_64", "cp32-abi3-linux_x86_64"],
            ["cp39-cp39-manylinux_2_37_x86_64", "cp39-cp39-musllinux_1_2_x86_64"],
        ),
        (
            {"libc": {"kind": "glibc", "version": "2.20-2014.11"}},
            ["cp39-cp39-manylinux_2_20_x86_64", "cp39-cp39-manylinux2014_x86_64"],
            ["cp39-cp39-manylinux_2_21_x86_64"],
        ),
        (
            {"libc": {"kind": "musl", "version": "1.2.4"}},
            ["cp39-cp39-musllinux_1_2_x86_64", "cp39-cp39-musllinux_1_0_x86_64"],
            ["cp39-cp39-manylinux2014_x86_64", "cp39-cp39-musllinux_1_3_x86_64"],
        ),
        (
            {"libc": {"kind": "", "version": ""}},
            ["cp39-cp39-linux_x86_64", "py3-none-any"],
            ["cp39-cp39-manylinux2014_x86_64"],
        ),
        (
            {"platform": "linux-aarch64"},
            ["cp39-cp39-manylinux_2_17_aarch64"],
            ["cp39-cp39-manylinux_2_16_aarch64", "cp39-cp39-manylinux1_aarch64"],
        ),
        ({"platform": "linux-mips"}, ["cp39-cp39-linux_mips"], ["cp39-cp39-manylinux2014_mips"]),
        (
            {
                "is_64bit": False,
                "elf": {"bits": 32, "is_little_endian": True, "machine": 3, "flags": 0},
            },
            ["cp39-cp39-linux_i686", "cp39-cp39-manylinux1_i686"],
            ["cp39-cp39-linux_x86_64"],
        ),
        (
            {
                "platform": "linux-aarch64",
                "is_64bit": False,
                "elf": {
                    "bits": 32,
                    "is_little_endian": True,
                    "machine": 40,
                    "flags": 0x05000400,
                },
            },
            ["cp39-cp39-linux_armv8l", "cp39-cp39-manylinux2014_armv7l"],
            ["cp39-cp39-linux_aarch64"],
        ),
        (
            {
                "platform": "linux-armv7l",
                "elf": {"bits": 32, "is_little_endian": True, "machine": 40, "flags": 0x05000000},
            },
            ["cp39-cp39-linux_armv7l"],
            ["cp39-cp39-manylinux2014_armv7l"],
        ),
        (
            {"system": "Darwin", "machine": "arm64", "mac_version": ["13.4", "arm64"]},
            ["cp39-cp39-macosx_13_0_arm64", "cp39-cp39-macosx_11_0_universal2"],
            ["cp39-cp39-macosx_14_0_arm64"],
        ),
        (
            {"system": "Darwin", "mac_version": ["10.16", "x86_64"]},
            ["cp39-cp39-macosx_11_0_x86_64", "cp39-cp39-macosx_10_9_x86_64"],
            [],
        ),
        (
            {"system": "FreeBSD", "platform": "freebsd-13.2-RELEASE-amd64"},
            ["cp39-cp39-freebsd_13_2_release_amd64", "py3-none-any"],
            ["cp39-cp39-manylinux2014_x86_64"],
        ),
        (
            {
                "version_info": [3, 13, 0, "final", 0],
                "config": config(Py_GIL_DISABLED=1, py_version_nodot="313"),
            },
            ["cp313-cp313t-linux_x86_64", "cp313-none-any"],
            ["cp313-cp313-linux_x86_64", "cp313-abi3-linux_x86_64"],
        ),
        (
            {"config": config(Py_DEBUG=1)},
            ["cp39-cp39d-linux_x86_64", "cp39-cp39-linux_x86_64"],
            [],
        ),
        (
            {"version_info": [3, 7, 1, "final", 0], "config": config(WITH_PYMALLOC=None)},
            ["cp37-cp37m-linux_x86_64"],
            ["cp37-cp37-linux_x86_64"],
        ),
        (
            {"implementation": "pypy", "config": config(EXT_SUFFIX=".pypy39-pp73-x86_64-linux.so")},
            ["pp39-pypy39_pp73-manylinux_2_17_x86_64", "pp3-none-any"],
            ["cp39-abi3-linux_x86_64"],
        ),
        (
            {"implementation": "graalpy", "config": config(EXT_SUFFIX=".graalpy-38-native-x.so")},
            ["graalpy39-graalpy_38_native-linux_x86_64"],
            ["graalpy39-none-any"],
        ),
    ],
)
def test_the_tags_of_interpreters_that_are_not_here(
    changes: dict[str, Any], there: list[str], not_there: list[str]
) -> None:
    tags = tags_of(**changes)
    assert set(there) <= set(tags)
    assert set(not_there) & set(tags) == set()


@pytest.mark.parametrize(
    ("info", "cause"),
    [
        ({}, "probe is no table"),
        ({"probe": []}, "probe is no table"),
        ({"probe": {}}, "probe.markers is missing"),
        (probes.example(markers={}), "probe.markers.implementation_name is missing"),
        (probes.example(version_info=[3]), "probe.version_info has no possible value"),
        (probes.example(version_info=[3, 10**9]), "probe.version_info has no possible value"),
        (probes.example(version_info=[3, True]), "probe.version_info has no possible value"),
        (probes.example(implementation="\x1b[2J"), "probe.implementation has no possible value"),
        (probes.example(version="a" * 5000), "probe.version has no possible value"),
        (probes.example(is_64bit=1), "probe.is_64bit has no possible value"),
        (
            probes.example(libc={"kind": "glibc", "version": "new"}),
            "probe.libc.version is no version",
        ),
        (
            probes.example(libc={"kind": "dietlibc", "version": "2.1"}),
            "probe.libc.kind has no possible value",
        ),
        (
            {**probes.example(), "distributions": {"\x1b": "1"}},
            "distributions holds what is no name",
        ),
        (
            {**probes.example(), "distributions": []},
            "distributions is no table of names and versions",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(info: dict[str, Any], cause: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_target(info, host="me@box")
    assert caught.value.host == "me@box"
    assert caught.value.cause == f"its greeting makes no sense: {cause}"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["glibc", "musl", "2.36", "Linux", "Darwin", "3.9.1", "linux-i686", "pypy"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, way: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the ways to everything in a greeting."""
    if not isinstance(value, dict):
        return [way]
    below = [place for key, inner in value.items() for place in places(inner, (*way, key))]
    return [way, *below] if way else below


@given(st.data())
def test_whatever_a_host_says_it_is_a_target_or_a_protocol_error(data: st.DataObject) -> None:
    info = copy.deepcopy(probes.example())
    for way in data.draw(st.lists(st.sampled_from(places(info)), max_size=3)):
        table: Any = info
        for key in way[:-1]:
            table = table.get(key) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table[way[-1]] = data.draw(VALUES)
    error = None
    try:
        target = read_target(info, host="h")
    except ProtocolError as caught:
        error = caught
    if error is None:
        assert len(target.tags) < 200_000
        assert target.build.isascii()
    else:
        assert error.cause.isprintable()
