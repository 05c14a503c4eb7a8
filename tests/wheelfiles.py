"""Wheels that a test writes itself, and a directory of them as a package index."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from typing import TYPE_CHECKING

from remotest.env.model import Wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def make(
    directory: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Iterable[str] = (),
    files: Mapping[str, str] | None = None,
) -> Path:
    """Write a wheel for any interpreter into a directory; return its path.

    Args:
        directory: is made where it is missing.
        name: of the distribution, and of its only module unless there are files.
        version: of it.
        requires: its ``Requires-Dist``.
        extras: its ``Provides-Extra``.
        files: texts by path.
    """
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {text}" for text in requires]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    metadata = f"{name}-{version}.dist-info"
    contents = dict(files if files is not None else {f"{name}.py": f"VERSION = {version!r}\n"})
    contents[f"{metadata}/METADATA"] = "\n".join([*lines, "", ""])
    contents[f"{metadata}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = "".join(f"{path},{_digest(text)}\n" for path, text in contents.items())
    contents[f"{metadata}/RECORD"] = f"{record}{metadata}/RECORD,,\n"
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return wheel


def wheel(path: Path) -> Wheel:
    """Return a wheel's file as the controller's cache would have it."""
    name, version, *_ = path.name.split("-")
    content = path.read_bytes()
    return Wheel(
        name=name,
        version=version,
        filename=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        path=path,
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},{len(text.encode())}"
