"""Wheels made by hand: no build backend, no network."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import textwrap
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from remotest.env.model import Wheel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass
class Draft:
    """A wheel to be written. A test may change any of it, also to what no wheel may be.

    ``files`` has texts or bytes by path in the archive. ``record`` is made of them, unless it is
    given. ``modes`` has the modes of files that are not plain, ``overrides`` other texts for files
    of the metadata.
    """

    name: str = "demo"
    version: str = "1.0"
    tag: str = "py3-none-any"
    files: dict[str, str | bytes] = field(default_factory=dict)
    entry_points: str = ""
    modes: dict[str, int] = field(default_factory=dict)
    overrides: dict[str, str] = field(default_factory=dict)
    record: bytes | None = None
    pure: bool = True

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}-{self.tag}.whl"

    @property
    def dist_info(self) -> str:
        return f"{self.name}-{self.version}.dist-info"

    @property
    def data(self) -> str:
        return f"{self.name}-{self.version}.data"

    def contents(self) -> dict[str, bytes]:
        """Return the bytes of all files by path, without RECORD."""
        texts: dict[str, str | bytes] = {
            **self.files,
            f"{self.dist_info}/METADATA": (
                f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
            ),
            f"{self.dist_info}/WHEEL": (
                "Wheel-Version: 1.0\nGenerator: by hand\n"
                f"Root-Is-Purelib: {str(self.pure).lower()}\nTag: {self.tag}\n"
            ),
        }
        texts.update((f"{self.dist_info}/{name}", text) for name, text in self.overrides.items())
        if self.entry_points:
            texts[f"{self.dist_info}/entry_points.txt"] = textwrap.dedent(self.entry_points)
        return {
            path: textwrap.dedent(text).encode() if isinstance(text, str) else text
            for path, text in texts.items()
        }

    def made_record(self) -> bytes:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows(
            (path, record_hash(data), len(data)) for path, data in self.contents().items()
        )
        writer.writerow((f"{self.dist_info}/RECORD", "", ""))
        return stream.getvalue().encode()

    def write(self, folder: Path) -> Wheel:
        """Write the wheel into a folder of its digest, as the controller's cache has it."""
        path = folder / self.filename
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            record = self.made_record() if self.record is None else self.record
            contents: Mapping[str, bytes] = {**self.contents(), f"{self.dist_info}/RECORD": record}
            for name, data in contents.items():
                info = zipfile.ZipInfo(name)
                info.external_attr = self.modes.get(name, 0o100644) << 16
                archive.writestr(info, data, zipfile.ZIP_DEFLATED)
        return as_wheel(path, self.name, self.version)


def record_hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"sha256={digest}"


def as_wheel(path: Path, name: str, version: str) -> Wheel:
    data = path.read_bytes()
    return Wheel(
        name=name,
        version=version,
        filename=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        path=path,
    )
