"""Reads ssh_config(5): which options apply to a host.

paramiko's own reader does not support Include or quoted arguments, and needs another package for
``Match exec``. This one follows ssh(1) instead: it reads files from top to bottom, decides for each
block in turn whether it applies, and uses the first value that it finds for an option.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import stat
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from remotest.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from remotest.gateways.surroundings import Surroundings

MAX_INCLUDE_DEPTH: Final = 16  # As ssh; an Include that includes itself ends here.
MATCH_EXEC_TIMEOUT_S: Final = 10.0  # A probe such as `ip route`; ssh itself would wait for ever.

OptionValues = dict[str, tuple[str, ...]]
"""Option name in lower case -> its arguments; of a repeatable option, those of all its lines."""

_REPEATABLE: Final = frozenset({"identityfile", "certificatefile"})
_RAW: Final = frozenset({"proxycommand"})  # The rest of the line is one argument, for a shell.
_LINE: Final = re.compile(r"(?P<name>[A-Za-z0-9]+)(?:\s*=\s*|\s+|$)(?P<rest>.*)")
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_SHELL_SAFE: Final = re.compile(r"[A-Za-z0-9._:%@\[\]+-]+")


def read_options(
    alias: str,
    *,
    user: str | None,
    config: str | None,
    surroundings: Surroundings,
) -> OptionValues:
    """Return the options that hold for a host name as the user typed it.

    Args:
        alias: the host as it was named; ``Host`` patterns are matched against it.
        user: the user of the ``--tx``, if it names one.
        config: the file to read in place of the user's and the machine's own.
        surroundings: where the files are.

    Raises:
        ConnectError: a file cannot be read or says what is not understood.
    """
    reader = _Reader(alias, user, surroundings)
    for final in (False, True):
        reader.is_final_pass = final
        if config is not None:
            path = surroundings.working_directory / _expand_home(config, surroundings.home)
            reader.read_file(path, in_active_block=True, depth=0)
        else:
            reader.read_if_there(surroundings.home / ".ssh" / "config", must_be_private=True)
            reader.read_if_there(surroundings.system_directory / "ssh_config")
        if not reader.has_final_blocks:
            break
    return reader.options


def expand_tokens(text: str, tokens: Mapping[str, str]) -> str:
    """Replace ``%h`` and the like; ``tokens`` maps the letter to its value.

    Raises:
        KeyError: ``text`` has a token that is not in ``tokens``.
    """
    return re.sub(r"%(.?)", lambda match: "%" if match[1] == "%" else tokens[match[1]], text)


def expand_variables(text: str, environment: Mapping[str, str]) -> str:
    """Replace ``${NAME}``.

    Raises:
        KeyError: a variable is not set.
    """
    return _VARIABLE.sub(lambda match: environment[match[1]], text)


def is_shell_safe(name: str) -> bool:
    """Say whether a host or user name may stand in a shell command line."""
    return bool(_SHELL_SAFE.fullmatch(name)) and not name.startswith("-")


def matches_pattern(name: str, pattern: str) -> bool:
    """Match as ssh does: ``*`` and ``?`` only; brackets are letters like any other."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def matches_patterns(name: str, patterns: Sequence[str]) -> bool:
    """Say whether a pattern matches ``name`` and no pattern with ``!`` in front does."""
    matched = False
    for pattern in patterns:
        if pattern.startswith("!"):
            if matches_pattern(name, pattern[1:]):
                return False
        elif matches_pattern(name, pattern):
            matched = True
    return matched


