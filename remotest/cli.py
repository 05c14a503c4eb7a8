"""The command ``remotest``: what there is to do beside running tests, which ``pytest`` does."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Final

from pytest_remotest.quickend import leave
from remotest.cliparser import parse
from remotest.errors import EXIT_HOST_FAILED, EXIT_USAGE, RemotestError, UsageError
from remotest.garbage import without_collections
from remotest.hosttext import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

EXIT_INTERRUPTED: Final = 130
"""What shells report of a program that Ctrl-C ended: 128 and the number of SIGINT."""


def program() -> None:
    """Do what this process's command line says, and end the process.

    Python would free each object before that, which takes 10 ms for all that a sync imports.
    """
    code = main()
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None is what was closed before.
            stream.flush()
    except (OSError, ValueError):
        sys.exit(code)  # Nobody hears what was said: Python tells, and has a code of its own.
    leave(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code; see docs/reference/exit-codes.md.

    Args:
        argv: without the program's name; None for the process's own.
    """
    try:
        return _run(*parse(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except RemotestError as error:
        sys.stderr.write(f"remotest: {printable(str(error))}\n")
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_HOST_FAILED


def _run(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    """Do a command. Each is imported alone: what the others need takes half a second."""
    if arguments.command == "serve":
        from remotest.gateways import serve  # noqa: PLC0415  see above

        return serve.run(arguments)
    if arguments.command == "sync":
        with _uncollected():
            from remotest.synccommand import sync_command  # noqa: PLC0415  see above

            return sync_command(arguments, for_pytest)
    from remotest.screencommands import COMMANDS  # noqa: PLC0415  see above

    return COMMANDS[arguments.command](arguments, for_pytest)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage in cycles; what is there at the end is not looked at any more, ever.

    Hardly any is made. To look for it, among all that was imported and once more when Python ends,
    takes a sixth of the CPU time of a command that finds its tree in place.
    """
    with without_collections():
        try:
            yield
        finally:
            gc.freeze()
