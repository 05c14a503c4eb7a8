"""The options and arguments of the command ``remotest``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, NoReturn

from remotest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CHECK_OPTIONS: Final = {
    "--tx": ("SPEC", "an environment to check, beside those of the config file; as for pytest"),
    "--px": ("SPEC", "a host that other specs reach theirs through, as for pytest"),
    "--inventory": ("FILE", "YAML file of named hosts and groups, as for pytest"),
    "--rsyncdir": ("DIR", "a directory that would be brought to hosts, as for pytest"),
    "--rsyncignore": ("GLOB", "a pattern of what stays here, as for pytest"),
}
"""Option -> what its value is called, and what it is. pytest itself reads them."""

MATRIX_OPTIONS: Final = {
    **CHECK_OPTIONS,
    "--tx": ("SPEC", "a host; without python= all of its interpreters. Without --tx, this one"),
}
"""As CHECK_OPTIONS, of ``remotest matrix``."""

ENV_OPTIONS: Final = {
    **CHECK_OPTIONS,
    "--tx": ("SPEC", "an interpreter to tell of, beside those of the config file; as for pytest"),
}
"""As CHECK_OPTIONS, of ``remotest env``."""

SYNC_OPTIONS: Final = {
    **CHECK_OPTIONS,
    "--tx": ("SPEC", "a host to bring the tree to, beside those of the config file; as for pytest"),
    "--rsyncdir": ("DIR", "a directory that is brought to hosts, as for pytest"),
}
"""As CHECK_OPTIONS, of ``remotest sync``."""

ENV_FLAGS: Final = {
    "--explain": "name each package, who asks for it, and what has changed since the last time",
    "--build": "build the environments that are not there, and run nothing",
    "--upgrade": "resolve anew, though what was resolved within the last day still stands",
}
"""Option of ``remotest env`` -> what it does."""


CACHE_ACTIONS: Final = {
    "ls": "list what is there",
    "gc": "remove what was not used for long, and what is too much; nothing that is in use",
    "rm": "remove things by their names; what is needed again is fetched or built again",
}
"""Action of ``remotest cache`` -> what it does."""

CACHE_OPTIONS: Final = {
    "--tx": ("SPEC", "a host whose cache is meant, and not the one of this machine; as for pytest"),
    **{name: CHECK_OPTIONS[name] for name in ("--px", "--inventory")},
}
"""As CHECK_OPTIONS, of ``remotest cache``."""


class _Parser(argparse.ArgumentParser):
    """A parser that leaves the exit code of wrong usage to ``main``."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the parsed command line, and what stands behind ``--``.

    Raises:
        UsageError: it makes no sense.
    """
    end = argv.index("--") if "--" in argv else len(argv)
    parser, serving = _make_parser()
    if "serve" in argv[:end]:
        # Not at the top, and not always: it takes long to import.
        from remotest.gateways import serve  # noqa: PLC0415

        serve.add_arguments(serving)
    return parser.parse_args(argv[:end]), [*argv[end + 1 :]]


def options_for_pytest(arguments: argparse.Namespace) -> list[str]:
    """Return those options that pytest reads."""
    return [
        f"{option}={value}"
        for option in CHECK_OPTIONS
        for value in getattr(arguments, option.removeprefix("--"), ())
    ]


def arguments_for_pytest(arguments: argparse.Namespace, for_pytest: Sequence[str]) -> list[str]:
    """Return the whole command line that pytest reads."""
    named = getattr(arguments, "argument", ())
    return [*options_for_pytest(arguments), *for_pytest, *named]


class _Version(argparse.Action):
    """Prints the version and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        # Not at the top: every command would wait for it.
        import importlib.metadata  # noqa: PLC0415

        parser.exit(message=f"remotest {importlib.metadata.version('remotest')}\n")


def _make_parser() -> tuple[_Parser, argparse.ArgumentParser]:
    """Return the parser, and that of ``serve``, which has no options yet."""
    parser = _Parser(
        prog="remotest",
        description="Tools around pytest runs on other machines and interpreters. "
        "The tests themselves are run by pytest.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show program's version number and exit"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str, description: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=summary, description=description, allow_abbrev=False)

    _add_commands(add)
    serving = add(
        "serve",
        "be an SSH server for this machine, which has none",
        "Be a small SSH server: it lets in public keys, runs commands as the current "
        "user, and can do nothing else. Ctrl-C ends it and all that it has started.",
    )
    return parser, serving


def _add_commands(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Add the commands that look at a run; ``add`` takes name, summary and description of one."""
    checking = add(
        "check",
        "dial every host, say what it has and lacks, and run nothing",
        "Dial every host, say what it has and lacks, and run nothing. Arguments, and "
        "all that follows '--', are passed to pytest, which finds the config file by them.",
    )
    _add_options(checking, CHECK_OPTIONS)
    _add_arguments_for_pytest(checking)
    _add_sync(
        add(
            "sync",
            "bring the tree to every host, and run nothing",
            "Bring the tree to every host as a run does, and run nothing: the next run finds it "
            "there. Arguments, and all that follows '--', are passed to pytest, which finds the "
            "config file by them.",
        )
    )
    matrix = add(
        "matrix",
        "run the suite on every interpreter that the project allows",
        "Run the suite on every interpreter that requires-python allows, of this "
        "machine or of hosts: pytest with --dist=each. Arguments, and all that follows '--', are "
        "passed to pytest.",
    )
    _add_options(matrix, MATRIX_OPTIONS)
    _add_arguments_for_pytest(matrix)
    _add_env(
        add(
            "env",
            "say what each interpreter is given to run the tests in, and why",
            "Say what each interpreter of a run is given to run the tests in, where that comes "
            "from, and whether it is there; run nothing. Arguments, and all that follows '--', "
            "are passed to pytest, which finds the config file by them.",
        )
    )
    _add_cache(
        add(
            "cache",
            "see and remove what is kept for later runs, here or on hosts",
            "See and remove what is kept for later runs: on this machine, or with --tx on hosts. "
            "All that follows '--' is passed to pytest, which finds the config file by it. "
            + " ".join(f"{action}: {text}." for action, text in CACHE_ACTIONS.items()),
        )
    )


def _add_sync(parser: argparse.ArgumentParser) -> None:
    _add_options(parser, SYNC_OPTIONS)
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="name each file that is sent, and each tree"
    )
    _add_arguments_for_pytest(parser)


def _add_env(parser: argparse.ArgumentParser) -> None:
    _add_options(parser, ENV_OPTIONS)
    for flag, text in ENV_FLAGS.items():
        parser.add_argument(flag, action="store_true", help=text)
    _add_arguments_for_pytest(parser)


def _add_cache(parser: argparse.ArgumentParser) -> None:
    _add_options(parser, CACHE_OPTIONS)
    parser.add_argument("action", choices=list(CACHE_ACTIONS), help="what to do")
    parser.add_argument(
        "name",
        nargs="*",
        default=[],  # Else a missing action is told as "action, NAME are required".
        metavar="NAME",
        help="what ls calls a thing, the beginning of that, or a pattern such as 'pytest-*'",
    )


def _add_options(parser: argparse.ArgumentParser, options: Mapping[str, tuple[str, str]]) -> None:
    for option, (metavar, text) in options.items():
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=text)


def _add_arguments_for_pytest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("argument", nargs="*", metavar="ARGUMENT", help="argument for pytest")
