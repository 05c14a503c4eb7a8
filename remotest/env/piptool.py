"""pip on the controller: a resolution for one interpreter, with its own markers and tags."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.markers import default_environment
from packaging.utils import canonicalize_name, parse_wheel_filename

from remotest.env.lock import UNKNOWN_HASH, filename_in
from remotest.env.sources import local_path
from remotest.env.tools import ToolFailed, run_tool
from remotest.env.unavailable import Unavailable
from remotest.env.uv_target import release

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from remotest.env.model import Target
    from remotest.env.uvtool import Uv

SCRIPT: Final = Path(__file__).with_name("pip_for_target.py")

QUIET: Final = ("--quiet", "--no-input", "--disable-pip-version-check", "--no-color")

NETWORK_WORDS: Final = re.compile(r"Retrying \(|ConnectionError|Connection refused|timed out")
"""In what pip says where it is the network's fault: it goes on as if the index were empty."""

HASTY_ENVIRON: Final = {"PIP_RETRIES": "1"}
"""Where there is something to fall back on. Without a single retry pip would not say why."""

ENVIRON: Final = {"PIP_REQUIRE_VIRTUALENV": "0", "PIP_USER": "0", "PIP_USE_FEATURE": ""}
"""Settings for installing, which would keep pip from only resolving."""


@dataclass(frozen=True)
class Pip:
    """pip, as it is set up for a directory.

    Attributes:
        python: the beginning of a command that runs an interpreter which has pip.
        version: of it.
        directory: where it runs.
        environ: added to its environment where it asks an index; may hold passwords.
    """

    python: tuple[str | Path, ...]
    version: str
    directory: Path
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    name = "pip"

    @property
    def identity(self) -> str:
        """A text that changes when the program does."""
        return f"pip {self.version} {self.python[0]}"

    def compile(
        self,
        requirements: Sequence[str],
        constraints: Sequence[str],
        target: Target,
        staging: Path,
        *,
        only_binary: Collection[str] = (),
        hasty: bool = False,
    ) -> dict[str, Any]:
        """Resolve for one interpreter; an older version with a wheel counts more than a source.

        Args:
            requirements: PEP 508 texts.
            constraints: PEP 508 texts.
            target: the interpreter.
            staging: an empty directory to work in.
            only_binary: packages whose sources do not count.
            hasty: ask an index that does not answer once only.

        Returns:
            The lock: PEP 751 as data.

        Raises:
            Unavailable: the requirements cannot be had together, or pip failed.
        """
        (staging / "constraints.txt").write_text("\n".join(constraints), encoding="utf-8")
        (staging / "requirements.txt").write_text("\n".join(requirements), encoding="utf-8")
        report = staging / "report.json"
        options = [option for name in sorted(only_binary) for option in ("--only-binary", name)]
        description = {
            "markers": dict(target.markers),
            "tags": [str(tag) for tag in target.tags],
        }
        try:
            run_tool(
                [
                    *(*self.python, SCRIPT, "install", *QUIET, "--dry-run", "--ignore-installed"),
                    *("--python-version", release(target), "--prefer-binary", *options),
                    *("--constraint", staging / "constraints.txt"),
                    *("--requirement", staging / "requirements.txt", "--report", report),
                ],
                environ={**ENVIRON, **self.environ, **(HASTY_ENVIRON if hasty else {})},
                directory=self.directory,
                text=json.dumps(description) + "\n",
            )
        except ToolFailed as error:
            raise _explained(error, requirements) from error
        return lock_of_report(json.loads(report.read_bytes()))

    def download(self, url: str, directory: Path) -> None:
        """Bring a wheel for whatever interpreter into a directory.

        Raises:
            Unavailable: pip does not get it either.
        """
        _, _, _, tags = parse_wheel_filename(filename_in(url))
        description = {"markers": default_environment(), "tags": [str(tag) for tag in tags]}
        run_tool(
            [
                *(*self.python, SCRIPT, "download", *QUIET, "--no-deps", "--no-cache-dir"),
                *("--dest", directory, url),
            ],
            environ=ENVIRON,
            directory=self.directory,
            text=json.dumps(description) + "\n",
        )

    def build(self, source: Path, destination: Path, python: str = "") -> None:
        """Build a wheel from an archive or a directory, in isolation.

        Args:
            source: the archive or directory.
            destination: where the wheel goes.
            python: has to be empty: pip builds for the interpreter that it runs in.

        Raises:
            ToolFailed: it does not build.
        """
        assert not python
        run_tool(
            [
                *(*self.python, "-m", "pip", "wheel", *QUIET, "--no-deps"),
                *("--wheel-dir", destination, source),
            ],
            environ=ENVIRON,
            directory=destination,
        )

    def install(self, requirements: Sequence[str], destination: Path) -> None:
        """Put packages for our own interpreter into a directory.

        Args:
            requirements: PEP 508 texts.
            destination: is made, and goes on ``sys.path`` of who uses them.

        Raises:
            ToolFailed: they cannot be had.
        """
        run_tool(
            [
                *(*self.python, "-m", "pip", "install", *QUIET),
                *("--target", destination),
                *requirements,
            ],
            environ={**ENVIRON, **self.environ},
            directory=destination.parent,
        )


