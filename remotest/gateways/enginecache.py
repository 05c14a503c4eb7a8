"""execnet's engine as it travels, kept on this machine: to make it takes 50 ms of every start."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import uuid
from typing import TYPE_CHECKING

from execnet import gateway_base

from remotest.gateways import downlevel

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_MODE = 0o700


def engine_source(root: Path) -> str:
    """Return the source of ``downlevel.engine_source``, from a cache if it is there and whole.

    Args:
        root: of the cache. Where nothing can be written there, the source is made each time.
    """
    origin = inspect.getsource(gateway_base) + inspect.getsource(downlevel)
    path = root / f"engine-{_digest(origin)[:16]}.py"
    with contextlib.suppress(OSError, ValueError):
        digest, _, source = path.read_text(encoding="utf-8").partition("\n")
        if digest == f"# {_digest(source)}":
            return source
    source = downlevel.engine_source()
    with contextlib.suppress(OSError):
        root.mkdir(PRIVATE_MODE, parents=True, exist_ok=True)
        new = path.with_suffix(f".{uuid.uuid4().hex}")
        try:
            new.write_text(f"# {_digest(source)}\n{source}", encoding="utf-8")
            new.replace(path)
        except OSError:  # A disk that is full has room for a part.
            new.unlink(missing_ok=True)
    return source


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
