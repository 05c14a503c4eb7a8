"""Runs a documentation page: writes the files that it shows, types its commands, compares.

What a page may hold, and what becomes of it, in the order of the page:

- A fenced block of any language whose first line is ``# file: PATH`` is written to that path.
- A ``console`` block is typed. A line ``$ COMMAND`` is a command (a ``\\`` at its end goes on in
  the next line); the lines below it must occur in its output in this order, where ``...`` stands
  for any text, a line that is only ``...`` for any lines, and a blank for any number of them.
- A command must succeed, unless the next is ``$ echo $?``: then the number below is its status.
- A ``console`` block right below ``<!-- not run: REASON -->`` is left alone.

A command finds what a reader's shell would: ``pytest``, ``remotest``, each ``pythonX.Y`` that the
page names (with a pytest), and, whatever it is called, a host to log in to by ssh. On a page
that names a host ``bare`` the interpreters are on that host only, without any package, and no
network is there.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import barehost
import machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

COMMAND_TIMEOUT_S: Final = 100
"""Below the limit of a test, so that a command that hangs is shown with its output."""

_FENCE = re.compile(r"^```(\w*)$")
_FILE = re.compile(r"^# file: (\S+)$")
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")
_DISTURBS = re.compile(r"CI$|PYTEST_|COV_")  # variables of the tests' own pytest
_BARE = re.compile(r"\bssh=bare\b")
_INTERPRETER = re.compile(r"\b(?:python(3\.\d+)|(pypy3))\b")


class PageError(AssertionError):
    """A page does not hold what this module describes, or what it promises does not happen."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block; ``line`` is that of its fence, ``not_run`` the reason given above it."""

    line: int
    language: str
    lines: tuple[str, ...]
    not_run: str | None = None

    @property
    def file_name(self) -> str | None:
        """Where the block is to be written, None for a block that is no file."""
        match = _FILE.match(self.lines[0]) if self.lines else None
        return match[1] if match else None


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command of a ``console`` block, what it must print and the status it must end with."""

    line: int
    text: str
    expected: tuple[str, ...] = ()
    status: int = 0


def blocks_of(page: str) -> list[Block]:
    """Return the fenced blocks of a page of Markdown."""
    blocks: list[Block] = []
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            number += 1
            continue
        try:
            end = lines.index("```", number + 1)
        except ValueError:
            raise PageError(f"line {number + 1}: a block without an end") from None
        above = _NOT_RUN.match(lines[number - 1]) if number else None
        blocks.append(
            Block(
                line=number + 1,
                language=fence[1],
                lines=tuple(lines[number + 1 : end]),
                not_run=above[1] if above else None,
            )
        )
        number = end + 1
    return blocks


def commands_of(block: Block) -> list[Command]:
    """Return the commands of a ``console`` block."""
    commands: list[Command] = []
    for number, line in enumerate(block.lines, block.line + 1):
        if commands and commands[-1].text.endswith("\\"):
            text = commands[-1].text[:-1] + line.strip()
            commands[-1] = Command(line=commands[-1].line, text=text)
        elif line.startswith("$ "):
            commands.append(Command(line=number, text=line[2:]))
        elif commands:
            last = commands[-1]
            expected = (*last.expected, line)
            commands[-1] = Command(line=last.line, text=last.text, expected=expected)
        else:
            raise PageError(f"line {number}: output without a command")
    return _with_status(commands)


def _with_status(commands: list[Command]) -> list[Command]:
    """Return the commands with each ``echo $?`` folded into the one above it."""
    folded: list[Command] = []
    for command in commands:
        if command.text != "echo $?":
            folded.append(command)
            continue
        if not folded or len(command.expected) != 1 or not command.expected[0].isdigit():
            raise PageError(f"line {command.line}: `echo $?` needs a command above, a number below")
        last = folded[-1]
        folded[-1] = Command(
            line=last.line,
            text=last.text,
            expected=last.expected,
            status=int(command.expected[0]),
        )
    return folded


def first_missing(expected: tuple[str, ...], output: str) -> str | None:
    """Return the first expected line that the output does not hold in this order, if any."""
    lines = (_with_single_blanks(line) for line in output.splitlines())
    for wanted in expected:
        parts = _with_single_blanks(wanted).split("...")
        pattern = re.compile(".*".join(re.escape(part) for part in parts))
        if not any(pattern.fullmatch(line) for line in lines):
            return wanted
    return None


def _with_single_blanks(line: str) -> str:
    return " ".join(line.split())


def run_page(page: Path, project: Path, environment: Mapping[str, str]) -> None:
    """Do in ``project`` what a page says.

    Raises:
        PageError: the page promises what does not happen.
    """
    for block in blocks_of(page.read_text()):
        if block.file_name is not None:
            target = project / block.file_name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(block.lines[1:]).strip("\n") + "\n")
        elif block.language == "console" and block.not_run is None:
            for command in commands_of(block):
                _run_command(page, command, project, environment)


def _run_command(
    page: Path, command: Command, project: Path, environment: Mapping[str, str]
) -> None:
    answer = subprocess.run(
        [machine.SHELL, "-c", command.text],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    missing = first_missing(command.expected, answer.stdout)
    if missing is not None:
        problem = f"the output does not have (at this place): {missing}"
    elif answer.returncode != command.status:
        problem = f"the exit status is {answer.returncode}, not {command.status}"
    else:
        return
    raise PageError(
        f"{page.name}:{command.line}: $ {command.text}\n{problem}\nthe output is:\n{answer.stdout}"
    )


@contextlib.contextmanager
def shell_for(page: Path, directory: Path) -> Iterator[dict[str, str]]:
    """Give the environment variables of a shell in which a page's commands work as typed."""
    found = _INTERPRETER.findall(page.read_text())
    names = sorted({pypy or version for version, pypy in found})
    running = barehost.running if _BARE.search(page.read_text()) else machine.running
    with running(directory, names) as environment:
        kept = {name: environment[name] for name in environment if not _DISTURBS.match(name)}
        yield {**kept, "COLUMNS": "100"}