def find_pip(directory: Path, uv: Uv | None, environ: Mapping[str, str]) -> Pip | None:
    """Return pip as it is installed beside us, or as uv can fetch it; None without both."""
    if importlib.util.find_spec("pip") is not None:
        return Pip((sys.executable,), metadata.version("pip"), directory, environ)
    if uv is not None:
        run = (uv.path, "run", "--quiet", "--no-project", "--isolated", "--with", "pip>=23.1")
        return Pip((*run, "--python", sys.executable, "python"), "of uv", directory, environ)
    return None


def lock_of_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a lock (PEP 751 as data) with what pip's installation report says."""
    packages = [_package(item) for item in report["install"]]
    packages.sort(key=lambda package: package["name"])
    return {"lock-version": "1.0", "created-by": "pip", "packages": packages}


def _package(item: Mapping[str, Any]) -> dict[str, Any]:
    info = item["download_info"]
    package: dict[str, Any] = {
        "name": canonicalize_name(item["metadata"]["name"]),
        "version": item["metadata"]["version"],
    }
    below = {"subdirectory": info["subdirectory"]} if "subdirectory" in info else {}
    if vcs := info.get("vcs_info"):
        commit = {"type": vcs["vcs"], "url": info["url"], "commit-id": vcs["commit_id"]}
        return {**package, "vcs": {**commit, **below}}
    if "dir_info" in info:
        return {**package, "directory": {"path": str(local_path(info["url"])), **below}}
    filename = filename_in(info["url"])
    hashes = info["archive_info"].get("hashes") or {UNKNOWN_HASH: ""}
    file = {"url": info["url"], "hashes": hashes}
    if filename.endswith(".whl"):
        return {**package, "wheels": [{"name": filename, **file}]}
    return {**package, "archive": {**file, **below}}


def _explained(error: ToolFailed, requirements: Sequence[str]) -> Unavailable:
    said = [
        line.removeprefix("ERROR: ").strip()
        for line in error.words.splitlines()
        if line.startswith(("ERROR: ", "this pip"))
    ]
    asked = ", ".join(requirements)
    if NETWORK_WORDS.search(error.words):
        return Unavailable(
            f"pip could not resolve {asked}: {said[0] if said else error.cause}",
            remedy="see whether the package index can be reached from here",
            is_network=True,
        )
    return Unavailable(
        f"pip finds no versions for {asked}: {' '.join(said[:2]) or error.cause}",
        remedy="loosen a requirement, or give it a marker that leaves this interpreter out",
    )
