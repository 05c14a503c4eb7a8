"""The commands of ``remotest`` that show tables, or run pytest."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

import pytest
from rich.console import Console

from remotest import cachecommand, envcommand
from remotest.check import check
from remotest.cliparser import arguments_for_pytest
from remotest.errors import EXIT_HOST_FAILED
from remotest.hosttext import printable
from remotest.pytestconfig import read_as_pytest
from remotest.reporting import envtable
from remotest.reporting.checktable import screen

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from rich.text import Text

ALL_OF_THIS_MACHINE: Final = "popen//python=all"

_NAMES_PYTHON: Final = re.compile(r"(?:^|//)python=")


def _matrix(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    arguments.tx = [
        text if _NAMES_PYTHON.search(text) else f"{text}//python=all" for text in arguments.tx
    ] or [ALL_OF_THIS_MACHINE]
    return int(pytest.main(["--dist=each", *arguments_for_pytest(arguments, for_pytest)]))


def _check(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    settings = read_as_pytest(arguments_for_pytest(arguments, for_pytest))
    if isinstance(settings, int):
        return settings
    console = _console()
    with console.status("asking every host"):
        result = check(settings)
    _print(console, screen(result, console.width))
    return EXIT_HOST_FAILED if result.errors else 0


def _env(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    settings = read_as_pytest(arguments_for_pytest(arguments, for_pytest))
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
    settings = read_as_pytest(arguments_for_pytest(arguments, for_pytest))
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


COMMANDS: Final = {
    "matrix": _matrix,
    "env": _env,
    "cache": _cache,
    "check": _check,
}