def split_arguments(text: str) -> tuple[str, ...]:
    """Split a line's rest into arguments: quotes group, a word that starts with # ends it.

    Raises:
        ValueError: a quote is not closed.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    arguments: list[str] = []
    for argument in lexer:
        if argument.startswith("#"):
            break
        arguments.append(argument)
    return tuple(arguments)


def _expand_home(path: str, home: Path) -> str:
    return str(home) + path[1:] if path == "~" or path.startswith("~/") else path


class _Reader:
    """Reads files for one host; ``options`` grows as blocks apply."""

    def __init__(self, alias: str, user: str | None, surroundings: Surroundings) -> None:
        self.options: OptionValues = {}
        self.is_final_pass = False
        self.has_final_blocks = False
        self._alias = alias
        self._user = user
        self._surroundings = surroundings
        self._where = ""
        self._criteria: dict[str, Callable[[str], bool]] = {
            "host": lambda value: matches_patterns(self._hostname(), value.split(",")),
            "originalhost": lambda value: matches_patterns(self._alias, value.split(",")),
            "user": lambda value: matches_patterns(self._remote_user(), value.split(",")),
            "localuser": lambda value: matches_patterns(surroundings.user, value.split(",")),
            "exec": self._command_succeeds,
        }

    def read_if_there(self, path: Path, *, must_be_private: bool = False) -> None:
        """Read a file that need not exist.

        With ``must_be_private``, refuse one that others may write: what it says is run.
        """
        try:
            status = path.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            self._fail(f"{path}: {error.strerror}")
        is_foreign = status.st_uid not in (0, os.getuid())
        if must_be_private and (is_foreign or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            self._fail(f"{path} is not yours alone to write", f"chmod 600 {path}")
        self.read_file(path, in_active_block=True, depth=0)

    def read_file(self, path: Path, *, in_active_block: bool, depth: int) -> None:
        """Read one file; ``in_active_block`` False reads it only to find its mistakes."""
        if depth > MAX_INCLUDE_DEPTH:
            self._fail(f"{path} is included more than {MAX_INCLUDE_DEPTH} files deep")
        try:
            lines = path.read_text(errors="surrogateescape").splitlines()
        except OSError as error:
            self._fail(f"{path}: {error.strerror}")
        is_active = in_active_block
        for number, line in enumerate(lines, 1):
            self._where = f"{path}:{number}: "
            if not line.strip() or line.strip().startswith("#"):
                continue
            name, arguments = self._option_of(line.strip())
            if name == "host":
                is_active = in_active_block and matches_patterns(self._alias, arguments)
            elif name == "match":
                is_active = in_active_block and self._matches_all(arguments)
            elif name == "include":
                for included in self._included(arguments, path):
                    self.read_file(included, in_active_block=is_active, depth=depth + 1)
            elif is_active:
                self._take(name, arguments)

    def _take(self, name: str, arguments: tuple[str, ...]) -> None:
        """Note an option that holds: the first one counts, but repeatable ones add up."""
        known = self.options.setdefault(name, arguments)
        if name in _REPEATABLE:
            self.options[name] = tuple(dict.fromkeys(known + arguments))

    def _option_of(self, line: str) -> tuple[str, tuple[str, ...]]:
        """Return name and arguments of a line."""
        match = _LINE.fullmatch(line)
        if match is None:
            self._fail(f"not an option: {line!r}")
        name = match["name"].lower()
        try:
            arguments = (match["rest"],) if name in _RAW else split_arguments(match["rest"])
        except ValueError:
            self._fail("a quote is not closed")
        if not arguments or not arguments[0]:
            self._fail(f"{match['name']} has no value")
        return name, arguments

    def _included(self, patterns: Sequence[str], including: Path) -> Iterator[Path]:
        """Yield the files that an Include line names; patterns that match nothing are fine."""
        system_directory = self._surroundings.system_directory
        is_system = including.is_relative_to(system_directory)
        base = system_directory if is_system else self._surroundings.home / ".ssh"
        for pattern in patterns:
            full = base / _expand_home(pattern, self._surroundings.home)
            try:
                # As glob(3), which ssh asks: hidden files are not meant, and "**" is "*".
                names = glob.glob(str(full))  # noqa: PTH207  see above
            except ValueError:  # A pattern with a NUL in it.
                names = []
            yield from map(Path, sorted(names))

    def _matches_all(self, arguments: Sequence[str]) -> bool:
        """Judge a Match line: all of its criteria must hold."""
        remaining = list(arguments)
        matched = True
        while remaining:
            word = remaining.pop(0)
            is_negated = word.startswith("!")
            name, _, value = word.lstrip("!").partition("=")
            name = name.lower()
            if name == "all":
                holds = True
            elif name in {"final", "canonical"}:
                self.has_final_blocks |= name == "final"
                holds = self.is_final_pass and name == "final"
            elif name in self._criteria:
                if not value and not remaining:
                    self._fail(f"Match {name} has no value")
                value = value or remaining.pop(0)
                # As ssh: a command is not run once the block cannot match any more.
                holds = matched and self._criteria[name](value)
            else:
                self._fail(
                    f"Match {name} is not understood",
                    "name a file without it: //ssh_config=PATH",
                )
            matched &= holds != is_negated
        return matched

    def _hostname(self) -> str:
        configured = self.options.get("hostname")
        if configured is None:
            return self._alias
        try:
            return expand_tokens(configured[0], {"h": self._alias})
        except KeyError as error:
            self._fail(f"HostName {configured[0]} has the unknown token %{error.args[0]}")

    def _remote_user(self) -> str:
        configured = self.options.get("user")
        return self._user or (configured[0] if configured else self._surroundings.user)

    def _command_succeeds(self, command: str) -> bool:
        tokens = {
            "h": self._hostname(),
            "n": self._alias,
            "p": self.options.get("port", ("22",))[0],
            "r": self._remote_user(),
            "u": self._surroundings.user,
            "d": str(self._surroundings.home),
        }
        for token in re.findall(r"%([hnr])", command):
            if not is_shell_safe(tokens[token]):
                self._fail(f"{tokens[token]!r} must not be put into a command line")
        try:
            return (
                subprocess.run(
                    ["/bin/sh", "-c", expand_tokens(command, tokens)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    check=False,
                    timeout=MATCH_EXEC_TIMEOUT_S,
                ).returncode
                == 0
            )
        except KeyError as error:
            self._fail(f"Match exec has the unknown token %{error.args[0]}")
        except (OSError, subprocess.TimeoutExpired) as error:
            self._fail(f"Match exec: {error}")

    def _fail(self, cause: str, remedy: str = "") -> NoReturn:
        raise ConnectError(
            host=self._alias, phase="read ssh_config", cause=self._where + cause, remedy=remedy
        )
