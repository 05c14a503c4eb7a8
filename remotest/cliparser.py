"""The options and arguments of the command ``remotest``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, NoReturn

from remotest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CHECK_OPTIONS: Final = {
    "--tx": (
        "SPEC",
        "an environment to check, in addition to those of the config file; as for pytest",
    ),
    "--px": ("SPEC", "a host that other specs connect through, as for pytest"),
    "--inventory": ("FILE", "YAML file of named hosts and groups, as for pytest"),
    "--rsyncdir": ("DIR", "a directory that would be copied to hosts, as for pytest"),
    "--rsyncignore": ("GLOB", "a pattern of files not to copy, as for pytest"),
}
"""Option -> what its value is called, and what it is. pytest itself reads them."""

MATRIX_OPTIONS: Final = {
    **CHECK_OPTIONS,
    "--tx": (
        "SPEC",
        "a host; all of its interpreters unless it has python=. Default: this machine",
    ),
}
"""As CHECK_OPTIONS, of ``remotest matrix``."""

ENV_OPTIONS: Final = {
    **CHECK_OPTIONS,
    "--tx": (
        "SPEC",
        "an interpreter to show, in addition to those of the config file; as for pytest",
    ),
}
"""As CHECK_OPTIONS, of ``remotest env``."""

SYNC_OPTIONS: Final = {
    **CHECK_OPTIONS,
    "--tx": ("SPEC", "a host to copy to, in addition to those of the config file; as for pytest"),
    "--rsyncdir": ("DIR", "a directory to copy to hosts, as for pytest"),
}
"""As CHECK_OPTIONS, of ``remotest sync``."""

ENV_FLAGS: Final = {
    "--explain": "show each package, what requires it, and what has changed since the last time",
    "--build": "build the environments that do not exist yet; still run no test",
    "--upgrade": "resolve again, even if the last resolution is less than a day old",
}
"""Option of ``remotest env`` -> what it does."""

TO_PYTEST: Final = (
    "Arguments, and everything after '--', are passed to pytest, which uses them to find the "
    "config file."
)

CACHE_ACTIONS: Final = {
    "ls": "list everything that is kept",
    "gc": "remove what was not used for a long time or exceeds the size limit, but nothing in use",
    "rm": "remove entries by name; what is needed again is fetched or built again",
}
"""Action of ``remotest cache`` -> what it does."""

CACHE_OPTIONS: Final = {
    "--tx": ("SPEC", "a host whose cache to use instead of that of this machine; as for pytest"),
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
        "run a small SSH server on this machine, if it has none",
        "Run a small SSH server: it accepts public keys, runs commands as the current user, and "
        "can do nothing else. Ctrl-C ends it and everything that it has started.",
    )
    return parser, serving


def _add_commands(add: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    """Add the commands that look at a run; ``add`` takes name, summary and description of one."""
    checking = add(
        "check",
        "connect to every host and show what it has and lacks; run no test",
        "Connect to every host and show what it has and lacks; run no test. " + TO_PYTEST,
    )
    _add_options(checking, CHECK_OPTIONS)
    _add_arguments_for_pytest(checking)
    _add_sync(
        add(
            "sync",
            "copy the tree to every host; run no test",
            "Copy the tree to every host as a run does, so that the next run finds it there; run "
            "no test. " + TO_PYTEST,
        )
    )
    matrix = add(
        "matrix",
        "run the suite on every interpreter that the project allows",
        "Run the suite with pytest --dist=each on every interpreter, of this machine or of hosts, "
        "that requires-python allows. " + TO_PYTEST,
    )
    _add_options(matrix, MATRIX_OPTIONS)
    _add_arguments_for_pytest(matrix)
    _add_env(
        add(
            "env",
            "show the environment that each interpreter runs the tests in, and why",
            "Show the environment that each interpreter of a run would run the tests in, where its "
            "requirements come from, and whether it exists; run no test. " + TO_PYTEST,
        )
    )
    _add_cache(
        add(
            "cache",
            "list and remove what is kept for later runs, on this machine or on hosts",
            "List and remove what is kept for later runs: on this machine, or with --tx on hosts. "
            "Everything after '--' is passed to pytest, which uses it to find the config file. "
            + " ".join(f"{action}: {text}." for action, text in CACHE_ACTIONS.items()),
        )
    )


def _add_sync(parser: argparse.ArgumentParser) -> None:
    _add_options(parser, SYNC_OPTIONS)
    parser.add_argument(
        "--verbose", "-v", action="store_true", help="show each file that is sent, and each tree"
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
        default=[],  # Without it, argparse would report NAME as required.
        metavar="NAME",
        help="a name that ls shows, the beginning of one, or a pattern such as 'pytest-*'",
    )


def _add_options(parser: argparse.ArgumentParser, options: Mapping[str, tuple[str, str]]) -> None:
    for option, (metavar, text) in options.items():
        parser.add_argument(option, metavar=metavar, action="append", default=[], help=text)


def _add_arguments_for_pytest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("argument", nargs="*", metavar="ARGUMENT", help="argument for pytest")
