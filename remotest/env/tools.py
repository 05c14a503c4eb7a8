"""Running uv and pip: one way to start them, one way they fail."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from remotest.bundle import SUPERVISE, read_bundle
from remotest.env.unavailable import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

TOOL_TIMEOUT_S: Final = 900
"""For one resolution or build: a slow index takes minutes, a large extension module longer."""


END_TIMEOUT_S: Final = 3.0
"""For a tool's guard to end it: a moment, unless it hangs in the kernel."""

_NOT_STARTED: Final = 127
"""The exit code of a shell for a command that is not there; uv and pip have no such one."""

_GUARDED: Final = f"""\
lifeline = int(sys.argv[1])
guard(lifeline, leave_s=0.0)
os.close(lifeline)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    print(error.strerror, file=sys.stderr)
    sys.exit({_NOT_STARTED})
"""
"""Run behind the source of ``supervise``."""

_all_running: Final[set[_Running]] = set()


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
        running = _Running(argv, environ, directory)
    except OSError as error:
        raise Unavailable(f"{tool} cannot be started: {error.strerror or error}") from error
    with _noted(running):
        try:
            output, words = running.process.communicate(text, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            running.end()
            raise Unavailable(
                f"{tool} did not end within {timeout_s:.0f} s",
                remedy="see whether the package index answers",
                is_network=True,
            ) from None
    if running.process.returncode == _NOT_STARTED:
        raise Unavailable(f"{tool} cannot be started: {last_line(words)}")
    if running.process.returncode:
        raise ToolFailed(tool, running.process.returncode, words)
    return output


def end_all() -> None:
    """End every tool that runs, with all that it has started: whoever waits for it fails."""
    for running in list(_all_running):
        running.end()


class _Running:
    """A tool that runs, guarded: it ends, with all that it has started, when this process does."""

    def __init__(
        self, argv: Sequence[str | Path], environ: Mapping[str, str], directory: Path
    ) -> None:
        program = read_bundle()[SUPERVISE] + _GUARDED
        lifeline, ours = os.pipe()
        self._lifelines = [ours]  # A list: taking something out of it is done by one thread only.
        try:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-c", program, str(lifeline)),
                    *(os.fspath(argument) for argument in argv),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, **environ},
                cwd=directory,
                pass_fds=(lifeline,),
                start_new_session=True,  # A Ctrl-C is for us: we end it.
            )
        except BaseException:
            self.close()
            raise
        finally:
            os.close(lifeline)

    def close(self) -> None:
        """Close the lifeline, which ends what still runs where there is a guard."""
        with contextlib.suppress(IndexError):
            os.close(self._lifelines.pop())

    def end(self) -> None:
        """End the tool, also where there is no guard."""
        self.close()
        try:
            self.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextlib.contextmanager
def _noted(running: _Running) -> Iterator[None]:
    _all_running.add(running)
    try:
        yield
    finally:
        _all_running.discard(running)
        running.close()
        for stream in (running.process.stdin, running.process.stdout, running.process.stderr):
            assert stream is not None
            stream.close()


def last_line(words: str) -> str:
    """Return the last line with something in it."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"
