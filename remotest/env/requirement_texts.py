"""Requirements as texts of PEP 508: URLs get their names, paths become absolute. Pure."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from remotest.env.unavailable import Unavailable

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_FRAGMENT: Final = re.compile(r"(?:^|&)(egg|subdirectory)=([^&]*)")
_MARKED_URL: Final = re.compile(r"(?P<url>\S+)(?:\s+;\s*(?P<marker>.+))?")


def checked(text: str, base: Path, place: str) -> str:
    """Return a requirement of a project's settings with absolute paths.

    Args:
        text: PEP 508, perhaps with a path that is relative, or begins as hatch and pdm write it.
        base: the directory of the settings.
        place: names it in errors.

    Raises:
        Unavailable: it is no requirement.
    """
    named = text.replace("{root:uri}", base.as_uri()).replace("{root}", str(base))
    named = named.replace("/${PROJECT_ROOT}", str(base))
    try:
        requirement = Requirement(named)
    except InvalidRequirement as error:
        raise Unavailable(
            f"{place}: {text!r} is no requirement: {str(error).splitlines()[0]}",
            remedy="write it as PEP 508 says: name[extra]>=1.0; marker",
        ) from error
    url = requirement.url
    if url is not None and (not _SCHEME.match(url) or url.startswith("file:")):
        requirement.url = path_of(url, base).as_uri()
        return str(requirement)
    return named


def path_of(text: str, base: Path) -> Path:
    """Return the absolute path of a path, or of a ``file:`` URL, relative ones below ``base``.

    Raises:
        Unavailable: no path can be so.
    """
    try:
        if text.startswith("file:"):
            text = url2pathname(urlsplit(text.partition("#")[0]).path) or "."
        if text.startswith("~/"):
            text = str(Path.home() / text[2:])
        return Path(os.path.realpath(base / text))
    except ValueError as error:
        raise Unavailable(f"{text!r} is no path: {error}") from error


def name_url(text: str, place: str) -> str:
    """Return ``name @ URL`` for a URL that stands alone, as requirements files have it.

    The name is what ``#egg=`` says, or the name of a wheel or sdist.

    Raises:
        Unavailable: nothing tells the name.
    """
    match = _MARKED_URL.fullmatch(text)
    url, _, fragment = match["url"].partition("#") if match is not None else ("", "", "")
    parts = dict(_FRAGMENT.findall(fragment))
    name = unquote(parts.get("egg", "")) or _name_of_file(url.rpartition("/")[2])
    if match is None or not name:
        raise Unavailable(
            f"{place}: what {without_credentials(text)!r} is called cannot be told",
            remedy="write it as 'name @ URL'",
        )
    rest = f"#subdirectory={parts['subdirectory']}" if "subdirectory" in parts else ""
    return with_marker(f"{name} @ {url}{rest}", match["marker"] or "")


def without_credentials(url: str) -> str:
    """Return a URL without user and password."""
    return re.sub(r"//[^/@]*@", "//", url)


def with_marker(text: str, marker: str) -> str:
    """Return a requirement under a further condition.

    Raises:
        Unavailable: it is no requirement.
    """
    if not marker:
        return text
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise Unavailable(f"{text!r} is no requirement: {str(error).splitlines()[0]}") from error
    if requirement.marker is None:
        return f"{text} ; {marker}"
    conditions = f"({requirement.marker}) and ({marker})"
    requirement.marker = None
    return f"{requirement} ; {conditions}"


def _name_of_file(filename: str) -> str:
    try:
        return str(parse_wheel_filename(unquote(filename))[0])
    except InvalidWheelFilename:
        pass
    try:
        return str(parse_sdist_filename(unquote(filename))[0])
    except InvalidSdistFilename:
        return ""
