"""What names an environment. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from remotest.env.model import Target

SCHEMA: Final = 1
"""Raised with every change of how an environment is built: those built before are then not used."""

KEY_CHARS: Final = 32
"""Of a sha256 in hex: 128 bits are no coincidence, and a folder's name stays readable."""


def environment_key(target: Target, digests: Iterable[str]) -> str:
    """Return the name of the environment that holds these wheels (sha256, hex) for a target.

    The project is no part of it, so that no edit of it rebuilds an environment.
    """
    parts = [SCHEMA, target.build, sorted(set(digests))]
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()[:KEY_CHARS]
