"""Inventory files for tests: one with three hosts, and what becomes of any text as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remotest.errors import SpecError
from remotest.inventory import Inventory, load

if TYPE_CHECKING:
    from pathlib import Path

THREE = """\
defaults: {python: python3.12, hostkey: strict, env: {LANG: C, A: "1"}}
hosts:
  big:
    ssh: me@big.example:2222
    python: /opt/py
    env: {A: "2", TOKEN: null}
    labels: [gpu]
    workers: auto
  small: {ssh: small, workers: 2, labels: [gpu, old]}
  here: {popen: true}
groups:
  far: [small, big]
  all: [here, far, big]
"""


def loaded(tmp_path: Path, text: str) -> Inventory:
    path = tmp_path / "remotest.yaml"
    path.write_text(text)
    return load(path)


def refusal(tmp_path: Path, text: str) -> str:
    """Return the message without the folder of the file."""
    with pytest.raises(SpecError) as caught:
        loaded(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "")
