"""Reading what editable installs put into directories of ``sys.path``."""

from __future__ import annotations

import os
from importlib.metadata import Distribution, PathDistribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final

from remotest.env.project_editable import (
    PURE_WHEEL,
    Editable,
    dist_info,
    headers_of,
    with_record,
)
from remotest.env.project_paths import project_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TEXT_BYTES_MAX: Final = 1_000_000
"""Of a file that is installed beside the project: import hooks are a hundredth of it. What is
larger is data, and files of an overlay are not the way for data."""

_METADATA_AS_IT_IS: Final = ("entry_points.txt", "top_level.txt", "WHEEL", "direct_url.json")


def installed_editables(search_path: Sequence[str]) -> dict[str, Editable]:
    """Return the editable installs that a ``sys.path`` leads to, by their real directories."""
    found: dict[str, Editable] = {}
    for distribution in distributions(path=list(search_path)):
        if directory := _directory_of(distribution):
            found.setdefault(directory, _read(distribution, directory))
    for sources, egg_info in _developed(search_path):
        directory = _project_around(sources)
        found.setdefault(directory, _read_developed(directory, sources, egg_info))
    return found


def editable_in(site_packages: Path, directory: str) -> Editable | None:
    """Return the editable install in a directory, None if there is none.

    Args:
        site_packages: with this distribution only.
        directory: absolute path of the project that was installed.
    """
    found = list(distributions(path=[str(site_packages)]))
    return _read(found[0], directory) if found else None


def _directory_of(distribution: Distribution) -> str | None:
    """Return the real path of a project that is installed in place, None for another."""
    path = project_of(distribution.read_text("direct_url.json") or "")
    return None if path is None else os.path.realpath(path)


def _read(distribution: Distribution, directory: str) -> Editable:
    name, version = distribution.metadata["Name"], distribution.version
    folder = dist_info(name, version)
    files = {f"{folder}/METADATA": headers_of(distribution.read_text("METADATA") or "")}
    for part in _METADATA_AS_IT_IS:
        if text := distribution.read_text(part):
            files[f"{folder}/{part}"] = text
    notes = []
    for path in distribution.files or ():
        top = path.parts[0]
        # Scripts are made on the host, from the entry points.
        if top in ("..", "bin") or top.startswith(".") or top.endswith(".dist-info"):
            continue
        text = _read_text(Path(str(path.locate())))
        if text is not None:
            files[path.as_posix()] = text
        elif path.suffix != ".pyc":
            notes.append(f"{path} of {name} is no text, so it stays here")
    return Editable(
        directory=directory, name=name, files=with_record(files, folder), notes=tuple(notes)
    )


def _read_text(path: Path) -> str | None:
    """Return a text file's content, None if it is none, too large or gone."""
    try:
        content = path.read_bytes() if path.stat().st_size <= TEXT_BYTES_MAX else b"\0"
        return None if b"\0" in content else content.decode()
    except (OSError, UnicodeDecodeError):
        return None


# -- setup.py develop ------------------------------------------------------------------------


def _developed(search_path: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield (directory of sources, egg-info) of what ``setup.py develop`` installed."""
    for entry in search_path:
        for link in sorted(Path(entry).glob("*.egg-link")):
            sources = link.read_text().partition("\n")[0].strip()
            egg_info = Path(sources, link.stem.replace("-", "_") + ".egg-info")
            if egg_info.is_dir():
                yield os.path.realpath(sources), egg_info


def _project_around(sources: str) -> str:
    """Return the directory that holds the setup.py of a directory of sources."""
    around = (Path(sources), *Path(sources).parents)
    return str(next((path for path in around if (path / "setup.py").exists()), sources))


def _read_developed(directory: str, sources: str, egg_info: Path) -> Editable:
    distribution = PathDistribution(egg_info)
    name = distribution.metadata["Name"]
    folder = dist_info(name, distribution.version)
    metadata = distribution.read_text("PKG-INFO") or ""
    requires = () if "\nRequires-Dist:" in metadata else distribution.requires or ()
    files = {
        f"{folder}/METADATA": headers_of(metadata, requires),
        f"{folder}/WHEEL": PURE_WHEEL,
        f"__editable__.{folder.removesuffix('.dist-info')}.pth": f"{sources}\n",
    }
    for part in ("entry_points.txt", "top_level.txt"):
        if text := distribution.read_text(part):
            files[f"{folder}/{part}"] = text
    return Editable(directory=directory, name=name, files=with_record(files, folder))
