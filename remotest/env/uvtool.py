"""uv on the controller: one resolution for all interpreters, exports of its locks, builds."""

from __future__ import annotations

import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from remotest.env.tools import ToolFailed, run_tool
from remotest.env.unavailable import Unavailable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

QUIET: Final = ("--quiet", "--no-progress", "--color=never", "--no-python-downloads")
"""Nothing of uv's is for the screen; an interpreter that is only resolved for is not fetched."""

NO_SOLUTION: Final = 1
"""uv's exit code where requirements contradict each other; others are faults on the way."""

OFFLINE_WORDS: Final = "the network was disabled"

HASTY_ENVIRON: Final = {"UV_HTTP_RETRIES": "0"}
"""Where there is something to fall back on."""

WORDS_CHARS: Final = 400
"""How much of uv's explanation an error repeats: its first and last conclusions."""


@dataclass(frozen=True)
class Uv:
    """uv, as it is set up for a directory.

    Attributes:
        path: the program.
        directory: where it runs, which decides what settings it finds.
        environ: added to its environment; may hold passwords.
    """

    path: Path
    directory: Path
    environ: Mapping[str, str] = field(repr=False)

    name = "uv"

    @property
    def identity(self) -> str:
        """A text that changes when the program does."""
        status = self.path.stat()
        return f"uv {self.path} {status.st_size} {status.st_mtime_ns}"

    def compile(
        self,
        requirements: Sequence[str],
        constraints: Sequence[str],
        python: str,
        staging: Path,
        *,
        platform: str | None = None,
        only_binary: Collection[str] = (),
        hasty: bool = False,
    ) -> dict[str, Any]:
        """Resolve for every platform and every interpreter from ``python`` on, or for one.

        Args:
            requirements: PEP 508 texts.
            constraints: PEP 508 texts.
            python: a version, ``3.6``.
            staging: an empty directory to work in.
            platform: of ``uv_platform``: for this one and exactly ``python``.
            only_binary: packages whose sources do not count.
            hasty: ask an index that does not answer once only.

        Returns:
            The lock: PEP 751 as data.

        Raises:
            Unavailable: the requirements cannot be had together, or uv failed.
        """
        scope = ["--universal"] if platform is None else ["--python-platform", platform]
        scope += [option for name in sorted(only_binary) for option in ("--only-binary", name)]
        constraints_file = staging / "constraints.txt"
        constraints_file.write_text("\n".join(constraints), encoding="utf-8")
        try:
            text = run_tool(
                [
                    *(self.path, "pip", "compile", *QUIET, "--python", sys.executable),
                    *(*scope, "--python-version", python, "--format", "pylock.toml"),
                    *("--no-header", "--no-annotate", "--constraints", constraints_file, "-"),
                ],
                environ={**self.environ, **(HASTY_ENVIRON if hasty else {})},
                directory=self.directory,
                text="\n".join(requirements) + "\n",
            )
        except ToolFailed as error:
            raise _explained(error, requirements) from error
        lock: dict[str, Any] = tomllib.loads(text)
        # It would shut out a preview of the very version.
        lock.pop("requires-python", None)
        return lock

    def export(
        self, lock: Path, groups: Collection[str], extras: Collection[str], package: str = ""
    ) -> dict[str, Any]:
        """Return a ``uv.lock`` as PEP 751 data. Paths in it start at the lock's directory.

        Args:
            lock: beside the project, or the workspace, that it is for.
            groups: to take beside what the project needs; its default ones where empty.
            extras: to take.
            package: the member of the workspace that this is for; the project itself where empty.

        Raises:
            Unavailable: uv cannot read it, or it lacks a group or extra.
        """
        options = [option for group in groups for option in ("--group", group)]
        options += [option for extra in extras for option in ("--extra", extra)]
        if groups:
            options.append("--no-default-groups")
        options += ["--package", package] if package else []
        try:
            text = run_tool(
                [
                    *(self.path, "export", *QUIET, "--python", sys.executable, "--frozen"),
                    *("--no-emit-project", "--no-header", "--no-annotate"),
                    *("--format", "pylock.toml", "--project", str(lock.parent), *options),
                ],
                environ=self.environ,
                directory=lock.parent,
            )
        except ToolFailed as error:
            raise Unavailable(
                f"uv cannot export {lock}: {first_cause(error.words)}",
                remedy="run uv lock, and see which groups and extras pyproject.toml has",
            ) from error
        document: dict[str, Any] = tomllib.loads(text)
        return document

    def build(self, source: Path, destination: Path, python: str = "") -> None:
        """Build a wheel from an archive or a directory, in isolation.

        Args:
            source: the archive or directory.
            destination: where the wheel goes.
            python: ``pypy3.9``: an interpreter of this machine; our own where it is empty.

        Raises:
            ToolFailed: it does not build, or there is no such interpreter.
        """
        run_tool(
            [
                *(self.path, "build", *QUIET, "--wheel", "--no-create-gitignore"),
                *("--python", python or sys.executable, "--out-dir", destination, source),
            ],
            environ=self.environ,
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
                *(self.path, "pip", "install", *QUIET, "--python", sys.executable),
                *("--target", destination),
                *requirements,
            ],
            environ=self.environ,
            directory=destination.parent,
        )


def find_uv(directory: Path, environ: Mapping[str, str]) -> Uv | None:
    """Return uv as found on PATH or installed beside us, None where there is none."""
    found = shutil.which("uv")
    if found is None:
        try:
            import uv  # noqa: PLC0415  an optional package

            found = uv.find_uv_bin()
        except (ImportError, FileNotFoundError):
            return None
    return Uv(Path(found), directory, environ)


def first_cause(words: str) -> str:
    """Return what uv says at first, in one line, without its warnings and hints."""
    body = re.split(r"\n\s*\n?hint:", words)[0]
    causes = re.findall(r"^\s*cause: (.*?)(?=^\s*cause:|\Z)", body, re.MULTILINE | re.DOTALL)
    errors = re.findall(r"^error: (.*)", body, re.MULTILINE)
    said = causes[:1] or errors[:1] or body.strip().splitlines()[-1:]
    return " ".join(" ".join(said).split()) or "it says nothing"


def _explained(error: ToolFailed, requirements: Sequence[str]) -> Unavailable:
    """Make uv's explanation, of up to a hundred lines, one sentence."""
    cause = first_cause(error.words)
    if error.code != NO_SOLUTION or OFFLINE_WORDS in error.words:
        return Unavailable(
            f"uv could not resolve {len(requirements)} requirements: {shortened(cause)}",
            remedy="see whether the package index can be reached from here",
            is_network=True,
        )
    blamed = blamed_requirements(cause, requirements)
    return Unavailable(
        f"no versions satisfy {', '.join(blamed)}: {shortened(cause)}",
        remedy="loosen that requirement, or give it a marker that leaves this interpreter out",
    )


def blamed_requirements(words: str, requirements: Sequence[str]) -> list[str]:
    """Return the requirements that uv names as what we require; all, where it names none."""
    names = set(re.findall(r"you require ([A-Za-z0-9._-]+)", words))
    names |= set(re.findall(r"you require [^.]*? and ([A-Za-z0-9._-]+)", words))
    named = [text for text in requirements if re.split(r"[^A-Za-z0-9._-]", text)[0] in names]
    return named or list(requirements)


def shortened(words: str) -> str:
    """Return the beginning and the end of what is too long to read."""
    if len(words) <= WORDS_CHARS:
        return words
    half = WORDS_CHARS // 2
    return f"{words[:half].rstrip()} ... {words[-half:].lstrip()}"
