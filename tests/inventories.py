"""Inventory files for tests: one with three hosts, and what becomes of any text as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

from remotest.errors import SpecError
from remotest.inventory import Inventory, load

_SCHEMA_PATH: Final = Path(__file__).parents[1] / "remotest" / "inventory.schema.json"
SCHEMA: Final[dict[str, Any]] = json.loads(_SCHEMA_PATH.read_text())

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


def is_valid_by_schema(text: str) -> bool:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(document))
