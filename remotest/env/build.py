"""Packages without a fitting wheel: built here where that can be, and kept."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from remotest.env.fetch import basic_authorization
from remotest.env.lock import Artifact, interpreter_title
from remotest.env.project_build import reason_in
from remotest.env.sources import content, local_path
from remotest.env.tools import ToolFailed, run_tool
from remotest.env.unavailable import Unavailable, Unfit
from remotest.env.wheelcache import BUILDS, hash_file

if TYPE_CHECKING:
    from pathlib import Path

    from remotest.env.model import Target, Wheel
    from remotest.env.toolbox import Toolbox
    from remotest.env.wheelcache import WheelCache


REMEDY: Final = (
    "require a version that has a wheel for it, or give an index that has one, or have it built on "
    "the host with wheels=remote, if a compiler is there"
)


class Builder:
    """Builds for one resolution, one source after the other, and each once."""

    def __init__(self, cache: WheelCache, tools: Toolbox) -> None:
        self._cache = cache
        self._tools = tools

    def wheel(self, artifact: Artifact, target: Target) -> Wheel:
        """Return the wheel that a source gives for any interpreter, if the target can have it.

        Raises:
            Unfit: it gives a wheel for other interpreters.
            Unavailable: it does not build.
        """
        if artifact.platform_wheels:
            raise _unfit(artifact, target, "has wheels for other interpreters only")
        wheel = self._known(artifact) or self._build(artifact, target)
        tags = parse_wheel_filename(wheel.filename)[3] & set(target.tags)
        if not any(tag.platform == "any" for tag in tags):
            raise _unfit(artifact, target, f"has no wheel, and its source gives {wheel.filename}")
        return wheel

    def platform_wheel(self, artifact: Artifact, target: Target) -> Wheel:
        """Return the wheel that a source gives with an interpreter of this machine like the target.

        What is built needs this machine's libc: the target's has to be as new.

        Raises:
            Unavailable: there is no such interpreter, or it does not build with it.
        """
        uv = self._tools.uv
        here = next(sys_tags()).platform
        if uv is None or all(tag.platform != here for tag in target.tags):
            raise _unfit(artifact, target, "has no wheel")
        markers = target.markers
        python = f"{markers['implementation_name']}{markers['python_version']}"
        wheel = self._known(artifact, python) or self._build(artifact, target, python)
        if not parse_wheel_filename(wheel.filename)[3] & set(target.tags):
            raise _unfit(artifact, target, f"has no wheel, and its source gives {wheel.filename}")
        return wheel

    def _known(self, artifact: Artifact, python: str = "") -> Wheel | None:
        record = self._cache.recall(BUILDS, _key(artifact, python))
        return None if record is None else self._cache.find(*record.content)

    def _build(self, artifact: Artifact, target: Target, python: str = "") -> Wheel:
        """Build with an interpreter of this name, with our own where it is empty."""
        tool = self._tools.resolver
        with self._cache.staging() as staging:
            (staging / "wheels").mkdir()
            source = self.source(artifact, staging)
            try:
                tool.build(source, staging / "wheels", python)
            except ToolFailed as error:
                raise Unavailable(
                    f"{artifact.title} has no wheel for {interpreter_title(target)}, and its "
                    f"source does not build here: {reason_in(error.words)}",
                    remedy=REMEDY,
                ) from error
            built = list((staging / "wheels").glob("*.whl"))
            if len(built) != 1:
                raise Unavailable(f"the source of {artifact.title} gives {len(built)} wheels")
            sha256 = hash_file(built[0])
            wheel = self._cache.adopt(built[0], sha256)
        self._cache.remember(BUILDS, _key(artifact, python), [sha256, wheel.filename])
        return wheel

    def source(self, artifact: Artifact, staging: Path) -> Path:
        """Return what to build from: an archive or a directory, in ``staging`` or the user's own.

        Raises:
            Unavailable: it cannot be had.
        """
        if artifact.kind == "directory":
            path = local_path(artifact.url)
            assert path is not None, "directories are on this machine"
        elif artifact.kind == "vcs":
            path = staging / "repository"
            environ = self._git_environ(artifact.url)
            for command in (
                ("git", "clone", "--quiet", "--no-checkout", artifact.url, path),
                ("git", "-C", path, "checkout", "--quiet", "--detach", artifact.commit),
            ):
                run_tool(command, environ=environ, directory=staging)
        else:
            return self._tools.fetcher.file(artifact, staging)
        return path / artifact.subdirectory

    def _git_environ(self, url: str) -> dict[str, str]:
        """Return what lets git be who we are at a server, and ask nobody."""
        environ = {"GIT_TERMINAL_PROMPT": "0"}
        if login := self._tools.fetcher.login(url):
            parts = urlsplit(url)
            environ["GIT_CONFIG_COUNT"] = "1"
            environ["GIT_CONFIG_KEY_0"] = f"http.{parts.scheme}://{parts.netloc}/.extraHeader"
            environ["GIT_CONFIG_VALUE_0"] = f"Authorization: {basic_authorization(login)}"
        return environ


def _key(artifact: Artifact, python: str) -> str:
    """Return what names the source's content, and what it is built with.

    Raises:
        Unavailable: it cannot be read.
    """
    if artifact.kind == "directory":
        path = local_path(artifact.url)
        assert path is not None, "directories are on this machine"
        what = content(path)
    else:
        what = artifact.commit or artifact.hashes.get("sha256") or artifact.url
    return hashlib.sha256(f"{what} {artifact.subdirectory} {python}".encode()).hexdigest()


def _unfit(artifact: Artifact, target: Target, what: str) -> Unfit:
    return Unfit(
        artifact.name,
        f"{artifact.title} {what}: {interpreter_title(target)} wants {target.tags[0]}",
        remedy=REMEDY,
    )
