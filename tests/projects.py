"""Small projects that a test writes, and commands typed in them as a user does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMAND_TIMEOUT_S: Final = 100
"""Below the limit of a test, so that a command that hangs is shown with its output."""

COLUMNS: Final = 100

_DISTURBS: Final = re.compile(r"CI$|PYTEST_|COV_")  # variables of the tests' own pytest


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command printed, both streams as they came, and its exit status."""

    status: int
    output: str

    @property
    def lines(self) -> list[str]:
        """The lines, without blanks at their ends."""
        return [line.rstrip() for line in self.output.splitlines()]

    def section(self, title: str) -> list[str]:
        """Return the lines below a heading such as ``=== environments ===``, up to the next."""
        lines = self.lines
        heading = re.compile(rf"([=_-])\1+ {re.escape(title)} \1+")
        starts = [number for number, line in enumerate(lines) if heading.fullmatch(line)]
        assert starts, f"no section {title!r} in:\n{self.output}"
        below = lines[starts[0] + 1 :]
        ends = (n for n, line in enumerate(below) if re.match(r"([=_-])\1+ .* \1+$", line))
        return below[: next(ends, len(below))]


@dataclass(frozen=True, kw_only=True)
class Project:
    """A directory with somebody's project, and the environment variables of his shell."""

    directory: Path
    environment: Mapping[str, str] = field(repr=False)

    def write(self, files: Mapping[str, str]) -> None:
        """Write files by their paths; their texts are dedented."""
        for path, text in files.items():
            target = self.directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text).lstrip("\n"))

    def with_variables(self, variables: Mapping[str, str]) -> Project:
        """Return the same project in a shell with more variables."""
        return replace(self, environment={**self.environment, **variables})

    def pytest(self, *arguments: str | Path, within: str = ".") -> Answer:
        """Type ``pytest`` with these arguments, in a folder below the project's."""
        return self.type_command(["pytest", *map(str, arguments)], within=within)

    def type_command(
        self,
        command: str | Sequence[str],
        *,
        within: str = ".",
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> Answer:
        """Run a command, a text by the shell, and wait for its end."""
        with self.start(command, within=within) as process:
            try:
                output, _ = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                raise AssertionError(f"{command} hangs; so far it has printed:\n{output}") from None
        return Answer(status=process.returncode, output=output)

    def start(self, command: str | Sequence[str], *, within: str = ".") -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a shell does."""
        return subprocess.Popen(
            command,
            shell=isinstance(command, str),
            cwd=self.directory / within,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def junit(self, path: str = "junit.xml") -> dict[str, dict[str, str]]:
        """Return suite -> test -> outcome of a JUnit file."""
        suites = ET.parse(self.directory / path).getroot().findall("testsuite")
        return {
            suite.get("name", ""): {
                _name_of(case): _outcome_of(case) for case in suite.iter("testcase")
            }
            for suite in suites
        }


def make(directory: Path, shell: Mapping[str, str], files: Mapping[str, str]) -> Project:
    """Return a new project in ``directory``, with files, for a user of a shell.

    Its commands find the ``pytest`` of the tests' own environment.

    Args:
        directory: where to make it.
        shell: environment variables, for example of ``machine.running``.
        files: texts by path, as for ``Project.write``.
    """
    directory.mkdir(parents=True)
    kept = {name: value for name, value in shell.items() if not _DISTURBS.match(name)}
    path = os.pathsep.join([str(Path(sys.executable).parent), shell["PATH"]])
    environment = {**kept, "PATH": path, "COLUMNS": str(COLUMNS)}
    project = Project(directory=directory, environment=environment)
    project.write(files)
    return project


def _name_of(case: ET.Element) -> str:
    parts = [case.get("classname", ""), case.get("name", "")]
    return ".".join(part for part in parts if part)


def _outcome_of(case: ET.Element) -> str:
    return next(
        (tag for tag in ("failure", "error", "skipped") if case.find(tag) is not None), "passed"
    )
