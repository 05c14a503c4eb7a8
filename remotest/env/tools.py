"""Running uv and pip: one way to start them, one way they fail."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TOOL_TIMEOUT_S: Final = 900
"""For one resolution or build: a slow index takes minutes, a large extension module longer."""


class ToolFailed(Unavailable):
    """A tool ended with an exit code. ``words`` is its error stream, ``code`` that code."""

    def __init__(self, tool: str, code: int, words: str) -> None:
        self.code = code
        self.words = words
        super().__init__(f"{tool} failed with exit code {code}: {last_line(words)}")


def run_tool(
    argv: Sequence[str | Path],
    *,
    environ: Mapping[str, str],
    directory: Path,
    text: str = "",
    timeout_s: float = TOOL_TIMEOUT_S,
) -> str:
    """Run a tool to its end and return its standard output.

    Args:
        argv: the command.
        environ: added to the environment; secrets go here, where other users do not see them.
        directory: to run in: tools look there for their settings.
        text: its standard input.
        timeout_s: after which it is killed.

    Raises:
        ToolFailed: it ended with an exit code.
        Unavailable: it did not start, or not end.
    """
    tool = os.path.basename(argv[0])  # noqa: PTH119  the first of argv may be text or a path
    try:
        answer = subprocess.run(
            [os.fspath(argument) for argument in argv],
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, **environ},
            cwd=directory,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(
            f"{tool} did not end within {timeout_s:.0f} s",
            remedy="see whether the package index answers",
            is_network=True,
        ) from None
    except OSError as error:
        raise Unavailable(f"{tool} cannot be started: {error.strerror or error}") from error
    if answer.returncode:
        raise ToolFailed(tool, answer.returncode, answer.stderr)
    return answer.stdout


def last_line(words: str) -> str:
    """Return the last line with something in it."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
