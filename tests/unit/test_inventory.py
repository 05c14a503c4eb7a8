"""The inventory: what its names mean after --tx, and which file it is."""

from __future__ import annotations

import contextlib
import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inventories import THREE, loaded

from remotest.errors import SpecError, UsageError
from remotest.inventory import Host, Inventory, find
from remotest.spec import GatewaySpec, SshTarget

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_means(tmp_path: Path) -> None:
    expected = {
        "big": Host(
            name="big",
            spec=GatewaySpec(
                target=SshTarget(host="big.example", user="me", port=2222),
                python="/opt/py",
                env=(("LANG", "C"), ("A", "2"), ("TOKEN", None)),
                hostkey="strict",
            ),
            workers="auto",
            labels=("gpu",),
        ),
        "small": Host(
            name="small",
            spec=GatewaySpec(
                target=SshTarget(host="small"),
                python="python3.12",
                env=(("LANG", "C"), ("A", "1")),
                hostkey="strict",
            ),
            workers=2,
            labels=("gpu", "old"),
        ),
        "here": Host(
            name="here", spec=GatewaySpec(python="python3.12", env=(("LANG", "C"), ("A", "1")))
        ),
    }
    assert loaded(tmp_path, THREE) == Inventory(
        path=tmp_path / "remotest.yaml",
        hosts=expected,
        groups={"far": ("small", "big"), "all": ("here", "far", "big")},
    )


BIG = "ssh=me@big.example:2222//python=/opt/py//hostkey=strict//env:LANG=C//env:A=2//env:TOKEN"
SMALL = "ssh=small//python=python3.12//hostkey=strict//env:LANG=C//env:A=1"
HERE = "popen//python=python3.12//env:LANG=C//env:A=1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@big", [f"auto*{BIG}"]),
        ("3*@big", [f"3*{BIG}"]),
        ("auto*@here", [f"auto*{HERE}"]),
        ("@far", [f"2*{SMALL}", f"auto*{BIG}"]),
        ("4*@all", [f"4*{HERE}", f"4*{SMALL}", f"4*{BIG}"]),
        ("@label:gpu", [f"auto*{BIG}", f"2*{SMALL}"]),
        ("1*@label:old", [SMALL]),
        ("@here//python=py//env:A=3//env:B", ["popen//python=py//env:LANG=C//env:A=3//env:B"]),
        ("@here//id=a", ["popen//python=python3.12//id=a//env:LANG=C//env:A=1"]),
        ("popen", ["popen"]),
        ("2*ssh=small", ["2*ssh=small"]),
        ("popen//env:A=*@big", ["popen//env:A=*@big"]),
    ],
)
def test_a_name_means_its_hosts(tmp_path: Path, text: str, expected: list[str]) -> None:
    requests = loaded(tmp_path, THREE).expand(text)
    assert [str(request) for request in requests] == expected


def test_a_request_carries_the_labels_of_its_host(tmp_path: Path) -> None:
    requests = loaded(tmp_path, THREE).expand("@all")
    assert [request.labels for request in requests] == [(), ("gpu", "old"), ("gpu",)]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("@bgi", "remotest.yaml has no 'bgi': did you mean 'big'?"),
        (
            "@",
            "remotest.yaml has no '': there are big, small, here, far, all, label:gpu, label:old",
        ),
        ("@label:gpus", "remotest.yaml has no 'label:gpus': did you mean 'label:gpu'?"),
        ("x*@big", "'x' is no count: allowed are N*SPEC and auto*SPEC"),
        ("@far//id=a", "id=a names one worker, and these are 2 hosts"),
        ("@big//id=a", "id=a names one worker, but auto* asks for more"),
        ("@big//popen", "popen is not for here: the inventory says how a host is reached"),
        ("@here//hostkey=strict", "hostkey= goes with ssh= only, and this is popen"),
        ("@big//pyhton=x", "unknown key 'pyhton': did you mean 'python'?"),
        ("pope", "unknown key 'pope': did you mean 'popen'?"),
    ],
)
def test_a_wrong_name_is_refused(tmp_path: Path, text: str, fragment: str) -> None:
    with pytest.raises(SpecError) as caught:
        loaded(tmp_path, THREE).expand(text)
    assert str(caught.value).replace(f"{tmp_path}/", "") == f"--tx {text!r}: {fragment}"


def test_a_name_without_an_inventory_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        Inventory().expand("2*@big")
    assert str(caught.value) == (
        "--tx '2*@big': '@' names an entry of an inventory, and there is none: write"
        " remotest.yaml beside pytest's config file, or name a file with --inventory"
    )


@given(st.text() | st.text(string.ascii_lowercase[:4] + "/=*:@"))
def test_any_text_is_requests_or_a_spec_error(text: str) -> None:
    for candidate in (text, f"@{text}"):
        with contextlib.suppress(SpecError):
            Inventory().expand(candidate)


def test_the_file_beside_the_config_file_is_found(tmp_path: Path) -> None:
    assert find(tmp_path, None) is None
    path = tmp_path / "remotest.yaml"
    path.write_text("")
    assert find(tmp_path, None) == path


def test_the_named_file_is_found_before_the_one_beside(tmp_path: Path) -> None:
    (tmp_path / "remotest.yaml").write_text("")
    named = tmp_path / "other.yaml"
    named.write_text("")
    assert find(tmp_path, str(named)) == named


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "remotest.yaml").write_text("")
    with pytest.raises(UsageError) as caught:
        find(tmp_path, "missing.yaml")
    assert str(caught.value) == "--inventory 'missing.yaml': there is no such file"
