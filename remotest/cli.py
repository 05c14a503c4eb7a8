"""The command ``remotest``: what there is to do beside running tests, which ``pytest`` does."""

from __future__ import annotations

import argparse
import importlib.metadata
import re
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import pytest
from rich.console import Console

from remotest.check import check
from remotest.errors import EXIT_HOST_FAILED, EXIT_USAGE, RemotestError, UsageError
from remotest.gateways import serve
from remotest.pytestconfig import read_as_pytest
from remotest.reporting.checktable import screen
from remotest.reporting.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXIT_INTERRUPTED: Final = 130
"""What shells report of a program that Ctrl-C ended: 128 and the number of SIGINT."""

CHECK_OPTIONS: Final = {
    "--tx": ("SPEC", "an environment to check, beside those of the config file; as for pytest"),
    "--px": ("SPEC", "a host that other specs reach theirs through, as for pytest"),
    "--inventory": ("FILE", "YAML file of named hosts and groups, as for pytest"),
    "--rsyncdir": ("DIR", "a directory that would be brought to hosts, as for pytest"),
    "--rsyncignore": ("GLOB", "a pattern of what stays here, as for pytest"),
}
"""Option -> what its value is called, and what it is. pytest itself reads them."""


MATRIX_OPTIONS: Final = {
    "--tx": ("SPEC", "a host; without python= all of its interpreters. Without --tx, this one"),
    **{name: CHECK_OPTIONS[name] for name in CHECK_OPTIONS if name != "--tx"},
}
"""As CHECK_OPTIONS, of ``remotest matrix``."""

ALL_OF_THIS_MACHINE: Final = "popen//python=all"

_NAMES_PYTHON: Final = re.compile(r"(?:^|//)python=")


class _Parser(argparse.ArgumentParser):
    """A parser that leaves the exit code of wrong usage to ``main``."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code; see docs/reference/exit-codes.md.

    Args:
        argv: without the program's name; None for the process's own.
    """
    try:
        arguments, for_pytest = _parse(sys.argv[1:] if argv is None else argv)
        if arguments.command == "serve":
            return serve.run(arguments)
        if arguments.command == "matrix":
            return _matrix(arguments, for_pytest)
        return _check(arguments, for_pytest)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except RemotestError as error:
        sys.stderr.write(f"remotest: {printable(str(error))}\n")
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_HOST_FAILED


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the parsed command line, and what stands behind ``--``."""
    end = argv.index("--") if "--" in argv else len(argv)
    return _make_parser().parse_args(argv[:end]), [*argv[end + 1 :]]


def _make_parser() -> _Parser:
    parser = _Parser(
        prog="remotest",
        description="Tools around pytest runs on other machines and interpreters. "
        "The tests themselves are run by pytest.",
        allow_abbrev=False,
    )
    version = importlib.metadata.version("remotest")
    parser.add_argument("--version", action="version", version=f"remotest {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    checking = commands.add_parser(
        "check",
        help="dial every host, say what it has and lacks, and run nothing",
        description="Dial every host, say what it has and lacks, and run nothing. Arguments, and "
        "all that follows '--', are passed to pytest, which finds the config file by them.",
        allow_abbrev=False,
    )
    _add_options(checking, CHECK_OPTIONS)
    matrix = commands.add_parser(
        "matrix",
        help="run the suite on every interpreter that the project allows",
        description="Run the suite on every interpreter that requires-python allows, of this "
        "machine or of hosts: pytest with --dist=each. Arguments, and all that follows '--', are "
        "passed to pytest.",
        allow_abbrev=False,
    )
    _add_options(matrix, MATRIX_OPTIONS)
    serving = commands.add_parser(
        "serve",
        help="be an SSH server for this machine, which has none",
        description="Be a small SSH server: it lets in public keys, runs commands as the current "
        "user, and can do nothing else. Ctrl-C ends it and all that it has started.",
        allow_abbrev=False,
    )
    serve.add_arguments(serving)
    return parser


def _add_options(parser: _Parser, options: Mapping[str, tuple[str, str]]) -> None:
    for option, (metavar, text) in options.items():
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=text)
    parser.add_argument("argument", nargs="*", metavar="ARGUMENT", help="argument for pytest")


def _options_for_pytest(arguments: argparse.Namespace) -> list[str]:
    return [
        f"{option}={value}"
        for option in CHECK_OPTIONS
        for value in getattr(arguments, option.removeprefix("--"))
    ]


def _matrix(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    arguments.tx = [
        text if _NAMES_PYTHON.search(text) else f"{text}//python=all" for text in arguments.tx
    ] or [ALL_OF_THIS_MACHINE]
    options = _options_for_pytest(arguments)
    return int(pytest.main(["--dist=each", *options, *for_pytest, *arguments.argument]))


def _check(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> int:
    options = _options_for_pytest(arguments)
    settings = read_as_pytest([*options, *for_pytest, *arguments.argument])
    if isinstance(settings, int):
        return settings
    console = Console(highlight=False, markup=False, emoji=False)
    with console.status("asking every host"):
        result = check(settings)
    for line in screen(result, console.width):
        # A terminal wraps long lines itself: what is copied from it, or piped, stays whole.
        console.print(line, soft_wrap=True)
    return EXIT_HOST_FAILED if result.errors else 0
