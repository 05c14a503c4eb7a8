"""The command ``remotest``: what there is to do beside running tests, which ``pytest`` does."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

import pytest
from rich.console import Console

from remotest import cachecommand, envcommand
from remotest.check import check
from remotest.cliparser import options_for_pytest, parse
from remotest.errors import EXIT_HOST_FAILED, EXIT_USAGE, RemotestError, UsageError
from remotest.gateways import serve
from remotest.hosttext import printable
from remotest.pytestconfig import read_as_pytest
from remotest.reporting import envtable
from remotest.reporting.checktable import screen

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from rich.text import Text

    from remotest.settings import Settings

EXIT_INTERRUPTED: Final = 130
"""What shells report of a program that Ctrl-C ended: 128 and the number of SIGINT."""

ALL_OF_THIS_MACHINE: Final = "popen//python=all"

_NAMES_PYTHON: Final = re.compile(r"(?:^|//)python=")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code; see docs/reference/exit-codes.md.

    Args:
        argv: without the program's name; None for the process's own.
    """
    try:
        arguments, for_pytest = parse(sys.argv[1:] if argv is None else argv)
        if arguments.command == "serve":
            return serve.run(arguments)
        commands = {"matrix": _matrix, "env": _env, "cache": _cache, "check": _check}
        return commands[arguments.command](arguments, for_pytest)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except RemotestError as error:
        sys.stderr.write(f"remotest: {printable(str(error))}\n")
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_HOST_FAILED


def _matrix(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    arguments.tx = [
        text if _NAMES_PYTHON.search(text) else f"{text}//python=all" for text in arguments.tx
    ] or [ALL_OF_THIS_MACHINE]
    options = options_for_pytest(arguments)
    return int(pytest.main(["--dist=each", *options, *for_pytest, *arguments.argument]))


def _read(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> Settings | int:
    """Return what pytest would run on, or its exit code."""
    named = getattr(arguments, "argument", ())
    return read_as_pytest([*options_for_pytest(arguments), *for_pytest, *named])


def _check(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    settings = _read(arguments, for_pytest)
    if isinstance(settings, int):
        return settings
    console = _console()
    with console.status("asking every host"):
        result = check(settings)
    _print(console, screen(result, console.width))
    return EXIT_HOST_FAILED if result.errors else 0


def _env(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    settings = _read(arguments, for_pytest)
    if isinstance(settings, int):
        return settings
    console = _console()
    with console.status("finding out what every interpreter is given"):
        rows = envcommand.survey(settings, is_built=arguments.build, upgrade=arguments.upgrade)
    _print(console, envtable.screen(rows, is_explained=arguments.explain))
    return EXIT_HOST_FAILED if any(row.error is not None for row in rows) else 0


def _cache(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    cachecommand.check_usage(arguments.action, arguments.name)
    console = _console()
    if not arguments.tx:
        _print(console, cachecommand.own_cache(arguments.action, arguments.name))
        return 0
    settings = _read(arguments, for_pytest)
    if isinstance(settings, int):
        return settings
    with console.status("asking every host"):
        lines, errors = cachecommand.host_caches(settings, arguments.action, arguments.name)
    _print(console, lines)
    for error in errors:
        sys.stderr.write(f"{printable(error.paragraph())}\n")
    return EXIT_HOST_FAILED if errors else 0


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)


def _print(console: Console, lines: Iterable[Text]) -> None:
    for line in lines:
        # A terminal wraps long lines itself: what is copied from it, or piped, stays whole.
        console.print(line, soft_wrap=True)
