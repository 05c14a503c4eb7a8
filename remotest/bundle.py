"""What travels, as text: the modules of ``pytest_remotest``."""

from __future__ import annotations

import functools
import importlib.resources
import json
import zlib
from typing import TYPE_CHECKING, Final

import pytest_remotest
from pytest_remotest import loader

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE: Final = pytest_remotest.__name__
LOADER: Final = f"{PACKAGE}.loader"
SUPERVISE: Final = f"{PACKAGE}.supervise"
BYTECODE: Final = f"{PACKAGE}.bytecode"
PLACES: Final = f"{PACKAGE}.cacheplaces"


@functools.cache
def read_bundle() -> Mapping[str, str]:
    """Return the sources of all modules that travel, by module name.

    Where this process is a worker itself, whose suite runs pytest, they are what it was sent.
    """
    bundle = loader.bundle()
    if bundle:
        return bundle
    for file in importlib.resources.files(PACKAGE).iterdir():
        stem, _, suffix = file.name.partition(".")
        if suffix == "py":
            name = PACKAGE if stem == "__init__" else f"{PACKAGE}.{stem}"
            bundle[name] = file.read_text(encoding="utf-8")
    return bundle


def pack_bundle(bundle: Mapping[str, str]) -> bytes:
    """Return a bundle as the loader on a host expects it, and hands it on.

    It is compressed: a connection that is new takes a round trip for each doubling of what it has
    sent.
    """
    return _compressed(json.dumps(bundle, sort_keys=True).encode("ascii"))


@functools.lru_cache(maxsize=1)  # All hosts of a run get the same.
def _compressed(data: bytes) -> bytes:
    return zlib.compress(data)
