"""Wheels that are built on a host: what each is built of, and with what."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from remotest.env.backend import find_backend
from remotest.env.locks import Wish, digest
from remotest.env.model import HostBuild, Wanted
from remotest.env.project_sources import compiled_content, pack
from remotest.env.unavailable import Unavailable
from remotest.env.wheelcache import BUILDS, hash_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from remotest.env.build import Builder
    from remotest.env.lock import Artifact
    from remotest.env.locks import Choice, Locks
    from remotest.env.model import CompiledProject, Source, Target, Wheel
    from remotest.env.toolbox import Toolbox
    from remotest.env.wheelcache import WheelCache

SCHEMA: Final = 1
"""Raised with every change of how something is built: what was built before is then not used."""

SCM_VERSION: Final = "SETUPTOOLS_SCM_PRETEND_VERSION"
"""Tells the version to backends that would ask git, whose history stays here."""


class HostBuilds:
    """Makes builds for one resolution, with its cache, tools and locks.

    Args:
        builder: has sources on this machine.
        bring: gives the wheels of a choice for an interpreter. Raises Unavailable.
    """

    def __init__(
        self,
        cache: WheelCache,
        tools: Toolbox,
        locks: Locks,
        builder: Builder,
        bring: Callable[[Choice, Target], tuple[Wheel, ...]],
    ) -> None:
        self._cache = cache
        self._tools = tools
        self._locks = locks
        self._builder = builder
        self._bring = bring

    def of_artifact(self, artifact: Artifact, target: Target, reason: str) -> HostBuild:
        """Return the build of a package that has no wheel for an interpreter.

        Args:
            artifact: its source.
            target: the interpreter.
            reason: why there is no wheel.

        Raises:
            Unavailable: the source, or what it is built with, cannot be had.
        """
        source = self._source_of(artifact)
        return self._build(
            source,
            source.sha256,
            target,
            name=artifact.name,
            version=artifact.version,
            is_exact=True,
            reason=reason,
        )

    def of_project(self, project: CompiledProject, target: Target) -> HostBuild:
        """Return the build of a project of the tree, as it is now.

        Raises:
            Unavailable: the project, or what it is built with, cannot be had.
        """
        content = compiled_content(project.directory)
        return self._build(
            self._packed(project.directory, content),
            content,
            target,
            name=project.name,
            version=project.version,
            is_exact=False,  # A backend may tell another one where there is no history.
            reason=project.reason,
        )

    def _build(
        self,
        source: Source,
        content: str,
        target: Target,
        *,
        name: str,
        version: str,
        is_exact: bool,
        reason: str,
    ) -> HostBuild:
        backend = find_backend(source, content, self._cache, self._tools)
        title = f"{name} {version}".rstrip()
        wheels = self._requires(title, backend.requires, target) if backend.requires else ()
        digests = sorted(wheel.sha256 for wheel in wheels)
        parts = [SCHEMA, target.build, name, content, digests]
        return HostBuild(
            name=name,
            version=version,
            is_exact=is_exact,
            key=hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest(),
            source=source,
            backend=backend.name,
            backend_path=backend.path,
            requires=wheels,
            variables={SCM_VERSION: version} if version else {},
            reason=reason,
            notes=backend.notes,
        )

    def _requires(
        self, title: str, requirements: tuple[str, ...], target: Target
    ) -> tuple[Wheel, ...]:
        try:
            wish = Wish.of(Wanted(source=title, requirements=requirements), ())
            choice = self._locks.choose(wish, {"": target})[""]
            if isinstance(choice, Unavailable):
                raise choice
            return self._bring(choice, target)
        except Unavailable as error:
            raise Unavailable(
                f"what {title} is built with cannot be had: {error.cause}",
                remedy=error.remedy,
                is_network=error.is_network,
            ) from error

    def _source_of(self, artifact: Artifact) -> Source:
        sha256 = artifact.hashes.get("sha256")
        known = self._cache.find_source(sha256, artifact.filename) if sha256 else None
        if known is not None:
            return known
        with self._cache.staging() as staging:
            path = self._builder.source(artifact, staging)
            if path.is_dir():
                path = pack(path, staging / f"{artifact.name}.tar")
            return self._cache.adopt_source(path, hash_file(path))

    def _packed(self, directory: Path, content: str) -> Source:
        """Return a project as an archive; one of before, if only Python files were edited since."""
        key = digest("project", content)
        if record := self._cache.recall(BUILDS, key):
            known = self._cache.find_source(*record.content)
            if known is not None:
                return known
        with self._cache.staging() as staging:
            path = pack(directory, staging / "project.tar")
            source = self._cache.adopt_source(path, hash_file(path))
        self._cache.remember(BUILDS, key, [source.sha256, source.filename])
        return source


def to_row(build: HostBuild) -> dict[str, Any]:
    """Return a build as JSON can hold it, without the files themselves."""
    return {
        "name": build.name,
        "version": build.version,
        "is_exact": build.is_exact,
        "key": build.key,
        "source": [build.source.sha256, build.source.filename],
        "backend": build.backend,
        "backend_path": list(build.backend_path),
        "requires": [[wheel.sha256, wheel.filename] for wheel in build.requires],
        "variables": dict(build.variables),
        "reason": build.reason,
        "notes": list(build.notes),
    }


def from_row(row: Mapping[str, Any], cache: WheelCache) -> HostBuild | None:
    """Return the build that ``to_row`` was given; None where a file of it is gone."""
    source = cache.find_source(*row["source"])
    requires = [wheel for one in row["requires"] if (wheel := cache.find(*one))]
    if source is None or len(requires) < len(row["requires"]):
        return None
    return HostBuild(
        name=row["name"],
        version=row["version"],
        is_exact=row["is_exact"],
        key=row["key"],
        source=source,
        backend=row["backend"],
        backend_path=tuple(row["backend_path"]),
        requires=tuple(requires),
        variables=row["variables"],
        reason=row["reason"],
        notes=tuple(row["notes"]),
    )
