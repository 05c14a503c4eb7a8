"""A project as an editable install has it, however that came about. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PURE_WHEEL: Final = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
"""The WHEEL file of what was not installed from a wheel."""

_HEADERS_LEFT_OUT: Final = frozenset(("description", "description-content-type"))


@dataclass(frozen=True, kw_only=True)
class Editable:
    """A project as it is installed in its own directory.

    Attributes:
        directory: absolute, real path of the project.
        name: as the project writes it.
        files: text by name below site-packages, dist-info included, with paths of this machine.
        notes: what the user should hear of it, one line each.
    """

    directory: str
    name: str
    files: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Its version, as its metadata have it; empty where they have none."""
        for name, text in self.files.items():
            if name.endswith("/METADATA"):
                found = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
                return found[1] if found else ""
        return ""

    @property
    def is_pure(self) -> bool:
        """Whether its wheel is for any interpreter: nothing in it is compiled."""
        wheels = (text for name, text in self.files.items() if name.endswith("/WHEEL"))
        tags = [line for text in wheels for line in text.splitlines() if line.startswith("Tag:")]
        return bool(tags) and all(tag.rstrip().endswith("-none-any") for tag in tags)


def dist_info(name: str, version: str) -> str:
    """Return the name of a distribution's directory in site-packages."""
    parts = (re.sub(r"[-_.]+", "_", name), version.replace("-", "_"))
    return "-".join(parts) + ".dist-info"


def with_record(files: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return the files of a distribution with the RECORD that lists them."""
    record = f"{folder}/RECORD"
    return {**files, record: "".join(f"{name},,\n" for name in [*files, record])}


def headers_of(metadata: str, requires: Iterable[str] = ()) -> str:
    """Return a METADATA text without the project's description, which may be long.

    Args:
        metadata: METADATA or PKG-INFO.
        requires: PEP 508 texts that it leaves to another file.
    """
    kept: list[str] = []
    keeps = True
    for line in metadata.splitlines():
        if not line:
            break
        if line[0] not in " \t":
            keeps = line.partition(":")[0].lower() not in _HEADERS_LEFT_OUT
        if keeps:
            kept.append(line)
    kept += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "".join(f"{line}\n" for line in kept)
